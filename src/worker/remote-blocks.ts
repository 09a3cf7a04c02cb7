// What this worker reads of others' block servers: map outputs and cached partitions that its slots ask for, and blocks that it
// takes over. Every stream ends as soon as the master gives up the worker that it comes from; one of map outputs survives a
// broken connection (retrying-fetch.ts).

import { workerId } from "../core/ids.js";
import type { BlockRequest } from "../protocol/blocks.js";
import { PeerCache } from "./peer-cache.js";
import type { Peers } from "./peers.js";
import { RETRY_PAUSES_MS, type RetryOptions, retryingFetch } from "./retrying-fetch.js";
import type { SlotRequest } from "./slot/messages.js";

/** Bytes that another worker serves; `servers`: how many are read from at once. */
export type FetchBlock = (
  address: string,
  request: BlockRequest,
  signal: AbortSignal,
  servers?: number,
) => AsyncIterable<Uint8Array>;

export interface RemoteBlocksOptions {
  readonly fetchBlock: FetchBlock;
  /** Option `fetch.retries`. */
  readonly retries: number;
  /** The largest piece of a stream that is one of so many. */
  readonly pieceBytes: (streams: number) => number;
  readonly log: (message: string) => void;
}

export class RemoteBlocks {
  readonly #options: RemoteBlocksOptions;
  readonly #retry: RetryOptions;
  readonly #cache: PeerCache;

  constructor(
    private readonly peers: Peers,
    options: RemoteBlocksOptions,
  ) {
    this.#options = options;
    this.#retry = { retries: options.retries, pausesMs: RETRY_PAUSES_MS, log: options.log };
    this.#cache = new PeerCache(peers, (address, request, signal) => this.block(address, request, signal));
  }

  /** One block, asked for once. */
  block(address: string, request: BlockRequest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.peers.follow(address, (live) => this.#options.fetchBlock(address, request, live), signal);
  }

  mapOutputs(
    { request, partition, streams }: SlotRequest & { kind: "blocks" },
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const asked = { kind: "shuffle", ...request, partition, pieceBytes: this.#options.pieceBytes(streams) } as const;
    const { blocks } = request.worker;
    const open = (live: AbortSignal) => this.#options.fetchBlock(blocks, asked, live, streams);
    return this.peers.follow(blocks, (live) => retryingFetch(() => open(live), this.#retry, live), signal);
  }

  /** No piece at all where it is not to be had. */
  cached(
    { session, node, partition, generation = 0, worker }: SlotRequest & { kind: "cached" },
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return this.#cache.fetch(workerId(worker), { kind: "cached", session, node, partition, generation }, signal);
  }
}
