// The lineage: one node an RDD, made by the driver, immutable, sent to the master once. Pure data that packs (core/packed).
// Partition counts that the user left open are null here; the master resolves them when it plans (resolve.ts).

import type { NodeId } from "../core/ids.js";
import type { CallSite, FunctionRef } from "./function.js";

/** One step of a narrow chain: what the generated loop is made of. */
export type Operator =
  | { readonly op: "map"; readonly fn: FunctionRef }
  | { readonly op: "flatMap"; readonly fn: FunctionRef }
  | { readonly op: "filter"; readonly fn: FunctionRef }
  | { readonly op: "mapValues"; readonly fn: FunctionRef }
  | { readonly op: "flatMapValues"; readonly fn: FunctionRef }
  | { readonly op: "keyBy"; readonly fn: FunctionRef }
  | { readonly op: "keys" }
  | { readonly op: "values" }
  /** fn(records: Iterable): Iterable | AsyncIterable | Promise of either. */
  | { readonly op: "mapPartitions"; readonly fn: FunctionRef }
  /** fn(partition, records). */
  | { readonly op: "mapPartitionsWithIndex"; readonly fn: FunctionRef }
  /** fn(Arrow record batch of at most `rows` records): a batch, a table, or several. `columns`: kinds by name; null: as they come. */
  | {
      readonly op: "mapBatches";
      readonly fn: FunctionRef;
      readonly rows: number;
      readonly columns: BatchColumns | null;
    }
  /** The record itself becomes the key of [record, null]: what distinct combines on. */
  | { readonly op: "asKey" }
  /** [key, [left values, right values]] of a cogroup to [key, [l, r]] for every combination: join. */
  | { readonly op: "joinPairs" };

/** Kinds of the columns that records are written to, by name, in their order (codec/arrow). */
export type BatchColumns = readonly (readonly [name: string, kind: BatchColumnKind])[];
/** What a column of `rdd.mapBatches` holds, beside nulls. */
export type BatchColumnKind = "number" | "bigint" | "string" | "boolean" | "date" | "bytes";

/** Operators whose function sees a partition, or stretches of it, as a whole: they begin a loop of their own. */
export type WholeOperator = Extract<Operator["op"], "mapPartitions" | "mapPartitionsWithIndex" | "mapBatches">;

export function isWhole(operator: Operator | undefined): operator is Operator & { readonly op: WholeOperator } {
  const op = operator?.op;
  return op === "mapPartitions" || op === "mapPartitionsWithIndex" || op === "mapBatches";
}

/** What becomes of the bytes of a line. */
export interface LineForm {
  /** latin1: a character for each byte, whatever they mean. Default: UTF-8, and INVALID_TEXT for anything else. */
  readonly encoding?: "latin1";
  /** The line's own end stays on it. */
  readonly keepEnds?: true;
}

export type Source =
  /** Encoded slices (codec record streams), one a partition. `classes`: reviving these makes known the classes of the records. */
  | { readonly kind: "collection"; readonly slices: readonly Uint8Array[]; readonly classes: readonly FunctionRef[] }
  /** start, start + step, ... below end (above, for a negative step), cut into `slices`. */
  | {
      readonly kind: "range";
      readonly start: number;
      readonly end: number;
      readonly step: number;
      readonly slices: number;
    }
  /** Absolute URLs, globs allowed; lines without their \n or \r\n. minPartitions null: by size. */
  | ({
      readonly kind: "text";
      readonly paths: readonly string[];
      readonly minPartitions: number | null;
      /** So many lines a partition, counted by the master when it plans. */
      readonly linesPerPartition?: number;
    } & LineForm)
  /** [path, content] of each file, several small files a partition. */
  | {
      readonly kind: "wholeFiles";
      readonly paths: readonly string[];
      readonly content: "text" | "bytes";
      readonly minPartitions: number | null;
    }
  /** What saveAsObjectFile wrote, one partition a file. `classes`: as in a collection. */
  | {
      readonly kind: "object";
      readonly paths: readonly string[];
      readonly classes: readonly FunctionRef[];
      /** Set where the files are a checkpoint: how many there have to be, and how their records are placed. */
      readonly checkpoint?: CutLineage;
    }
  /** A lineage cut at its cached blocks (localCheckpoint): a block that is gone cannot be made again. */
  | {
      readonly kind: "localCheckpoint";
      readonly classes: readonly FunctionRef[];
      readonly checkpoint: CutLineage;
    }
  /** Records of exactly `recordLength` bytes. */
  | {
      readonly kind: "binaryRecords";
      readonly paths: readonly string[];
      readonly recordLength: number;
      readonly minPartitions: number | null;
    };

/** What is still known of an RDD whose lineage was cut. */
export interface CutLineage {
  readonly partitions: number;
  readonly partitioner: KnownPartitioner | null;
  /** Set where its records lay by ranges whose bounds nobody can find any more. */
  readonly ranges?: { readonly ascending: boolean };
}

/**
 * How a node's records are placed, if that is known. `parent` of a range: the node whose keys were sampled for its bounds, so
 * that two ranges with the same one have the same bounds.
 */
export type KnownPartitioner =
  | { readonly kind: "hash"; readonly partitions: number }
  | { readonly kind: "custom"; readonly partitions: number; readonly fn: FunctionRef }
  | { readonly kind: "range"; readonly partitions: number; readonly ascending: boolean; readonly parent: NodeId }
  | { readonly kind: "bounds"; readonly partitions: number; readonly ascending: boolean; readonly bounds: Uint8Array };

/** How an exchange places records. `partitions: null` = the largest parent's count. Keys are a pair's [0]. */
export type PartitionerSpec =
  | { readonly kind: "hash"; readonly partitions: number | null }
  /** `of`: the node whose keys are sampled for the bounds. Default: the exchange's own parent. */
  | { readonly kind: "range"; readonly partitions: number | null; readonly ascending: boolean; readonly of?: NodeId }
  /** Ranges with bounds of the user's: a record stream of partitions - 1 rising keys. */
  | { readonly kind: "bounds"; readonly partitions: number; readonly ascending: boolean; readonly bounds: Uint8Array }
  /** As the records of this node are placed. */
  | { readonly kind: "as"; readonly node: NodeId; readonly partitions: null }
  /** fn(key, partitions) gives an integer in [0, partitions). Equal iff hash of fn and count are equal. */
  | { readonly kind: "custom"; readonly partitions: number; readonly fn: FunctionRef }
  /** Records (not keys) dealt out in turn from a start derived from the map partition: repartition. */
  | { readonly kind: "roundRobin"; readonly partitions: number | null };

/** Spark's combineByKey triple; builtins name themselves so that operators can specialise. */
export type Aggregator =
  | {
      readonly kind: "functions";
      readonly create: FunctionRef;
      readonly mergeValue: FunctionRef;
      readonly mergeCombiners: FunctionRef;
    }
  /** reduceByKey: create is identity and both merges are `merge`. */
  | { readonly kind: "reduce"; readonly merge: FunctionRef }
  /** aggregateByKey: `zero` is a codec-encoded value, decoded afresh for each key. `classes`: as in a collection. */
  | {
      readonly kind: "aggregate";
      readonly zero: Uint8Array;
      readonly seq: FunctionRef;
      readonly comb: FunctionRef;
      readonly classes?: readonly FunctionRef[];
    }
  /** groupByKey: values in an array, never combined on the map side. */
  | { readonly kind: "group" }
  /** distinct: the first record of each key stays; the value is ignored. */
  | { readonly kind: "first" };

interface NodeBase {
  readonly id: NodeId;
  readonly callSite: CallSite;
}

export type LineageNode =
  | (NodeBase & { readonly kind: "source"; readonly source: Source })
  | (NodeBase & {
      readonly kind: "narrow";
      readonly parent: NodeId;
      readonly operator: Operator;
      readonly preservesPartitioning: boolean;
    })
  | (NodeBase & { readonly kind: "union"; readonly parents: readonly NodeId[] })
  /** Adjacent parent partitions in one; never more than the parent has. */
  | (NodeBase & { readonly kind: "coalesce"; readonly parent: NodeId; readonly partitions: number })
  /**
   * Partition i of every parent, side by side; all have the same number of partitions. `fn(records of each parent ..., signal)`
   * gives the new records; null: records are paired, and partitions of different lengths are an error.
   */
  | (NodeBase & {
      readonly kind: "zip";
      readonly parents: readonly NodeId[];
      readonly fn: FunctionRef | null;
      readonly preservesPartitioning: boolean;
    })
  /** Every record of the first with every one of the second: partition i * n + j has partition i of the first and j of the second's n. */
  | (NodeBase & { readonly kind: "cartesian"; readonly parents: readonly [NodeId, NodeId] })
  /** [record, its number]: counted over all partitions, or for `unique` k * n + i for record k of partition i of n. */
  | (NodeBase & { readonly kind: "index"; readonly parent: NodeId; readonly unique: boolean })
  /** combineByKey family. Without an exchange when the parent is already partitioned so. Gives [key, combined]. */
  | (NodeBase & {
      readonly kind: "combine";
      readonly parent: NodeId;
      readonly partitioner: PartitionerSpec;
      readonly aggregator: Aggregator;
      readonly mapSideCombine: boolean;
    })
  /** Gives [key, [values of parent 0, values of parent 1, ...]]. A parent partitioned so already is read without an exchange. */
  | (NodeBase & {
      readonly kind: "cogroup";
      readonly parents: readonly NodeId[];
      readonly partitioner: PartitionerSpec;
    })
  /** Moves records unchanged. `sort`: each partition ordered by key (stable by map index, then position). */
  | (NodeBase & {
      readonly kind: "exchange";
      readonly parent: NodeId;
      readonly partitioner: PartitionerSpec;
      readonly sort: "ascending" | "descending" | null;
      /** repartition moves any record; the others need pairs. */
      readonly pairs: boolean;
    });

/**
 * Where an RDD's computed partitions are kept: `RDD.persist`. "NONE": nowhere, every job that needs them computes them. The
 * master is told apart from the node, because it may change.
 */
export type StorageLevel = "NONE" | "MEMORY_ONLY" | "MEMORY_AND_DISK" | "DISK_ONLY";

/**
 * What an action asks of every partition of its RDD; how the driver folds the answers is the driver's. The answer of a
 * partition is one record stream (codec RecordStreamWriter) for collect, reduce, aggregate, top and countByKey; encodeValue
 * of a number (a stream of one record, too) for count; no bytes for foreach, foreachPartition and the saves.
 */
export type ActionSpec =
  /**
   * Encoded records. `limit`: stop after so many records over all partitions in partition order (take, first). `streamed`:
   * the driver takes them one by one (toLocalIterator), so that driver.maxResultSize does not apply.
   */
  | { readonly kind: "collect"; readonly limit: number | null; readonly streamed?: boolean }
  /** One number a partition. */
  | { readonly kind: "count" }
  /** 0 or 1 record a partition: the fold of its records. */
  | { readonly kind: "reduce"; readonly fn: FunctionRef }
  /** 1 record a partition. */
  | {
      readonly kind: "aggregate";
      readonly zero: Uint8Array;
      readonly seq: FunctionRef;
      readonly classes?: readonly FunctionRef[];
    }
  /** At most n records a partition, greatest first by codec order of fn(record) (of the record itself without fn). */
  | { readonly kind: "top"; readonly n: number; readonly fn: FunctionRef | null; readonly order: "greatest" | "least" }
  /** Pairs [key, count] a partition. */
  | { readonly kind: "countByKey" }
  | { readonly kind: "foreach"; readonly fn: FunctionRef }
  /** fn(records: Iterable) once a partition. */
  | { readonly kind: "foreachPartition"; readonly fn: FunctionRef }
  /** One part file a partition under `url`, then _SUCCESS; one record a line by String(record) as JavaScript prints pairs: key \t value. */
  | {
      readonly kind: "saveAsTextFile";
      readonly url: string;
      readonly compression: "none" | "gzip";
      /** latin1: a byte for each character. Default: UTF-8. */
      readonly encoding?: "latin1";
      /** Records are [output, record]: "" is the directory itself, the others are directories below it, committed together. */
      readonly outputs?: readonly string[];
    }
  /** One part file a partition under `url`, then _SUCCESS: object files (codec/object-segments.ts). */
  | { readonly kind: "saveAsObjectFile"; readonly url: string };

/** Where the action's part files go; null for an action that writes none. */
export function outputUrl(action: ActionSpec): string | null {
  return action.kind === "saveAsTextFile" || action.kind === "saveAsObjectFile" ? action.url : null;
}
