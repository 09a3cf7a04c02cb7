// A job as the scheduler sees it: a flat list of stages. A stage = inputs + one fragment + an output. The scheduler reads
// the edges and counts; it never looks inside a fragment. Made by lower.ts, purely, from lineage and resolved sources.

import type { BlobHash, JobId, NodeId, ShuffleId, StageId } from "../core/ids.js";
import type { CallSite, FunctionRef } from "./function.js";
import type { ActionSpec, Aggregator, LineageNode, LineForm, Operator, StorageLevel } from "./lineage.js";
import type { JoinInputs, TaskSlice } from "./skew.js";

/** What one partition of a source reads. Resolved by the master (formats/planSplits). */
export type Split =
  /** Bytes [start, start + length) of a file; text splits own the lines that begin inside. Size and mtime pin the version. */
  | {
      readonly kind: "file";
      readonly url: string;
      readonly start: number;
      readonly length: number;
      readonly fileSize: number;
      readonly modifiedMs: number;
      readonly compression: "none" | "gzip";
    }
  /** Whole files, each of the version that was planned. */
  | {
      readonly kind: "files";
      readonly files: readonly {
        readonly url: string;
        readonly fileSize: number;
        readonly modifiedMs: number;
        readonly compression: "none" | "gzip";
      }[];
    }
  /** One slice of a collection, encoded. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "range"; readonly start: number; readonly step: number; readonly count: number };

/** A partitioner with everything resolved. `bounds` of a range partitioner come from a value stage. */
export type Partitioner =
  | { readonly kind: "hash"; readonly partitions: number }
  | { readonly kind: "range"; readonly partitions: number; readonly ascending: boolean; readonly bounds: StageId }
  | { readonly kind: "bounds"; readonly partitions: number; readonly ascending: boolean; readonly bounds: Uint8Array }
  | { readonly kind: "custom"; readonly partitions: number; readonly fn: FunctionRef }
  | { readonly kind: "roundRobin"; readonly partitions: number };

/** Which partitions of `node` one partition of its child reads. */
export type FragmentInput =
  /** Same stage: partition i of the parent, evaluated in the same task. */
  | { readonly kind: "narrow"; readonly node: NodeId }
  /** Blocks of an exchange: reduce partition i of the shuffle. `combined`: the map side sent combiners, not values. */
  | { readonly kind: "shuffle"; readonly shuffle: ShuffleId; readonly maps: number; readonly combined: boolean };

/** A lineage node inside a fragment, resolved: counts known, each parent either in the same task or behind an exchange. */
export interface FragmentNode {
  readonly id: NodeId;
  readonly kind: LineageNode["kind"];
  readonly callSite: CallSite;
  readonly partitions: number;
  readonly inputs: readonly FragmentInput[];
  readonly operator?: Operator;
  readonly aggregator?: Aggregator;
  readonly sort?: "ascending" | "descending" | null;
  /** Source nodes: how the split is read. */
  readonly format?:
    | { readonly kind: "range" }
    | ({ readonly kind: "text" } & LineForm)
    | { readonly kind: "wholeFiles"; readonly content: "text" | "bytes" }
    | { readonly kind: "collection" | "object" | "localCheckpoint"; readonly classes: readonly FunctionRef[] }
    | { readonly kind: "binaryRecords"; readonly recordLength: number };
  /** Zip: what is called with the partitions; null pairs records. */
  readonly fn?: FunctionRef | null;
  /** Index: the value stage that counted the records of each partition (null: there is one partition only), or unique numbers. */
  readonly index?: { readonly counts: StageId | null; readonly unique: boolean };
  /** Union: first partition of each input within this node. Coalesce: first parent partition of each of this node's partitions. */
  readonly offsets?: readonly number[];
  /** Not NONE: look in the cache first and fill it after. */
  readonly storage: StorageLevel;
}

/** What a fragment does with the records of its root. `callSite` is that of the operation whose functions the output runs; errors name it (by default the root's). */
export type FragmentOutput =
  | {
      readonly kind: "shuffle";
      readonly shuffle: ShuffleId;
      readonly partitioner: Partitioner;
      readonly aggregator: Aggregator | null;
      readonly pairs: boolean;
      readonly flushBytes: number;
      readonly callSite?: CallSite;
    }
  | { readonly kind: "action"; readonly action: ActionSpec; readonly callSite?: CallSite }
  /** Keys drawn for range bounds: at most `size` of them with the number they stand for. `seed` from the node's ordinal. */
  | { readonly kind: "sampleKeys"; readonly size: number; readonly seed: number }
  /** No root: folds the value results of stage `of` (sampleKeys) into at most partitions - 1 range bounds. */
  | { readonly kind: "rangeBounds"; readonly of: StageId; readonly partitions: number };

/** The blob a worker runs, packed and named by its hash; shared by all tasks of a stage. */
export interface Fragment {
  /** Parents before children; the last is the root. Empty for rangeBounds. */
  readonly nodes: readonly FragmentNode[];
  readonly output: FragmentOutput;
  /** Codec form of the driver's accumulator ids that functions may add to, for early checks. */
  readonly accumulators: readonly number[];
  /**
   * Functions of the lineage before this stage that carry classes which none of the fragment's own does: records of these
   * classes may come through an exchange. A slot revives them before it decodes. Absent when there are none.
   */
  readonly carriers?: readonly FunctionRef[];
}

/** What a stage makes: map outputs, a value that later stages need (a sample, counts), the answer of the action. */
export type StageKind = "shuffleMap" | "value" | "result";

export interface Stage {
  readonly id: StageId;
  readonly kind: StageKind;
  readonly job: JobId;
  /** e.g. "reduceByKey at counts.ts:9:4". */
  readonly name: string;
  readonly callSite: CallSite;
  readonly fragment: Uint8Array;
  readonly fragmentHash: BlobHash;
  readonly tasks: readonly StageTask[];
  /** Stages of this job that must end first (shuffleMap or value). */
  readonly parents: readonly StageId[];
  /** Shuffles read; those whose maps are all present need no stage. */
  readonly shuffleInputs: readonly ShuffleId[];
  /** Value stages whose results each launch carries. */
  readonly valueInputs: readonly StageId[];
  /** Set for shuffleMap. */
  readonly shuffleOutput: ShuffleId | null;
  /** Which parents are needed, given which persisted nodes lie whole in the cache. The first entry is the stage's root. */
  readonly reach: readonly StageReach[];
  /** Functions here that may not be run twice at once with effects (foreach, save): the master commits one attempt. */
  readonly commitsOutput: boolean;
  /** Set where the stage pairs two shuffles by key and may be done by more tasks than it has partitions (plan/skew-join.ts). */
  readonly join?: JoinInputs;
}

/** What is reached from the root (node null) or from a persisted node without passing a (further) persisted node. */
export interface StageReach {
  readonly node: NodeId | null;
  readonly partitions: number;
  /** Stages whose output is read. */
  readonly parents: readonly StageId[];
  /** Persisted nodes reached, as places in `Stage.reach`. */
  readonly next: readonly number[];
}

export interface StageTask {
  readonly partition: number;
  readonly splits: readonly TaskSplit[];
  /** Cached nodes of the fragment that this task can read instead of computing: [node, partition]. */
  readonly cached: readonly (readonly [NodeId, number])[];
  /** Set by the scheduler where tasks and partitions of a stage are not the same. */
  readonly slice?: TaskSlice;
}

/** The split of source node `node`'s partition `partition`. */
export interface TaskSplit {
  readonly node: NodeId;
  readonly partition: number;
  readonly split: Split;
}

/** A job that grows: take runs partition 0 first, then four times as many each round until `limit` records are there. */
export interface GrowthRule {
  readonly stage: StageId;
  readonly limit: number;
  readonly factor: number;
}

export interface StageGraph {
  readonly job: JobId;
  /** Parents before children; the last is the result stage. */
  readonly stages: readonly Stage[];
  readonly resultStage: StageId;
  readonly growth: GrowthRule | null;
}
