// A conversation between two processes or threads, as bytes: ordered, each message arriving whole and once or the
// connection ending. What carries it (a MessagePort, a gRPC stream) is chosen by the wiring.

export interface Connection {
  /** Queues a message; never blocks. After the end it does nothing: `onClose` says why. */
  send(bytes: Uint8Array): void;
  /** Messages that came before a handler was set are kept and given to it. */
  onMessage(handler: (bytes: Uint8Array) => void): void;
  /** Called once; null when either side closed on purpose. Called at the next turn if the end has come already. */
  onClose(handler: (error: Error | null) => void): void;
  /** Sends what is queued, then ends. */
  close(): void;
  /** Bytes taken by `send` and not yet handed to the operating system: who produces much looks at it before more. */
  readonly bufferedBytes: number;
}

/** What every Connection does with its two handlers: keep what comes before them, end once. */
export class ConnectionHandlers {
  #message: ((bytes: Uint8Array) => void) | null = null;
  #close: ((error: Error | null) => void) | null = null;
  #early: Uint8Array[] = [];
  #ended: { readonly error: Error | null } | null = null;

  get isEnded(): boolean {
    return this.#ended !== null;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#message = handler;
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) handler(bytes);
  }

  onClose(handler: (error: Error | null) => void): void {
    this.#close = handler;
    const ended = this.#ended;
    if (ended !== null) queueMicrotask(() => handler(ended.error));
  }

  message(bytes: Uint8Array): void {
    if (this.#ended !== null) return;
    if (this.#message === null) this.#early.push(bytes);
    else this.#message(bytes);
  }

  end(error: Error | null): void {
    if (this.#ended !== null) return;
    this.#ended = { error };
    this.#close?.(error);
  }
}
