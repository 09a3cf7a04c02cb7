// What a task reads from outside as records: splits, cached partitions, shuffled frames. Each counts what went through it.

import { decodeRecords } from "../codec/records.js";
import { BATCH_RECORDS, chainMaybe } from "./batches.js";
import type { BatchSource, FrameSource, TaskContext } from "./task-context.js";

/** A split's records, counted; `close` reaches it once however often it is called. */
export function countedSplit(source: BatchSource, context: TaskContext): BatchSource {
  let closed = false;
  let bytes = 0;
  const count = (batch: readonly unknown[] | null) => {
    const { metrics } = context;
    metrics.inputRecords += batch?.length ?? 0;
    const read = source.bytesRead ?? 0;
    metrics.inputBytes += read - bytes;
    bytes = read;
    return batch;
  };
  return {
    next: () => (closed ? null : chainMaybe(source.next(), count)),
    close: () => {
      if (!closed) source.close();
      closed = true;
    },
  };
}

/** Frames as records. */
export class FrameRecords implements BatchSource {
  #records: readonly unknown[] = [];
  #at = 0;
  #closed = false;
  constructor(
    readonly frames: FrameSource,
    readonly context: TaskContext,
    readonly shuffled: boolean,
  ) {}

  next(): readonly unknown[] | null {
    while (this.#at >= this.#records.length) {
      const next = this.#closed ? null : this.frames.next();
      if (next === null) return null;
      this.#records = decodeRecords(next.frame, next.schemas, this.context.classes);
      this.#at = 0;
      const { metrics } = this.context;
      if (this.shuffled) metrics.shuffleReadRecords += this.#records.length;
      else {
        metrics.inputRecords += this.#records.length;
        metrics.inputBytes += next.frame.byteLength;
      }
    }
    const from = this.#at;
    this.#at = Math.min(this.#records.length, from + BATCH_RECORDS);
    return this.#records.slice(from, this.#at);
  }

  close(): void {
    if (!this.#closed) this.frames.close();
    this.#closed = true;
    this.#records = [];
  }
}
