// Channels to block servers, one an address, dialled when first needed and dialled again after they broke; their answers as
// async iterables that ask for the next chunk when the last one was taken, so that a slow taker slows the sender.

import { type DialOptions, dial, type RpcChannel } from "./grpc/channel.js";

export type BlockIdentity = Pick<DialOptions, "role" | "id" | "secret" | "version">;

export class BlockChannels {
  readonly #identity: BlockIdentity;
  readonly #channels = new Map<string, Promise<RpcChannel>>();

  constructor(identity: BlockIdentity) {
    this.#identity = identity;
  }

  /** The bytes that `request` names at the server, chunk by chunk. Throws FETCH_FAILED and what the server threw. */
  async *fetch(address: string, request: unknown, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const channel = await this.#channel(address);
    const queue: Uint8Array[] = [];
    let ended: { readonly error: unknown } | null = null;
    let wakeTaker = () => {};
    let wakeSender = () => {};
    const stop = new AbortController();
    const running = channel
      .fetch(
        request,
        (chunk) => {
          queue.push(chunk);
          wakeTaker();
          if (queue.length < MAX_QUEUED) return undefined;
          return new Promise<void>((resolve) => (wakeSender = resolve));
        },
        { signal: AbortSignal.any([signal, stop.signal]) },
      )
      .then(
        () => (ended = { error: null }),
        (error: unknown) => {
          // A broken channel is of no further use; a server's refusal is no reason to dial anew, but costs little.
          this.#channels.delete(address);
          ended = { error };
        },
      )
      .then(() => wakeTaker());
    try {
      for (;;) {
        const chunk = queue.shift();
        if (chunk !== undefined) {
          wakeSender();
          yield chunk;
          continue;
        }
        const end = ended as { readonly error: unknown } | null;
        if (end !== null) {
          if (end.error !== null) throw end.error;
          return;
        }
        await new Promise<void>((resolve) => (wakeTaker = resolve));
      }
    } finally {
      stop.abort();
      wakeSender();
      await running;
    }
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.then((open) => open.close(), ignoreFailedDial);
    this.#channels.clear();
  }

  #channel(address: string): Promise<RpcChannel> {
    const known = this.#channels.get(address);
    if (known !== undefined) return known;
    const dialled = dial({ ...this.#identity, address, purpose: "blocks" });
    this.#channels.set(address, dialled);
    dialled.catch(() => this.#channels.delete(address));
    return dialled;
  }
}

/** Chunks (at most 1 MiB each) that wait for their taker. */
const MAX_QUEUED = 4;

/** Whoever asked for the channel was told of its failure. */
function ignoreFailedDial(): void {}
