// What the main thread of a worker and a slot say to each other. Structured clones over one MessagePort a slot: runs and
// replies one way, requests, log lines and outcomes the other. Piscina's task channel brings the port, and tells of the thread's end.

import type { MessagePort } from "node:worker_threads";
import type { WireError } from "../../core/errors.js";
import type { NodeId, SessionId, ShuffleId } from "../../core/ids.js";
import type { StorageLevel } from "../../plan/lineage.js";
import type {
  AccumulatorUpdate,
  FollowingTask,
  MapOutputLocations,
  TaskLaunch,
  TaskMetrics,
  TaskResult,
  WorkerAddress,
} from "../../protocol/tasks.js";
import type { TaskLogLine } from "../../protocol/worker.js";
import type { FetchRequest } from "../../shuffle/fetch-plan.js";

export interface SlotSettings {
  readonly slot: number;
  readonly address: WorkerAddress;
  /** Bytes that the operators of one task may reserve. */
  readonly taskBytes: number;
  readonly inlineResultBytes: number;
  readonly localReads: boolean;
  /** Of shuffle frames. */
  readonly compress: boolean;
  /** Of map outputs' records. */
  readonly checksum: boolean;
  /** A partition larger than this is never cached in memory. */
  readonly cacheBytes: number;
  /** Map outputs that the slot may keep open. */
  readonly openFiles: number;
  /** Directories that packages are looked up from. */
  readonly moduleRoots: readonly string[];
  /** A request to the main thread that is not answered after this long fails. */
  readonly requestTimeoutMs: number;
}

export interface SlotInit {
  readonly kind: "init";
  readonly settings: SlotSettings;
  readonly control: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** What piscina carries to the thread. `stay` is answered never: it is rejected when the thread ends. */
export type SlotCall = SlotInit | { readonly kind: "stay" };

export interface SlotRun {
  readonly kind: "run";
  /** Number of the run within the slot, from 1: what the cancel word names. */
  readonly run: number;
  readonly launch: TaskLaunch;
  /** Tasks that follow it while each ends well: task i has the number `run` + i. */
  readonly rest: readonly FollowingTask[];
  /** The packed fragment, when this slot has not seen its hash yet. */
  readonly fragment: Uint8Array | null;
  /** Locations of shuffles in versions that this slot has not seen yet. */
  readonly locations: readonly MapOutputLocations[];
  /** What will be given again where it is needed again. */
  readonly forget: { readonly fragments: readonly string[]; readonly shuffles: readonly ShuffleId[] } | null;
  /** Cached partitions of this process that the task may read. */
  readonly cached: readonly CachedBlock[];
}

/** A cached partition: frames and their schema table, in memory shared by all slots or in a file. */
export interface CachedBlock {
  readonly node: NodeId;
  readonly partition: number;
  /** Of the launch that computed it. Default 0. */
  readonly generation?: number;
  readonly schemas: Uint8Array;
  readonly frames: SharedArrayBuffer | { readonly path: string; readonly bytes: number };
}

/** A partition that the slot computed for the cache. */
export interface CacheOffer {
  readonly session: SessionId;
  readonly level: StorageLevel;
  readonly block: CachedBlock;
  readonly sizeBytes: number;
}

/** Those that are not 0. */
export type SlotMetrics = Partial<TaskMetrics>;

export type SlotOutcome =
  | {
      readonly kind: "succeeded";
      readonly result: TaskResult;
      readonly accumulators: readonly AccumulatorUpdate[];
      readonly metrics: SlotMetrics;
      readonly offers: readonly CacheOffer[];
    }
  | { readonly kind: "failed"; readonly error: WireError; readonly metrics: SlotMetrics }
  /** `error.fields` has shuffle, map and worker. */
  | { readonly kind: "fetchFailed"; readonly error: WireError }
  | { readonly kind: "cancelled" };

/** Slot to main thread: the answer to a run, after all that the run had to say. */
export interface SlotAnswer {
  readonly kind: "outcome";
  readonly run: number;
  readonly outcome: SlotOutcome;
}

/** Slot to main thread, during a run. A request is answered by one or more replies with the same id. */
export type SlotMessage =
  | { readonly kind: "request"; readonly id: number; readonly request: SlotRequest }
  /** The slot took a reply of a stream: one more may be sent. */
  | { readonly kind: "more"; readonly id: number }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "log"; readonly line: TaskLogLine };

export type SlotRequest =
  /** A blob (broadcast value, bundle) by hash: one reply. */
  | { readonly kind: "blob"; readonly session: SessionId; readonly hash: string }
  /** Reduce partition `partition` of the map outputs that the request lists: a stream of served blocks (shuffle/served-blocks.ts). */
  | {
      readonly kind: "blocks";
      readonly request: FetchRequest;
      readonly partition: number;
      /** Such streams that the task opens at once. */
      readonly streams: number;
    }
  /** A cached partition of another worker: its schema table, then pieces of its frames. */
  | {
      readonly kind: "cached";
      readonly session: SessionId;
      readonly node: NodeId;
      readonly partition: number;
      /** Default 0. */
      readonly generation?: number;
      readonly worker: string;
    };

export interface SlotReply {
  readonly id: number;
  readonly bytes: Uint8Array | null;
  readonly last: boolean;
  readonly error: WireError | null;
}
