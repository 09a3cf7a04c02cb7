// What may go wrong in one run. Faults that count against a task are so few that none can fail four times: every job must
// give its answer, whatever happens.

import type { Random } from "./random.js";

export class FaultBudget {
  #charged: number;
  #free: number;
  /** Everything that was injected, for the trace. */
  readonly injected: string[] = [];

  constructor(readonly random: Random) {
    this.#charged = random.below(4);
    this.#free = random.below(5);
  }

  /** A fault that may be charged to a task: an error, a death, a hang, a crash. */
  charged(p: number, name: string): boolean {
    if (this.#charged === 0 || !this.random.chance(p)) return false;
    this.#charged--;
    this.injected.push(name);
    return true;
  }

  /** A fault that never is: a short break of a stream. */
  free(p: number, name: string): boolean {
    if (this.#free === 0 || !this.random.chance(p)) return false;
    this.#free--;
    this.injected.push(name);
    return true;
  }
}
