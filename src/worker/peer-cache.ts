// Cached partitions of other workers. Whoever cannot be asked has nothing: computing the partition again is right, only slower.

import { isMillraceError } from "../core/errors.js";
import type { WorkerId } from "../core/ids.js";
import type { BlockRequest } from "../protocol/blocks.js";
import type { Peers } from "./peers.js";

type FetchBlock = (address: string, request: BlockRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>;

export class PeerCache {
  constructor(
    private readonly peers: Peers,
    private readonly fetchBlock: FetchBlock,
  ) {}

  /** No piece at all where it is not to be had. Throws what breaks off a stream that had begun. */
  async *fetch(worker: WorkerId, request: BlockRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const address = this.peers.blocksOf(worker);
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
      this.peers.forget(worker, address);
    }
  }
}
