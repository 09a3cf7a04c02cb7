// A partition of a persisted RDD on its way into the cache: its records go on to who asked for them, and into frames.

import { estimateBytes } from "../codec/estimate.js";
import { encodeRecords } from "../codec/records.js";
import { SchemaTable } from "../codec/schema.js";
import { chainMaybe } from "./batches.js";
import type { BatchSource, CacheWriter, MaybePromise, TaskContext } from "./task-context.js";

/** A cached frame ends at so many rows or about so many bytes: large enough to read back fast. */
const CACHE_FRAME_ROWS = 8192;
const CACHE_FRAME_BYTES = 1024 * 1024;

/** Passes records on and writes them to the cache; only a partition read to its end is committed. */
export class CachingSource implements BatchSource {
  readonly #schemas = new SchemaTable();
  #pending: unknown[] = [];
  #bytes = 0;
  #done = false;
  constructor(
    readonly below: BatchSource,
    readonly writer: CacheWriter,
    readonly context: TaskContext,
  ) {}

  next(): MaybePromise<readonly unknown[] | null> {
    return chainMaybe(this.below.next(), (batch) => {
      if (this.#done) return batch;
      if (batch === null) {
        this.#done = true;
        this.#flush();
        this.writer.commit(this.#schemas);
      } else {
        this.#keep(batch);
      }
      return batch;
    });
  }

  close(): void {
    if (!this.#done) this.writer.abort();
    this.#done = true;
    this.#pending = [];
    this.below.close();
  }

  #keep(batch: readonly unknown[]): void {
    for (const record of batch) {
      this.#pending.push(record);
      this.#bytes += estimateBytes(record);
      if (this.#pending.length >= CACHE_FRAME_ROWS || this.#bytes >= CACHE_FRAME_BYTES) this.#flush();
    }
  }

  #flush(): void {
    const rows = this.#pending.length;
    if (rows > 0) this.writer.write(encodeRecords(this.#pending, 0, rows, this.#schemas, this.context.classes));
    this.#pending = [];
    this.#bytes = 0;
  }
}
