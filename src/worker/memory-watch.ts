// The memory watch: decides which slot must die before the process does. A slot's heap cannot be limited from inside (V8
// aborts the whole process at its limit, and Buffers are not limited at all), so the main thread looks at the process's RSS
// every 20 ms and, above the limit, names the slot that grew most. Pure: it is told the readings.
//
// What a slot grew by is what it reports; of one that is silent in a long call of user code it is the pages that its thread
// has touched since its run began (Linux). Garbage that is made anew all the time touches pages too, so this can accuse too
// much, but never too little: a slot that only computes is not taken for one that fills memory.
//
//   watching --above the limit--> settling (one slot named) --its thread is gone and RSS has fallen, or 1 s later--> watching
//
// Above the limit, but not far, slots that look at their control row are first waited for: they are asked to collect their
// garbage (memory-pressure.ts), and only what is above the limit after that is held.
//
// In a driver's own process ("shared") the user's thread holds memory too. There the limit moves: whatever the process holds
// beside its slots while they are idle is not theirs, and nobody is named unless the slots themselves hold half of what they
// were given: a driver that fills its own heap during a job is not their fault, nor helped by their end.

/** What is known of one slot at a tick. */
export interface SlotReading {
  readonly slot: number;
  /** The run in the slot, 0 = idle. */
  readonly run: number;
  /** Heap and external bytes as the slot last reported. */
  readonly heapBytes: number;
  readonly reportedAtMs: number;
  readonly startedAtMs: number;
  /** Bytes of pages that the slot's thread has touched first, since it began; null where that is not known. */
  readonly touchedBytes: number | null;
  /** Its thread is being ended. */
  readonly ending: boolean;
  /** When its last collection ended, 0: never; null: it is not asked for any. */
  readonly collectedAtMs: number | null;
}

export interface MemoryWatchOptions {
  /** Of a process that is the worker's alone: its RSS above which a slot is ended. Shared: what its slots may hold. */
  readonly limitBytes: number;
  /** The process is the driver's too. */
  readonly shared: boolean;
  /** A slot that has not reported for so long is in one long call of user code. */
  readonly silentAfterMs: number;
  /** RSS may take so long to fall after a thread with a large heap has gone. */
  readonly settleMs: number;
}

export interface MemoryVerdict {
  readonly slot: number;
  readonly run: number;
  readonly rssBytes: number;
  /** RSS above which the verdict was due. */
  readonly limitBytes: number;
}

interface Settling {
  readonly slot: number;
  readonly sinceMs: number;
  gone: { readonly atMs: number; readonly rssBytes: number } | null;
}

/** A thread that is in native code for longer is not waited for. */
const ENDING_AT_MOST_MS = 5_000;
/** Growth during a settling, as a part of the limit, that no falling heap explains: another slot fills memory too. */
const ANOTHER_GROWS = 1 / 8;
/** Collections are waited for up to so much of the limit, and for so long. */
const WAIT_FOR_COLLECTIONS = 1.06;
const COLLECTIONS_AT_MOST_MS = 1_500;
/** Pages go back to the system some time after a collection. */
const FREED_AFTER_MS = 150;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #baselines = new Map<
    number,
    { readonly run: number; readonly heapBytes: number; readonly touchedBytes: number | null }
  >();
  #settling: Settling | null = null;
  /** Since when RSS is above the limit. */
  #overSinceMs: number | null = null;
  /** Shared: what the process holds beside its slots. */
  #foreignBytes: number;

  /** `rssBytes`: of the process before its first run. */
  constructor(options: MemoryWatchOptions, rssBytes = 0) {
    this.#options = options;
    this.#foreignBytes = rssBytes;
  }

  /** The slot to end now, or null. */
  tick(nowMs: number, rssBytes: number, slots: readonly SlotReading[]): MemoryVerdict | null {
    for (const { slot, run, heapBytes, touchedBytes } of slots) {
      if (this.#baselines.get(slot)?.run !== run) this.#baselines.set(slot, { run, heapBytes, touchedBytes });
    }
    if (this.#isSettling(nowMs, rssBytes, slots)) return null;
    const running = slots.filter(({ run, ending }) => run !== 0 && !ending);
    const { shared } = this.#options;
    if (shared && running.length === 0)
      this.#foreignBytes = Math.max(0, rssBytes - sum(slots, ({ heapBytes }) => heapBytes));
    const { limitBytes } = this;
    if (rssBytes <= limitBytes) this.#overSinceMs = null;
    if (rssBytes <= limitBytes || running.length === 0) return null;
    this.#overSinceMs ??= nowMs;
    if (shared && sum(slots, (reading) => this.#held(reading, nowMs)) < this.#options.limitBytes / 2) return null;
    if (rssBytes <= limitBytes * WAIT_FOR_COLLECTIONS && this.#mayFall(nowMs, this.#overSinceMs, running)) return null;
    const worst = running.reduce((a, b) => (this.#grown(b, nowMs) > this.#grown(a, nowMs) ? b : a));
    this.#settling = { slot: worst.slot, sinceMs: nowMs, gone: null };
    return { slot: worst.slot, run: worst.run, rssBytes, limitBytes };
  }

  /** RSS above which a slot is ended: in a shared process it moves with what the driver holds. */
  get limitBytes(): number {
    return this.#options.limitBytes + (this.#options.shared ? this.#foreignBytes : 0);
  }

  /** Whether a slot has yet to collect what it can since RSS went above the limit. One in a long call of user code cannot. */
  #mayFall(nowMs: number, overSinceMs: number, running: readonly SlotReading[]): boolean {
    if (nowMs - overSinceMs > COLLECTIONS_AT_MOST_MS) return false;
    return running.some(({ collectedAtMs, reportedAtMs, startedAtMs }) => {
      if (collectedAtMs === null) return false;
      if (collectedAtMs >= overSinceMs) return nowMs - collectedAtMs < FREED_AFTER_MS;
      return nowMs - Math.max(reportedAtMs, startedAtMs) <= COLLECTIONS_AT_MOST_MS / 2;
    });
  }

  /** Whether what was decided last may still bring RSS down by itself. */
  #isSettling(nowMs: number, rssBytes: number, slots: readonly SlotReading[]): boolean {
    const settling = this.#settling;
    if (settling === null) return false;
    const ending = slots.find(({ slot }) => slot === settling.slot)?.ending === true;
    if (settling.gone === null && !ending) settling.gone = { atMs: nowMs, rssBytes };
    const { gone } = settling;
    const over =
      gone === null
        ? nowMs - settling.sinceMs >= ENDING_AT_MOST_MS
        : nowMs - gone.atMs >= this.#options.settleMs ||
          (rssBytes <= this.limitBytes && !this.#options.shared) ||
          rssBytes > gone.rssBytes + this.#options.limitBytes * ANOTHER_GROWS;
    if (over) this.#settling = null;
    return !over;
  }

  /** What a slot holds more than when its run began. What is not known is taken for the worst, the longest silence first. */
  #grown(reading: SlotReading, nowMs: number): number {
    const baseline = this.#baselines.get(reading.slot);
    const reported = reading.heapBytes - (baseline?.heapBytes ?? 0);
    const silentMs = nowMs - Math.max(reading.reportedAtMs, reading.startedAtMs);
    if (silentMs <= this.#options.silentAfterMs) return reported;
    if (reading.touchedBytes === null) return 1e15 + silentMs;
    return Math.max(reported, reading.touchedBytes - (baseline?.touchedBytes ?? 0));
  }

  #held(reading: SlotReading, nowMs: number): number {
    if (reading.run === 0) return reading.heapBytes;
    return Math.max(
      reading.heapBytes,
      (this.#baselines.get(reading.slot)?.heapBytes ?? 0) + this.#grown(reading, nowMs),
    );
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
