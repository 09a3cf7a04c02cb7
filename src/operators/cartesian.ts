// Every record of the left partition with every one of the right: left by left, the right in its order. The right partition
// is read once and kept, in memory as far as the budget goes, else encoded in a scratch file that is read for each left record.

import { estimateBytes } from "../codec/estimate.js";
import { decodeRecords, encodeRecords } from "../codec/records.js";
import { SchemaTable } from "../codec/schema.js";
import type { SpillFile } from "../core/memory.js";
import { type CallSite, formatCallSite } from "../plan/function.js";
import { BATCH_RECORDS, chainMaybe, drain, LazySource } from "./batches.js";
import { Reservation } from "./reservation.js";
import type { BatchSource, TaskContext } from "./task-context.js";

const RECORD_OVERHEAD = 64;
const CHUNK_ROWS = 4096;

export function cartesianSource(
  left: BatchSource,
  right: BatchSource,
  context: TaskContext,
  site: CallSite,
): BatchSource {
  const kept = new KeptRecords(context, site);
  const source = new LazySource(() =>
    chainMaybe(
      drain(
        right,
        () => context.checkCancelled(),
        (batch) => {
          kept.add(batch);
          return false;
        },
      ),
      () => new ProductSource(left, kept, context),
    ),
  );
  return {
    next: () => source.next(),
    close: () => {
      source.close();
      left.close();
      right.close();
      kept.release();
    },
  };
}

class ProductSource implements BatchSource {
  #batch: readonly unknown[] = [];
  #at = 0;
  #right: Iterator<readonly unknown[]> | null = null;
  #chunk: readonly unknown[] = [];
  #chunkAt = 0;

  constructor(
    readonly left: BatchSource,
    readonly kept: KeptRecords,
    readonly context: TaskContext,
  ) {}

  next(): ReturnType<BatchSource["next"]> {
    for (;;) {
      if (this.#at >= this.#batch.length) {
        const next = this.left.next();
        return chainMaybe(next, (batch) => {
          if (batch === null) return null;
          this.#batch = batch;
          this.#at = 0;
          return batch.length === 0 ? this.next() : this.#pairs();
        });
      }
      const pairs = this.#pairs();
      if (pairs !== null) return pairs;
    }
  }

  close(): void {
    this.#batch = [];
  }

  /** Up to a batch of pairs; fewer only where the left batch ends, null when it gives none. */
  #pairs(): unknown[] | null {
    this.context.checkCancelled();
    const out: unknown[] = [];
    while (this.#at < this.#batch.length && out.length < BATCH_RECORDS) {
      this.#right ??= this.kept.chunks();
      if (this.#chunkAt >= this.#chunk.length) {
        const step = this.#right.next();
        this.#chunkAt = 0;
        if (step.done === true) {
          this.#chunk = [];
          this.#right = null;
          this.#at++;
          continue;
        }
        this.#chunk = step.value;
      }
      const left = this.#batch[this.#at];
      const end = Math.min(this.#chunk.length, this.#chunkAt + BATCH_RECORDS - out.length);
      for (; this.#chunkAt < end; this.#chunkAt++) out.push([left, this.#chunk[this.#chunkAt]]);
    }
    return out.length === 0 ? null : out;
  }
}

/** Records that can be gone through again and again. */
class KeptRecords {
  readonly #reservation: Reservation;
  readonly #schemas = new SchemaTable();
  readonly #frames: { readonly offset: number; readonly bytes: number }[] = [];
  #held: unknown[] = [];
  #heldBytes = 0;
  #file: SpillFile | null = null;

  constructor(
    readonly context: TaskContext,
    site: CallSite,
  ) {
    this.#reservation = new Reservation(context.memory, `${formatCallSite(site)}: the right side`);
  }

  add(records: readonly unknown[]): void {
    for (const record of records) {
      this.#held.push(record);
      this.#heldBytes += estimateBytes(record) + RECORD_OVERHEAD;
    }
    if (this.#file !== null ? this.#held.length >= CHUNK_ROWS : !this.#reservation.cover(this.#heldBytes))
      this.#spill();
  }

  *chunks(): Generator<readonly unknown[]> {
    for (const { offset, bytes } of this.#frames) {
      const frame = (this.#file as SpillFile).read(offset, bytes);
      yield decodeRecords(frame, this.#schemas, this.context.classes);
    }
    if (this.#held.length > 0) yield this.#held;
  }

  release(): void {
    this.#file?.delete();
    this.#file = null;
    this.#frames.length = 0;
    this.#held = [];
    this.#reservation.release();
  }

  #spill(): void {
    this.#file ??= this.context.spill.create("cartesian");
    const { length } = this.#held;
    const perRecord = this.#heldBytes / length;
    for (let from = 0; from < length; from += CHUNK_ROWS) {
      const to = Math.min(length, from + CHUNK_ROWS);
      const frame = encodeRecords(this.#held, from, to, this.#schemas, this.context.classes);
      this.#frames.push({ offset: this.#file.append(frame, (to - from) * perRecord), bytes: frame.byteLength });
    }
    this.#held = [];
    this.#heldBytes = 0;
    this.#reservation.release();
  }
}
