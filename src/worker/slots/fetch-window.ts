// What a worker process has fetched for its slots and they have not taken yet: one limiter for all streams of all slots. A
// stream of which the slot holds nothing always gets its next piece, whatever others hold: a reducer takes maps in their
// order, so the stream that it waits for must never wait for those that it does not read yet.

import { ByteLimiter, type LimiterGauge } from "../../core/limiter.js";

/** A piece is never smaller or larger: below, a piece costs more than its bytes; above, the first pieces alone fill memory. */
const MIN_PIECE_BYTES = 16 * 1024;
const MAX_PIECE_BYTES = 256 * 1024;
/** Of one stream: on its way from the block server, waiting for room, with the slot. */
const PIECES_A_STREAM = 3;

export class FetchWindow {
  readonly #limiter: ByteLimiter;
  readonly #slots: number;

  constructor(limitBytes: number, slots: number) {
    this.#limiter = new ByteLimiter("fetch", limitBytes);
    this.#slots = slots;
  }

  /** How large a server shall cut the answer of one of `streams` that a slot opens at once: so that first pieces fit too. */
  pieceBytes(streams: number): number {
    const share = Math.floor(this.#limiter.limitBytes / (this.#slots * Math.max(1, streams) * PIECES_A_STREAM));
    return Math.max(MIN_PIECE_BYTES, Math.min(MAX_PIECE_BYTES, share));
  }

  open(): StreamWindow {
    return new StreamWindow(this.#limiter);
  }

  gauge(): LimiterGauge {
    return this.#limiter.gauge();
  }
}

/** One stream's pieces that the slot has not taken. */
export class StreamWindow {
  /** Gives back the bytes of each, in the order in which they were sent. */
  readonly #untaken: (() => void)[] = [];
  #wake: AbortController | null = null;

  constructor(private readonly limiter: ByteLimiter) {}

  get isEmpty(): boolean {
    return this.#untaken.length === 0;
  }

  /** Waits until a piece may be given to the slot. Resolves at once, and without it, when the stream was aborted. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    let release = this.isEmpty ? this.limiter.take(bytes) : this.limiter.tryAcquire(bytes);
    if (release === null) {
      const wake = new AbortController();
      this.#wake = wake;
      release = await this.limiter.acquire(bytes, AbortSignal.any([signal, wake.signal])).catch(() => null);
      this.#wake = null;
      if (signal.aborted) return release?.();
      release ??= this.limiter.take(bytes);
    }
    this.#untaken.push(release);
  }

  /** The slot took the oldest piece. */
  taken(): void {
    this.#untaken.shift()?.();
    if (this.isEmpty) this.#wake?.abort();
  }

  /** Nobody takes the rest. */
  close(): void {
    for (const release of this.#untaken.splice(0)) release();
  }
}
