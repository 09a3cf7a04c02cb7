// A connection whose other end must be heard of again and again: one that is silent for too long is ended here, with an error,
// because a network that lost it tells neither side. Who has not been spoken to yet has nothing to answer, and the time for which
// this process itself stood still does not count.

import { MillraceError } from "../core/errors.js";
import { SteadyClock } from "../core/steady-clock.js";
import { type Connection, ConnectionHandlers } from "./connection.js";

export interface SilenceLimit {
  readonly timeoutMs: number;
  /** Who is silent then, and which option says how long it may be: for the message. */
  readonly who: string;
  readonly option: string;
}

export class WatchedConnection implements Connection {
  readonly #inner: Connection;
  readonly #handlers = new ConnectionHandlers();
  readonly #timer: NodeJS.Timeout;
  readonly #clock: SteadyClock;
  /** null: nothing was sent yet. */
  #heardMs: number | null = null;

  constructor(inner: Connection, { timeoutMs, who, option }: SilenceLimit) {
    this.#inner = inner;
    const everyMs = Math.max(10, Math.min(1_000, timeoutMs / 10));
    this.#clock = new SteadyClock(everyMs, () => performance.now());
    inner.onMessage((bytes) => {
      this.#heardMs = this.#clock.now();
      this.#handlers.message(bytes);
    });
    inner.onClose((error) => this.#end(error));
    this.#timer = setInterval(() => {
      const now = this.#clock.tick();
      if (now - (this.#heardMs ?? now) < timeoutMs) return;
      const message = `nothing was heard of ${who} for ${timeoutMs} ms (${option})`;
      this.#end(new MillraceError("MASTER_LOST", message, { fields: { timeoutMs } }));
      inner.close();
    }, everyMs).unref();
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  send(bytes: Uint8Array): void {
    this.#heardMs ??= this.#clock.now();
    this.#inner.send(bytes);
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#handlers.onMessage(handler);
  }

  onClose(handler: (error: Error | null) => void): void {
    this.#handlers.onClose(handler);
  }

  close(): void {
    this.#inner.close();
  }

  #end(error: Error | null): void {
    clearInterval(this.#timer);
    this.#handlers.end(error);
  }
}
