// CPU time and garbage collections of the thread that runs attempts. Node before 23.9 has no CPU time by thread (process.cpuUsage
// adds up all of them): Linux says it in /proc/thread-self/schedstat, as of the last time that the scheduler looked (1 to 10 ms
// ago while the thread runs: single short attempts may show 0 or too much, sums are right). One read costs 1.2 us, so there is
// one an attempt, at its end. Collections are told by a PerformanceObserver, whose entries arrive only when the event loop turns,
// and an attempt is synchronous: an attempt that was long enough to matter waits for one turn.

import { openSync, readSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";

/** What a slot asks; the simulation has none. */
export interface ThreadMeter {
  /** An attempt begins. */
  begin(): void;
  /** Milliseconds of the thread for the attempt that has run for `ranMs`. */
  end(ranMs: number): ThreadTimes | Promise<ThreadTimes>;
}

export interface ThreadTimes {
  readonly cpuMs: number;
  readonly gcMs: number;
}

/** A turn of the event loop takes about 10 us: an attempt that ran longer than this waits for what it says of collections. */
const SETTLE_FROM_MS = 2;

export class SystemThreadMeter implements ThreadMeter {
  #observer: PerformanceObserver | null = null;
  #gcMs = 0;
  #cpuMs = 0;

  /** `ownThread`: between attempts nobody else's work runs here, so that one reading an attempt is enough. */
  constructor(private readonly ownThread: boolean) {}

  begin(): void {
    if (this.#observer === null) {
      this.#observer = new PerformanceObserver((list) => this.#add(list.getEntries()));
      this.#observer.observe({ entryTypes: ["gc"] });
    } else if (this.ownThread) return;
    this.#gcMs = 0;
    this.#cpuMs = threadCpuMs();
  }

  end(ranMs: number): ThreadTimes | Promise<ThreadTimes> {
    return ranMs < SETTLE_FROM_MS ? this.#take() : this.#settled();
  }

  async #settled(): Promise<ThreadTimes> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#add(this.#observer?.takeRecords() ?? []);
    return this.#take();
  }

  #take(): ThreadTimes {
    const before = this.#cpuMs;
    this.#cpuMs = threadCpuMs();
    const times = { cpuMs: Math.max(0, this.#cpuMs - before), gcMs: this.#gcMs };
    this.#gcMs = 0;
    return times;
  }

  #add(entries: readonly { readonly duration: number }[]): void {
    for (const { duration } of entries) this.#gcMs += duration;
  }
}

/** Node's own, from 23.9 on; @types/node 20 does not know it. */
const { threadCpuUsage } = process as unknown as { threadCpuUsage?: () => { user: number; system: number } };

const text = Buffer.alloc(64);
/** -1: not opened yet; null: it is not to be had. */
let schedstat: number | null = -1;

/** CPU time of the calling thread so far; 0 where nobody says it. */
export function threadCpuMs(): number {
  if (threadCpuUsage !== undefined) {
    const { user, system } = threadCpuUsage();
    return (user + system) / 1000;
  }
  if (schedstat === null) return 0;
  try {
    // It stays open as long as the thread; Node closes it then.
    if (schedstat < 0) schedstat = openSync("/proc/thread-self/schedstat", "r");
    const length = readSync(schedstat, text, 0, text.byteLength, 0);
    let nanoseconds = 0;
    for (let i = 0; i < length; i++) {
      const digit = (text[i] as number) - 48;
      if (digit < 0 || digit > 9) break;
      nanoseconds = nanoseconds * 10 + digit;
    }
    return nanoseconds / 1e6;
  } catch (error) {
    // Another system, or a kernel that does not count: as in a JVM without it, the metric stays 0.
    if (!(error instanceof Error)) throw error;
    schedstat = null;
    return 0;
  }
}
