// Reads exact counts of bytes from a bare socket during a handshake, under one limit and one deadline for all of them. What
// the peer has sent beyond that stays in the socket for whoever reads next.

import type { Socket } from "node:net";

export class ByteReader {
  #left: number;
  readonly #timer: NodeJS.Timeout;
  #failure: Error | null = null;
  #wake: () => void = () => undefined;
  readonly #onReadable = () => this.#wake();
  readonly #onEnd = () => this.#fail(new Error("the connection ended"));
  readonly #onError = (error: Error) => this.#fail(error);

  constructor(
    private readonly socket: Socket,
    limitBytes: number,
    timeoutMs: number,
  ) {
    this.#left = limitBytes;
    this.#timer = setTimeout(() => this.#fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.on("readable", this.#onReadable);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onEnd);
    socket.on("error", this.#onError);
  }

  async read(count: number): Promise<Buffer> {
    if (count === 0) return Buffer.alloc(0);
    if (count > this.#left) throw new Error("the peer sent more than a greeting takes");
    this.#left -= count;
    for (;;) {
      const bytes = this.socket.read(count) as Buffer | null;
      // At its end a stream gives what it has, though it is less.
      if (bytes !== null && bytes.byteLength === count) return bytes;
      if (bytes !== null) throw new Error("the connection ended");
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** A length byte and so many bytes of UTF-8. */
  async text(): Promise<string> {
    const [length] = await this.read(1);
    return (await this.read(length as number)).toString("utf8");
  }

  release(): void {
    clearTimeout(this.#timer);
    this.socket.off("readable", this.#onReadable);
    this.socket.off("end", this.#onEnd);
    this.socket.off("close", this.#onEnd);
    this.socket.off("error", this.#onError);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}
