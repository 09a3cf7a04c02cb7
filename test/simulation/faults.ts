// What may go wrong in one run, and how often. Faults that count against a task are so few that none can fail four times: every
// job must give its answer, whatever happens. The others may come oftener. What is drawn here is named in the trace.

import type { Random } from "./world/random.js";

export class FaultBudget {
  #charged: number;
  #free: number;
  /** Everything that was injected, for the trace. */
  readonly injected: string[] = [];

  constructor(readonly random: Random) {
    this.#charged = random.below(4);
    this.#free = random.below(7);
  }

  /** As much is to go wrong as may. */
  most(): void {
    this.#charged = 3;
  }

  /** Nothing is to go wrong. */
  none(): void {
    this.#charged = 0;
    this.#free = 0;
  }

  /** A fault that may be charged to a task: an error, a death, a hang, a crash, a fetch that fails. */
  charged(p: number, name: string): boolean {
    if (this.#charged === 0 || !this.random.chance(p)) return false;
    this.#charged--;
    this.injected.push(name);
    return true;
  }

  /** A fault that never is: a delay, a short break of a stream. */
  free(p: number, name: string): boolean {
    if (this.#free === 0 || !this.random.chance(p)) return false;
    this.#free--;
    this.injected.push(name);
    return true;
  }

  /** A fault that lasts has hit once more. false: it has to end now. */
  spend(name: string): boolean {
    if (this.#charged === 0) return false;
    this.#charged--;
    this.injected.push(name);
    return this.#charged > 0;
  }
}
