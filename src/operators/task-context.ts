// What a running attempt may use: everything that touches memory, disk, other workers or user code is given to operators
// through this interface, so that operators do no I/O of their own and tests run them on arrays.

import type { ClassRegistry } from "../codec/class-registry.js";
import type { CacheWriter, FrameSource, ShuffleOutput } from "../codec/frame-flow.js";
import type { BatchSource, PartFile } from "../core/data-flow.js";
import type { NodeId, ShuffleId, StageId } from "../core/ids.js";
import type { MemoryBudget, SpillFile, SpillStore } from "../core/memory.js";
import type { MutableMetrics } from "../core/task-metrics.js";
import type { FunctionRef } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import type { HotKey, JoinParts } from "../plan/skew.js";
import type { FragmentNode, Partitioner, Split } from "../plan/stages.js";

export type { CacheWriter, FrameSource, ShuffleOutput } from "../codec/frame-flow.js";
export type { BatchSource, MaybePromise, PartFile } from "../core/data-flow.js";

export interface TaskContext {
  readonly partition: number;
  readonly memory: MemoryBudget;
  readonly spill: SpillStore;
  readonly classes: ClassRegistry;
  /** Throws TASK_CANCELLED when the attempt was cancelled. Cheap: reads one word. Called once a batch and every 1,024 records. */
  checkCancelled(): void;
  /** Passed to asynchronous functions as their last argument. */
  readonly signal: AbortSignal;
  /** The live function; the same object for the same hash within a slot and session. */
  revive(fn: FunctionRef): (...args: never[]) => unknown;
  openSplit(node: FragmentNode, partition: number): BatchSource;
  /** `maps`: of these map outputs only; default: of all. */
  openShuffle(shuffle: ShuffleId, partition: number, maps?: MapRange): FrameSource;
  /** The join of this task's partition is made in these parts; null or absent: in one. */
  readonly joinParts?: JoinParts | null;
  openShuffleOutput(shuffle: ShuffleId, partitions: number): ShuffleOutput;
  /** Function from key to partition (roundRobin: of the record, by turn). Range partitioners read their bounds from `value`. */
  partitionOf(partitioner: Partitioner): (key: unknown) => number;
  /** How map outputs are encoded: zstd where it pays; the sum of their records' hashes. */
  readonly shuffleEncoding: { readonly compress: boolean; readonly checksum: boolean };
  /** Encoded results of a value stage, one a partition. */
  value(stage: StageId): readonly Uint8Array[];
  /** The cached partition if somebody has it. */
  openCached(node: NodeId, partition: number): FrameSource | null;
  openCacheWriter(node: NodeId, partition: number, level: StorageLevel): CacheWriter;
  /** `output`: a directory of that name below `url`. */
  openPartFile(url: string, partition: number, compression: "none" | "gzip", output?: string): PartFile;
  /** Counters that the runner reports; operators add to them once a batch. */
  readonly metrics: MutableTaskMetrics;
}

/** The map outputs [from, to). */
export interface MapRange {
  readonly from: number;
  readonly to: number;
}

/** What operators count themselves; the rest is counted where it happens: by readers and writers, and by the attempt. */
export type MutableTaskMetrics = Pick<
  MutableMetrics,
  | "inputRecords"
  | "inputBytes"
  | "outputRecords"
  | "outputBytes"
  | "shuffleReadRecords"
  | "shuffleWriteRecords"
  | "shuffleWriteBytes"
>;

/** What a fragment's run gives back; the attempt runner adds timing and names. */
export type FragmentResult =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly records: number }
  /** As bytes: `head`, then the whole of `frames`, a scratch file that ends with the attempt. */
  | { readonly kind: "spilled"; readonly head: Uint8Array; readonly frames: SpillFile; readonly records: number }
  | {
      readonly kind: "mapOutput";
      readonly shuffle: ShuffleId;
      readonly sizes: readonly number[];
      readonly records: number;
      /** "0" where no checksum was asked for. */
      readonly checksum: string;
      /** Of pairs that were not combined: MapOutput in protocol/tasks.ts says what these are. */
      readonly weights?: readonly number[];
      readonly hotKeys?: readonly HotKey[];
    }
  | {
      readonly kind: "file";
      readonly pending: string;
      readonly final: string;
      readonly sizeBytes: number;
      readonly records: number;
      /** Of the other outputs that the same task has written. */
      readonly also?: readonly { readonly pending: string; readonly final: string }[];
    };

/** A split opened as a source needs only this of formats. */
export type SplitOpener = (node: FragmentNode, split: Split) => BatchSource;
