// The clock that deadlines are measured by: it stands still while this process does. A tick that comes late by d (a blocked
// loop, SIGSTOP, a laptop asleep) moves the clock by its interval only, so nobody is declared dead for our own absence.

/** A tick later than this many intervals is taken as a stall of ours, not as a slow machine. */
const STALL_INTERVALS = 5;

export class SteadyClock {
  readonly #intervalMs: number;
  readonly #monotonic: () => number;
  #last: number;
  #skipped = 0;

  /** `monotonic` in ms, e.g. `() => performance.now()`. `intervalMs`: how often `tick` will be called. */
  constructor(intervalMs: number, monotonic: () => number) {
    this.#intervalMs = intervalMs;
    this.#monotonic = monotonic;
    this.#last = monotonic();
  }

  /** Called by the shell's timer. Returns the time now. */
  tick(): number {
    const now = this.#monotonic();
    const elapsed = now - this.#last;
    if (elapsed > this.#intervalMs * STALL_INTERVALS) this.#skipped += elapsed - this.#intervalMs;
    this.#last = now;
    return now - this.#skipped;
  }

  /** Time in ms without the stalls that ticks have seen; never before the last tick, never more than a stall beyond it. */
  now(): number {
    const elapsed = Math.min(this.#monotonic() - this.#last, this.#intervalMs * STALL_INTERVALS);
    return this.#last + elapsed - this.#skipped;
  }
}
