// How a public method is told where records go: a count, or a count with a function of the user's.

import type { PartitionerSpec } from "../plan/lineage.js";
import { invalidArgument, optionalPartitions, requirePartitions } from "../session/arguments.js";
import type { Operand } from "./operand.js";

/** Places a key: `by(key, partitions)` gives an integer from 0 to partitions - 1. Synchronous, and the same on every call. */
export interface CustomPartitioner<K> {
  /** How many there are, from 1 to 1,000,000. */
  readonly partitions: number;
  /** The partition of a key, an integer from 0 to partitions - 1. WRONG_SHAPE for anything else. */
  readonly by: (key: K, partitions: number) => number;
}

/** A number means that many partitions by hash of the key; left out, as many as the largest parent has. */
export type Partitioning<K> = number | CustomPartitioner<K>;

export function partitionerSpec<K>(at: Operand, partitioning: Partitioning<K> | undefined): PartitionerSpec {
  if (typeof partitioning !== "object" || partitioning === null) {
    return { kind: "hash", partitions: optionalPartitions(at.method, "partitions", partitioning) };
  }
  if (!("by" in partitioning))
    throw invalidArgument(at.method, "partitions", "a number or { partitions, by }", partitioning);
  return {
    kind: "custom",
    partitions: requirePartitions(at.method, "partitions", partitioning.partitions),
    fn: at.captureSync("by", partitioning.by),
  };
}
