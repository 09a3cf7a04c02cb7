// Columns of keys and values as a source of [key, value] records.

import { BATCH_RECORDS } from "./batches.js";
import type { PairColumns } from "./combine/combine.js";
import type { BatchSource } from "./task-context.js";

export class PairSource implements BatchSource {
  #columns: PairColumns | null = null;
  #at = 0;
  #closed = false;
  constructor(
    readonly results: Iterator<PairColumns>,
    readonly onClose: () => void,
  ) {}

  next(): readonly unknown[] | null {
    while (this.#columns === null || this.#at >= this.#columns.count) {
      const step = this.#closed ? null : this.results.next();
      if (step === null || step.done === true) return null;
      this.#columns = step.value;
      this.#at = 0;
    }
    const { keys, values, count } = this.#columns;
    const end = Math.min(count, this.#at + BATCH_RECORDS);
    const batch: unknown[] = [];
    for (let i = this.#at; i < end; i++) batch.push([keys[i], values[i]]);
    this.#at = end;
    return batch;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#columns = null;
    this.results.return?.();
    this.onClose();
  }
}
