// Sorts one partition's pairs by key: in memory while the budget allows, else as sorted runs in a scratch file which are
// merged. Runs are cut from the input in order and the earlier one wins a tie, so the result is the same either way.

import { estimateBytes } from "../../codec/estimate.js";
import { checkKey, compareKeys } from "../../codec/keys.js";
import { decodePairs, encodePairsAt } from "../../codec/pairs.js";
import { SchemaTable } from "../../codec/schema.js";
import type { SpillFile } from "../../core/memory.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import { BATCH_RECORDS, chainMaybe } from "../batches.js";
import { Reservation } from "../reservation.js";
import type { BatchSource, MaybePromise, TaskContext } from "../task-context.js";
import { sortedOrder } from "./key-order-index.js";
import { LoserTree, type SortedInput } from "./loser-tree.js";

/** Held without asking: a run is at least so large. */
const FLOOR_BYTES = 256 * 1024;
/** What a pair costs beside its encoded bytes: two references, the prefixes and index of the sort, object headers. */
const ROW_OVERHEAD = 64;
/** Rows of a run that are in memory during a merge. */
const CHUNK_ROWS = 1024;
const CHUNK_BYTES = 64 * 1024;
/** More runs than this are merged in passes. */
const FAN_IN = 64;

type AddColumns = (keys: ArrayLike<unknown>, values: ArrayLike<unknown>) => void;

export function sortedPairs(
  context: TaskContext,
  direction: "ascending" | "descending",
  site: CallSite,
  feed: (add: AddColumns) => MaybePromise<void>,
): MaybePromise<BatchSource> {
  const sorter = new PairSorter(context, direction === "descending", site);
  const failed = (error: unknown): never => {
    sorter.release();
    throw error;
  };
  try {
    const fed = chainMaybe(
      feed((keys, values) => sorter.add(keys, values)),
      () => sorter.finish(),
    );
    return fed instanceof Promise ? fed.catch(failed) : fed;
  } catch (error) {
    return failed(error);
  }
}

class PairSorter {
  readonly #reservation: Reservation;
  #keys: unknown[] = [];
  #values: unknown[] = [];
  #held = 0;
  #covered = FLOOR_BYTES;
  #file: SpillFile | null = null;
  #runs: Run[] = [];
  #schemas = new SchemaTable();

  constructor(
    readonly context: TaskContext,
    readonly descending: boolean,
    site: CallSite,
  ) {
    this.#reservation = new Reservation(context.memory, `${formatCallSite(site)}: sorted by key`);
  }

  add(keys: ArrayLike<unknown>, values: ArrayLike<unknown>): void {
    const { classes } = this.context;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      const value = values[i];
      checkKey(key, classes);
      this.#keys.push(key);
      this.#values.push(value);
      this.#held += estimateBytes(key) + estimateBytes(value) + ROW_OVERHEAD;
      if (this.#held > this.#covered) this.#cover();
    }
  }

  finish(): BatchSource {
    if (this.#runs.length === 0) return this.#inMemory();
    this.#spill();
    while (this.#runs.length > FAN_IN) this.#mergePass();
    return this.#merged();
  }

  release(): void {
    this.#reservation.release();
    this.#file?.delete();
    this.#file = null;
    this.#keys = [];
    this.#values = [];
  }

  #cover(): void {
    if (this.#reservation.cover(this.#held)) this.#covered = this.#held + FLOOR_BYTES;
    else this.#spill();
  }

  #inMemory(): BatchSource {
    const keys = this.#keys;
    const values = this.#values;
    const order = sortedOrder(keys, keys.length, this.descending);
    let at = 0;
    return {
      next: () => {
        if (at >= order.length) return null;
        const end = Math.min(order.length, at + BATCH_RECORDS);
        const batch: unknown[] = [];
        for (; at < end; at++) {
          const row = order[at] as number;
          batch.push([keys[row], values[row]]);
        }
        return batch;
      },
      close: () => {
        at = order.length;
        this.release();
      },
    };
  }

  /** Writes what is held as a sorted run. */
  #spill(): void {
    const rows = this.#keys.length;
    if (rows > 0) {
      const order = sortedOrder(this.#keys, rows, this.descending);
      const run: Run = { chunks: [] };
      const perRow = Math.max(1, this.#held / rows);
      const step = Math.max(1, Math.min(CHUNK_ROWS, Math.floor(CHUNK_BYTES / perRow)));
      for (let from = 0; from < rows; from += step) {
        this.context.checkCancelled();
        const to = Math.min(rows, from + step);
        this.#writeChunk(run, this.#keys, this.#values, order, from, to, perRow);
      }
      this.#runs.push(run);
    }
    this.#keys = [];
    this.#values = [];
    this.#held = 0;
    this.#covered = FLOOR_BYTES;
    this.#reservation.release();
  }

  #writeChunk(
    run: Run,
    keys: readonly unknown[],
    values: readonly unknown[],
    order: Uint32Array,
    from: number,
    to: number,
    rowBytes: number,
  ): void {
    this.#file ??= this.context.spill.create("sort");
    const frame = encodePairsAt(keys, values, order, from, to, this.#schemas, this.context.classes);
    run.chunks.push({ offset: this.#file.append(frame, (to - from) * rowBytes), bytes: frame.byteLength });
  }

  /** Neighbouring runs become one, so that ties keep their order. */
  #mergePass(): void {
    const merged: Run[] = [];
    const identity = Uint32Array.from({ length: CHUNK_ROWS }, (_, i) => i);
    for (let from = 0; from < this.#runs.length; from += FAN_IN) {
      const into: Run = { chunks: [] };
      const merge = this.#merge(this.#runs.slice(from, from + FAN_IN));
      for (let batch = merge(); batch !== null; batch = merge()) {
        this.context.checkCancelled();
        // Written a second time, for want of file handles and not of memory.
        this.#writeChunk(into, batch.keys, batch.values, identity, 0, batch.keys.length, 0);
      }
      merged.push(into);
    }
    this.#runs = merged;
  }

  #merged(): BatchSource {
    const merge = this.#merge(this.#runs);
    let closed = false;
    return {
      next: () => {
        const batch = closed ? null : merge();
        return batch === null ? null : batch.keys.map((key, i) => [key, batch.values[i]]);
      },
      close: () => {
        closed = true;
        this.release();
      },
    };
  }

  #merge(runs: readonly Run[]): () => { readonly keys: unknown[]; readonly values: unknown[] } | null {
    const sign = this.descending ? -1 : 1;
    const cursors = runs.map((run) => new RunCursor(run, (chunk) => this.#readChunk(chunk)));
    const tree = new LoserTree(cursors, (a, b) => sign * compareKeys(a, b));
    return () => {
      const keys: unknown[] = [];
      const values: unknown[] = [];
      while (keys.length < CHUNK_ROWS) {
        const winner = tree.winner;
        if (winner === null) break;
        keys.push(winner.key);
        values.push(winner.value);
        winner.advance();
        tree.replay();
      }
      return keys.length === 0 ? null : { keys, values };
    };
  }

  #readChunk(chunk: Chunk): { readonly keys: ArrayLike<unknown>; readonly values: ArrayLike<unknown> } {
    const frame = (this.#file as SpillFile).read(chunk.offset, chunk.bytes);
    return decodePairs(frame, this.#schemas, this.context.classes);
  }
}

interface Chunk {
  readonly offset: number;
  readonly bytes: number;
}

interface Run {
  readonly chunks: Chunk[];
}

class RunCursor implements SortedInput {
  #chunk = 0;
  #at = 0;
  #keys: ArrayLike<unknown> = [];
  #values: ArrayLike<unknown> = [];
  live = true;
  key: unknown = undefined;

  constructor(
    readonly run: Run,
    readonly read: (chunk: Chunk) => { readonly keys: ArrayLike<unknown>; readonly values: ArrayLike<unknown> },
  ) {
    this.#load();
  }

  get value(): unknown {
    return this.#values[this.#at];
  }

  advance(): void {
    if (++this.#at < this.#keys.length) this.key = this.#keys[this.#at];
    else this.#load();
  }

  #load(): void {
    const chunk = this.run.chunks[this.#chunk++];
    if (chunk === undefined) {
      this.live = false;
      this.#keys = [];
      this.#values = [];
      return;
    }
    ({ keys: this.#keys, values: this.#values } = this.read(chunk));
    this.#at = 0;
    this.key = this.#keys[0];
  }
}
