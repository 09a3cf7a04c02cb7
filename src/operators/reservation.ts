// What one operator holds of the task's memory budget: taken in steps, given back at once.

import type { MemoryBudget } from "../core/memory.js";

/** Asked for at a time, so that the budget's shared counter is touched rarely. */
const STEP_BYTES = 256 * 1024;

export class Reservation {
  #reserved = 0;
  readonly budget: MemoryBudget;

  /** `holder` says in messages who holds it: the operation at its call site, and what it does. */
  constructor(budget: MemoryBudget, holder: string) {
    this.budget = budget.named(holder);
  }

  /** Makes sure that `bytes` in all are reserved; false: the budget refused, and what was held is still held. */
  cover(bytes: number): boolean {
    if (bytes <= this.#reserved) return true;
    const missing = bytes - this.#reserved;
    const step = Math.max(missing, STEP_BYTES);
    if (this.budget.tryReserve(step)) this.#reserved += step;
    else if (step > missing && this.budget.tryReserve(missing)) this.#reserved += missing;
    else return false;
    return true;
  }

  release(): void {
    if (this.#reserved > 0) this.budget.release(this.#reserved);
    this.#reserved = 0;
  }
}
