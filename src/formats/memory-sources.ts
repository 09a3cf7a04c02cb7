// Sources that need no file: numbers counted up, and records that the driver sent along, encoded.

import type { ClassRegistry } from "../codec/class-registry.js";
import { decodeStreamBatches } from "../codec/stream.js";
import type { SyncBatchSource } from "../core/data-flow.js";
import { maxBatchRecords } from "./text-source.js";

export class RangeSource implements SyncBatchSource {
  readonly bytesRead = 0;
  #next = 0;

  constructor(
    private readonly start: number,
    private readonly step: number,
    private readonly count: number,
  ) {}

  next(): readonly number[] | null {
    const from = this.#next;
    const to = Math.min(this.count, from + maxBatchRecords);
    if (from >= to) return null;
    this.#next = to;
    const numbers: number[] = [];
    // By product, not by sum: steps that are no whole numbers do not drift.
    for (let i = from; i < to; i++) numbers.push(this.start + i * this.step);
    return numbers;
  }

  close(): void {
    this.#next = this.count;
  }
}

/** A slice of a collection; batches longer than 1,024 records are handed on in pieces. */
export class CollectionSource implements SyncBatchSource {
  readonly bytesRead = 0;
  readonly #batches: Iterator<unknown[], void, void>;
  #batch: unknown[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, classes: ClassRegistry) {
    this.#batches = decodeStreamBatches(bytes, classes);
  }

  next(): readonly unknown[] | null {
    while (this.#at === this.#batch.length) {
      const step = this.#batches.next();
      if (step.done === true) return null;
      this.#batch = step.value;
      this.#at = 0;
    }
    const from = this.#at;
    this.#at = Math.min(this.#batch.length, from + maxBatchRecords);
    return from === 0 && this.#at === this.#batch.length ? this.#batch : this.#batch.slice(from, this.#at);
  }

  close(): void {
    this.#batch = [];
    this.#at = 0;
    this.#batches.return?.();
  }
}
