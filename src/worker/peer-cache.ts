// Cached partitions of other workers: where they serve them is learnt from the locations that the master sends. Whoever cannot
// be asked has nothing: computing the partition again is right, only slower.

import { isMillraceError } from "../core/errors.js";
import type { BlockRequest } from "../protocol/blocks.js";
import type { WorkerAddress } from "../protocol/tasks.js";

type FetchBlock = (address: string, request: BlockRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>;

export class PeerCache {
  readonly #addresses = new Map<string, string>();

  constructor(private readonly fetchBlock: FetchBlock) {}

  learn(workers: readonly WorkerAddress[]): void {
    for (const { worker, blocks } of workers) this.#addresses.set(worker, blocks);
  }

  /** No piece at all where it is not to be had. Throws what breaks off a stream that had begun. */
  async *fetch(worker: string, request: BlockRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const address = this.#addresses.get(worker);
    if (address === undefined || address === "") return;
    let given = false;
    try {
      for await (const piece of this.fetchBlock(address, request, signal)) {
        given = true;
        yield piece;
      }
    } catch (error) {
      // Nor can it be had from a worker that is gone, or has come back at another address.
      if (given || !isMillraceError(error) || error.code !== "FETCH_FAILED") throw error;
      if (this.#addresses.get(worker) === address) this.#addresses.delete(worker);
    }
  }
}
