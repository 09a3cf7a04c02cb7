// What may be asked of a worker's block server. Plain data (core/packed) in one request; the answer is a stream of bytes.

import type { NodeId, SessionId, ShuffleId, StageId, TaskKey } from "../core/ids.js";
import type { WorkerAddress } from "./tasks.js";

export type BlockRequest =
  /** One reduce partition of some map outputs, as shuffle/served-blocks.ts lays them out. */
  | {
      readonly kind: "shuffle";
      readonly worker: WorkerAddress;
      readonly session: SessionId;
      readonly shuffle: ShuffleId;
      readonly outputs: readonly { readonly map: number; readonly stage: StageId; readonly attempt: number }[];
      readonly partition: number;
      /** How large the pieces of the answer shall be at most. Default 256 KiB. */
      readonly pieceBytes?: number;
    }
  /** A result that was too large for its task's status. */
  | { readonly kind: "result"; readonly key: TaskKey }
  /** A cached partition, as worker/cached-layout.ts lays it out. No bytes at all when it is not here (any more). */
  | {
      readonly kind: "cached";
      readonly session: SessionId;
      readonly node: NodeId;
      readonly partition: number;
      /** Of another generation nothing is given. Default 0. */
      readonly generation?: number;
    }
  /** The same for a worker that takes it over: the storage level as one byte (an index of `storageLevels`) comes first. */
  | {
      readonly kind: "adoptCached";
      readonly session: SessionId;
      readonly node: NodeId;
      readonly partition: number;
      readonly generation: number;
    }
  /** A committed map output as it is: the whole file. */
  | {
      readonly kind: "mapOutput";
      readonly session: SessionId;
      readonly shuffle: ShuffleId;
      readonly map: number;
      readonly stage: StageId;
      readonly attempt: number;
    };

/** What a worker keeps partitions at, in the order of the byte that stands for each on the wire. */
export const storageLevels = ["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"] as const;
