// Bounds the bytes that a part of a process holds at once. First come, first served; whoever waits can be aborted. A request
// above the whole limit is let through alone rather than never. Has a name and a gauge, because a limiter that is full is the
// first thing to look at when something is slow.

import { MillraceError } from "./errors.js";

export interface LimiterGauge {
  readonly name: string;
  readonly limitBytes: number;
  readonly heldBytes: number;
  readonly waiting: number;
  readonly waitingBytes: number;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export class ByteLimiter {
  #held = 0;
  #limit: number;
  /** Kept in order of arrival. */
  readonly #waiters = new Set<Waiter>();

  constructor(
    readonly name: string,
    limitBytes: number,
  ) {
    this.#limit = limitBytes;
  }

  /** May be changed at any time; what is held already stays. */
  set limitBytes(bytes: number) {
    this.#limit = bytes;
    this.#grantNext();
  }

  get limitBytes(): number {
    return this.#limit;
  }

  /** Takes `bytes` at once, or answers null. The answer gives them back; calling it twice does nothing. */
  tryAcquire(bytes: number): (() => void) | null {
    if (this.#waiters.size > 0 || !this.#fits(bytes)) return null;
    return this.#take(bytes);
  }

  /** Takes `bytes` whatever others hold: for what must go on so that they can give back. */
  take(bytes: number): () => void {
    return this.#take(bytes);
  }

  /** Waits for its turn. Rejects with the signal's reason, and then holds nothing. */
  async acquire(bytes: number, signal?: AbortSignal): Promise<() => void> {
    if (!(bytes >= 0)) throw new MillraceError("INTERNAL", `the limiter ${this.name} was asked for ${bytes} bytes`);
    signal?.throwIfAborted();
    const now = this.tryAcquire(bytes);
    if (now !== null) return now;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal!.reason);
        // Who stood behind may be small enough.
        this.#grantNext();
      };
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#take(bytes));
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  gauge(): LimiterGauge {
    let waitingBytes = 0;
    for (const waiter of this.#waiters) waitingBytes += waiter.bytes;
    return {
      name: this.name,
      limitBytes: this.#limit,
      heldBytes: this.#held,
      waiting: this.#waiters.size,
      waitingBytes,
    };
  }

  #fits(bytes: number): boolean {
    return this.#held + bytes <= this.#limit || this.#held === 0;
  }

  #take(bytes: number): () => void {
    this.#held += bytes;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#held -= bytes;
      this.#grantNext();
    };
  }

  #grantNext(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      waiter.grant();
    }
  }
}
