// Fetches blocks from many servers over one channel each, dialled at the first need, shared by concurrent fetches, dropped
// when it fails: the next fetch dials anew. Retrying is the caller's to decide.

import { MillraceError } from "../../core/errors.js";
import type { ClientIdentity } from "../access/handshake.js";
import { type CallOptions, dial, type RpcChannel } from "./channel.js";
import { BLOCK_WINDOW_BYTES, MIN_WINDOW_BYTES } from "./library.js";

/** How long a server may take to accept a connection before the fetch fails. */
const DIAL_TIMEOUT_MS = 10_000;

export class BlockClient {
  readonly #channels = new Map<string, Promise<RpcChannel>>();
  #closed = false;

  /**
   * `maxBytesInFlight`: what the windows of `readers` streams a server may hold together; more servers, smaller windows. A
   * window is settled when its server is dialled: for so many servers as are known then, or as the call says.
   */
  constructor(
    private readonly self: ClientIdentity,
    private readonly maxBytesInFlight: number = Number.POSITIVE_INFINITY,
    private readonly readers: number = 1,
  ) {}

  /**
   * Streams what `request` (plain data that the server's provider understands) names, as RpcChannel.fetch does. `servers`: how
   * many the caller reads from at once.
   * @throws FETCH_FAILED when the server cannot be reached or breaks off; what its provider threw; the signal's reason
   */
  async fetch(
    address: string,
    request: unknown,
    onChunk: (chunk: Uint8Array) => unknown,
    options: CallOptions & { readonly servers?: number } = {},
  ): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#closed) throw new MillraceError("FETCH_FAILED", "the block client was closed", { fields: { address } });
    const dialling = this.#channel(address, options.servers);
    const reached = dialling.catch((cause: unknown) => {
      const message = `the block server ${address} cannot be reached: ${(cause as Error).message}`;
      throw new MillraceError("FETCH_FAILED", message, { fields: { address }, cause });
    });
    const channel = await unlessAborted(reached, options.signal);
    try {
      await channel.fetch(request, onChunk, options);
    } catch (error) {
      // The provider's own FETCH_FAILED costs a new connection too, which is cheap and rare.
      if ((error as MillraceError).code === "FETCH_FAILED") this.#drop(address, dialling);
      throw error;
    }
  }

  /** Ends every connection; fetches still running fail. */
  close(): void {
    this.#closed = true;
    for (const [address, channel] of this.#channels) this.#drop(address, channel);
  }

  #channel(address: string, servers = 1): Promise<RpcChannel> {
    const known = this.#channels.get(address);
    if (known !== undefined) return known;
    const streams = this.readers * Math.max(servers, this.#channels.size + 1);
    const share = Math.floor(this.maxBytesInFlight / streams);
    const windowBytes = Math.max(MIN_WINDOW_BYTES, Math.min(BLOCK_WINDOW_BYTES, share));
    const made = dial({ ...this.self, address, purpose: "blocks", windowBytes, timeoutMs: DIAL_TIMEOUT_MS });
    this.#channels.set(address, made);
    // Whoever waits for it reports the failure.
    made.catch(() => this.#drop(address, made));
    return made;
  }

  #drop(address: string, channel: Promise<RpcChannel>): void {
    if (this.#channels.get(address) === channel) this.#channels.delete(address);
    channel.then(
      (open) => open.close(),
      () => undefined,
    );
  }
}

/** Others may wait for the same promise: it goes on. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
