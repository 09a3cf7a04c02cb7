// What master and workers say of tasks. Plain data; rpc/ turns it into protobuf and back.

import type { WireError } from "../core/errors.js";
import type { BlobHash, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../core/ids.js";
import type { TaskMetrics } from "../core/task-metrics.js";
import type { AccumulatorKind } from "../core/user-metrics.js";
import type { HotKey, TaskSlice } from "../plan/skew.js";
import type { TaskSplit } from "../plan/stages.js";

/** Locality that the master achieved for an attempt, Spark's names. */
export type Locality = "PROCESS_LOCAL" | "NODE_LOCAL" | "NO_PREF" | "ANY";

/** One attempt to run. At most 256 KiB on the wire; everything larger in it is a blob by hash. */
export interface TaskLaunch {
  readonly key: TaskKey;
  readonly fragment: BlobHash;
  readonly splits: readonly TaskSplit[];
  /** Results of value stages: encoded bytes, or the hash of a blob held by the master. */
  readonly values: readonly ValueInput[];
  /** Where cached partitions of this task's nodes lie. Another worker's are fetched. */
  readonly cached: readonly CachedLocation[];
  /** Shuffles that the fragment reads, with the version of locations that this attempt needs at least. */
  readonly shuffles: readonly { readonly shuffle: ShuffleId; readonly version: number }[];
  readonly locality: Locality;
  /** What of the data this task works on; absent: the partition that its key names. */
  readonly slice?: TaskSlice;
  /** The task ran out of memory before: nothing may run beside this attempt. */
  readonly alone?: true;
  /** A second attempt beside one that is slow: whichever ends well first counts. */
  readonly speculative?: true;
  /**
   * Tasks that differ from this one in nothing but their partition: they run after it in the same slot, in this order, as long as
   * each ends well. What is left then is handed back. Each is an attempt with an end of its own. Default: none.
   */
  readonly more?: readonly FollowingTask[];
  /** Persisted nodes whose cached partitions of earlier generations are void. Default: all are in generation 0. */
  readonly generations?: readonly CacheGeneration[];
}

export interface FollowingTask {
  readonly partition: number;
  readonly attempt: number;
}

/** Every task of a launch as a launch of its own, in the order in which they run. */
export function tasksOf(launch: TaskLaunch): readonly TaskLaunch[] {
  const { more, ...first } = launch;
  if (more === undefined) return [launch];
  return [first, ...more.map((next) => ({ ...first, key: { ...first.key, ...next } }))];
}

/** A persisted node's partitions were made anew `generation` times, because what they were made from changed. */
export interface CacheGeneration {
  readonly node: NodeId;
  readonly generation: number;
}

export function generationOf({ generations }: TaskLaunch, node: NodeId): number {
  return generations?.find((one) => one.node === node)?.generation ?? 0;
}

export interface ValueInput {
  readonly stage: StageId;
  /** One encoded value a partition of that stage, in partition order. */
  readonly parts: readonly Uint8Array[];
  /** Instead of parts when they are larger than 64 KiB together: pack(parts) as a blob. */
  readonly blob?: BlobHash;
}

export interface CachedLocation {
  readonly node: NodeId;
  readonly partition: number;
  readonly worker: WorkerId;
}

/** Locations of every map output of a shuffle, sent once per worker and version, before a launch that needs it. */
export interface MapOutputLocations {
  readonly session: SessionId;
  readonly shuffle: ShuffleId;
  readonly version: number;
  /** Index = map partition. */
  readonly outputs: readonly MapOutputLocation[];
  /** Everyone named in outputs. */
  readonly workers: readonly WorkerAddress[];
}

export interface MapOutputLocation {
  readonly worker: WorkerId;
  readonly stage: StageId;
  readonly attempt: number;
}

export interface WorkerAddress {
  readonly worker: WorkerId;
  readonly machine: string;
  /** host:port of its block server; empty for the in-process worker. */
  readonly blocks: string;
  /** Its directory: read directly where `machine` is the reader's own. */
  readonly directory: string;
}

export interface MapOutput {
  /** Encoded bytes per reduce partition, for statistics and locality; one byte each on the wire (log scale, as Spark does). */
  readonly sizes: readonly number[];
  readonly records: number;
  /** Order-free sum of record hashes: two runs of a deterministic map agree. Decimal text of an unsigned 64-bit number; "0" unless shuffle.checksum is on. */
  readonly checksum: string;
  /**
   * Of pairs that were not combined, else absent: bytes per reduce partition as estimated from the records alone, so the same on
   * every master, compressed or not, whatever the memory. One byte each on the wire, on the scale of `sizes`.
   */
  readonly weights?: readonly number[];
  /** Of pairs that were not combined: at most eight keys with 5 % of this output's records or more. Absent: none. */
  readonly hotKeys?: readonly HotKey[];
}

export interface AccumulatorUpdate {
  readonly accumulator: number;
  /** Codec-encoded partial value; empty where `numbers` say all. */
  readonly value: Uint8Array;
  /** For whoever shows it. Absent: it is not shown. */
  readonly name?: string;
  /** Default "custom": only the driver can add it up. */
  readonly kind?: AccumulatorKind;
  /** What the task has added, as core/user-metrics.ts lays it out; absent for "custom". */
  readonly numbers?: readonly number[];
}

export { noMetrics, type TaskMetrics } from "../core/task-metrics.js";

export type TaskResult =
  /** Up to 64 KiB, in the status itself. */
  | { readonly kind: "inline"; readonly bytes: Uint8Array; readonly records: number }
  /** A file of the worker named by the task key; the master pulls it from the worker's block server. */
  | { readonly kind: "block"; readonly sizeBytes: number; readonly records: number }
  /** A file of the worker, named by the task key within the shuffle's directory. */
  | { readonly kind: "mapOutput"; readonly shuffle: ShuffleId; readonly output: MapOutput }
  /** A part file written aside; visible once the master commits it. */
  | {
      readonly kind: "file";
      readonly pending: string;
      readonly final: string;
      readonly sizeBytes: number;
      readonly records: number;
      /** Of the other outputs that the same task has written: committed with it. */
      readonly also?: readonly { readonly pending: string; readonly final: string }[];
    };

export interface CachedNow {
  readonly node: NodeId;
  readonly partition: number;
  readonly sizeBytes: number;
  /** As the launch said. Default 0. */
  readonly generation?: number;
}

export type TaskOutcome =
  | {
      readonly kind: "succeeded";
      readonly result: TaskResult;
      readonly accumulators: readonly AccumulatorUpdate[];
      readonly metrics: TaskMetrics;
      /** Partitions put into this worker's cache on the way. */
      readonly cached: readonly CachedNow[];
    }
  | { readonly kind: "failed"; readonly error: WireError; readonly metrics: TaskMetrics | null }
  /** Never counts against the task: the master drops the output named and recomputes it. `map` -1: nobody told the worker where
   * the shuffle's outputs lie (the task counted on a cached partition that was not there); `worker` is then its own. */
  | {
      readonly kind: "fetchFailed";
      readonly shuffle: ShuffleId;
      readonly map: number;
      readonly worker: WorkerId;
      readonly error: WireError;
    }
  | { readonly kind: "cancelled" };

export type TaskStatus =
  | { readonly kind: "running"; readonly key: TaskKey; readonly slot: number }
  | { readonly kind: "ended"; readonly key: TaskKey; readonly outcome: TaskOutcome };
