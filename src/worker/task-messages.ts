// What the master says of tasks and of their data: launches and cancels, where map outputs lie, whose worker is lost, what is
// taken over, and what nobody needs any more. Each goes to whom it concerns, and to the attempt runner as an event. Messages about
// this worker itself, that it is registered or has to go, are the shell's.

import type { SessionId } from "../core/ids.js";
import type { MasterToWorker } from "../protocol/worker.js";
import type { Adoption } from "./adoption.js";
import type { RunnerEvent } from "./attempt-runner/index.js";
import type { CacheStore } from "./cache-store.js";
import type { Disposal } from "./disposal.js";
import type { Peers } from "./peers.js";
import type { WorkerBlobs } from "./worker-blobs.js";

/** About the worker. */
type WorkerMessage = Extract<
  MasterToWorker,
  { readonly kind: "registered" | "heartbeat" | "refused" | "decommission" | "decommissioned" }
>;
export type TaskMessage = Exclude<MasterToWorker, WorkerMessage>;

export interface TaskMessagesParts {
  readonly peers: Peers;
  readonly adoption: Adoption;
  readonly disposal: Disposal;
  readonly cache: CacheStore;
  readonly blobs: WorkerBlobs;
  readonly handle: (event: RunnerEvent) => void;
}

export class TaskMessages {
  constructor(private readonly parts: TaskMessagesParts) {}

  receive(message: TaskMessage): void {
    const { peers, adoption, disposal, cache, blobs, handle } = this.parts;
    switch (message.kind) {
      case "mapOutputs":
        peers.learn(message.locations.workers);
        return handle({ kind: "mapOutputs", locations: message.locations });
      case "workerLost":
        return peers.lost(message.worker, message.blocks, message.reason);
      case "launch":
        peers.launched(message.launches);
        return handle({ kind: "launches", launches: message.launches });
      case "cancel":
        return handle(message);
      case "releaseResults":
        disposal.results(message.keys);
        return handle({ kind: "resultsReleased", keys: message.keys });
      case "releaseShuffle":
        adoption.release(message.session, message.shuffle);
        disposal.shuffle(message.session, message.shuffle);
        return handle({ kind: "shuffleReleased", session: message.session, shuffle: message.shuffle });
      case "discard":
        return disposal.outputs(message.session, message.shuffle, message.outputs);
      case "uncache":
        adoption.releaseNode(message.session, message.node);
        return cache.remove(message.session, message.node);
      case "releaseSession":
        return this.#releaseSession(message.session);
      case "releaseBlobs":
        for (const hash of message.hashes) blobs.drop(hash);
        return handle({ kind: "blobsReleased", hashes: message.hashes });
      case "adopt":
        return adoption.adopt(message.from, message.blocks);
    }
  }

  /** A session that ended while the stream was broken may have nothing here but what was taken over. */
  keepLive(live: readonly SessionId[]): void {
    const alive = new Set(live);
    for (const session of [...this.parts.adoption.sessions]) if (!alive.has(session)) this.#releaseSession(session);
  }

  #releaseSession(session: SessionId): void {
    this.parts.adoption.release(session);
    this.parts.handle({ kind: "sessionReleased", session });
  }
}
