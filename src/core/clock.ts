// Time as it is given to whoever needs it, so that tests and the simulation bring their own. Cores of components get `now`
// with each event instead; deadlines that must survive our own stalls are measured by SteadyClock (steady-clock.ts).

export interface Clock {
  /** Milliseconds since 1970, for people and logs. May jump. */
  now(): number;
  /** Milliseconds from any point, never going back: for durations. */
  monotonic(): number;
  /** Runs once after `delayMs`; the answer cancels it. A pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
