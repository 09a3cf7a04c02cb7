// The memory watch: decides which slot must die before the process does. A slot's heap cannot be limited from inside (V8
// aborts the whole process at its limit, and Buffers are not limited at all), so the main thread looks at the process's RSS
// every 20 ms and, above the limit, names the slot that grew most or stopped reporting. Pure: it is told the readings.

/** What is known of one slot at a tick. */
export interface SlotReading {
  readonly slot: number;
  /** The run in the slot, 0 = idle. */
  readonly run: number;
  /** Heap and external bytes as the slot last reported. */
  readonly heapBytes: number;
  readonly reportedAtMs: number;
  readonly startedAtMs: number;
}

export interface MemoryWatchOptions {
  /** RSS above which a slot is ended. */
  readonly limitBytes: number;
  /** A slot that has not reported for so long is in one long call of user code. */
  readonly silentAfterMs: number;
  /** After a kill RSS needs a moment to fall; no second slot is judged before that. */
  readonly settleMs: number;
}

export type MemoryVerdict = { readonly slot: number; readonly run: number; readonly rssBytes: number; readonly silent: boolean } | null;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #baseline = new Map<number, { run: number; heapBytes: number }>();
  #judgeAfterMs = 0;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** The slot to end now, or null. */
  tick(nowMs: number, rssBytes: number, slots: readonly SlotReading[]): MemoryVerdict {
    for (const reading of slots) {
      if (this.#baseline.get(reading.slot)?.run !== reading.run) this.#baseline.set(reading.slot, { run: reading.run, heapBytes: reading.heapBytes });
    }
    if (rssBytes <= this.#options.limitBytes || nowMs < this.#judgeAfterMs) return null;
    const running = slots.filter((reading) => reading.run !== 0);
    if (running.length === 0) return null;
    const worst = running.reduce((a, b) => (this.#guilt(b, nowMs) > this.#guilt(a, nowMs) ? b : a));
    this.#judgeAfterMs = nowMs + this.#options.settleMs;
    return { slot: worst.slot, run: worst.run, rssBytes, silent: this.#silentMs(worst, nowMs) > this.#options.silentAfterMs };
  }

  /** Silence outweighs any reported growth: what a silent slot holds is unknown and growing. */
  #guilt(reading: SlotReading, nowMs: number): number {
    const silent = this.#silentMs(reading, nowMs);
    if (silent > this.#options.silentAfterMs) return 1e15 + silent;
    return reading.heapBytes - (this.#baseline.get(reading.slot)?.heapBytes ?? 0);
  }

  #silentMs(reading: SlotReading, nowMs: number): number {
    return nowMs - Math.max(reading.reportedAtMs, reading.startedAtMs);
  }
}
