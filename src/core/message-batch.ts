// Messages that go to another thread together: one postMessage costs more than a hundred small messages to encode. Layout:
// u32 length and bytes of each message, in order.

/** Gathers messages and hands them over once a turn of the loop, or earlier when they are many bytes. */
export class MessageBatcher {
  readonly #flush: (batch: Uint8Array<ArrayBuffer>) => void;
  #messages: Uint8Array[] = [];
  #bytes = 0;

  /** `flush` may transfer the batch's buffer: it is its own. */
  constructor(flush: (batch: Uint8Array<ArrayBuffer>) => void) {
    this.#flush = flush;
  }

  add(message: Uint8Array): void {
    this.#bytes += 4 + message.byteLength;
    if (this.#messages.push(message) === 1) setImmediate(() => this.flush());
    else if (this.#bytes > FLUSH_BYTES) this.flush();
  }

  flush(): void {
    if (this.#messages.length === 0) return;
    const batch = new Uint8Array(this.#bytes);
    const view = new DataView(batch.buffer);
    let at = 0;
    for (const message of this.#messages) {
      view.setUint32(at, message.byteLength, true);
      batch.set(message, at + 4);
      at += 4 + message.byteLength;
    }
    this.#messages = [];
    this.#bytes = 0;
    this.#flush(batch);
  }
}

const FLUSH_BYTES = 1024 * 1024;

/** The messages of a batch, as views. */
export function* splitBatch(batch: Uint8Array): Generator<Uint8Array, void, void> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  for (let at = 0; at < batch.byteLength; ) {
    const length = view.getUint32(at, true);
    yield batch.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}
