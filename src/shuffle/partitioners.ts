// From a key to its partition. Hash partitions come from the high bits of the key's hash: the tables that combine records
// on the other side take the low bits, which would all be alike there if the partition had used them up.

import { compareKeys, hashKey } from "../codec/keys.js";
import { decodeStream } from "../codec/stream.js";
import { noClasses } from "../core/class-registry.js";
import { MillraceError } from "../core/errors.js";
import type { FunctionRef } from "../plan/function.js";
import type { Partitioner } from "../plan/stages.js";

export type PartitionFunction = (key: unknown) => number;

export interface PartitionerContext {
  /** The map partition that deals out its records: where roundRobin begins. */
  readonly mapPartition: number;
  /** Live user functions. */
  revive(fn: FunctionRef): (...args: never[]) => unknown;
  /** The decoded bounds of a range partitioner: at most partitions - 1 keys, ascending. */
  bounds(partitioner: Partitioner & { kind: "range" }): readonly unknown[];
}

export function createPartitionFunction(partitioner: Partitioner, context: PartitionerContext): PartitionFunction {
  switch (partitioner.kind) {
    case "hash":
      return hashPartitioner(partitioner.partitions);
    case "range":
      return rangePartitioner(context.bounds(partitioner), partitioner.ascending);
    case "bounds":
      return rangePartitioner(decodeStream(partitioner.bounds, noClasses), partitioner.ascending);
    case "custom":
      return customPartitioner(partitioner.partitions, context.revive(partitioner.fn), partitioner.fn.name);
    case "roundRobin":
      return roundRobinPartitioner(partitioner.partitions, context.mapPartition);
  }
}

/** The partition of an unsigned 32-bit hash, exact up to 2^21 partitions. */
export function partitionOfHash(hash: number, partitions: number): number {
  return Math.floor((hash / 4_294_967_296) * partitions);
}

export function hashPartitioner(partitions: number): PartitionFunction {
  if (partitions === 1) {
    // Keys are checked all the same: the program must not pass with one partition and fail with two.
    return (key) => {
      hashKey(key);
      return 0;
    };
  }
  return (key) => partitionOfHash(hashKey(key), partitions);
}

/**
 * Keys up to and including bounds[i] belong to partition i, larger ones to the last; counted from the end when descending.
 * Equal keys share a partition.
 */
export function rangePartitioner(bounds: readonly unknown[], ascending: boolean): PartitionFunction {
  const last = bounds.length;
  const search = allNumbers(bounds) ? numberSearch(Float64Array.from(bounds)) : keySearch(bounds);
  return ascending ? search : (key) => last - search(key);
}

/** Calls the user's function and holds its answer to what was promised. */
export function customPartitioner(
  partitions: number,
  fn: (...args: never[]) => unknown,
  name: string,
): PartitionFunction {
  const call = fn as (key: unknown, partitions: number) => unknown;
  return (key) => {
    const partition = call(key, partitions);
    if (typeof partition === "number" && partition >= 0 && partition < partitions && Number.isInteger(partition)) {
      // -0 is an integer in range, but no index.
      return partition + 0;
    }
    throw new MillraceError(
      "WRONG_SHAPE",
      `the partitioner ${name} answered ${describe(partition)}: an integer from 0 to ${partitions - 1} was expected`,
      { fields: { function: name, partitions } },
    );
  };
}

/** Deals records out in turn. Each map partition begins elsewhere, else short ones would all fill the first partitions. */
export function roundRobinPartitioner(partitions: number, mapPartition: number): PartitionFunction {
  let next = partitionOfHash(hashKey(mapPartition), partitions);
  return () => {
    const partition = next;
    next = partition + 1 === partitions ? 0 : partition + 1;
    return partition;
  };
}

function keySearch(bounds: readonly unknown[]): PartitionFunction {
  return (key) => {
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(key, bounds[middle]) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function numberSearch(bounds: Float64Array): PartitionFunction {
  const anyKey = keySearch(Array.from(bounds));
  return (key) => {
    if (typeof key !== "number" || Number.isNaN(key)) return anyKey(key);
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (key > bounds[middle]!) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function allNumbers(bounds: readonly unknown[]): bounds is readonly number[] {
  return bounds.length > 0 && bounds.every((bound) => typeof bound === "number" && !Number.isNaN(bound));
}

function describe(value: unknown): string {
  if (typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function") {
    return "a promise (partitioners must be synchronous)";
  }
  return typeof value === "number" || typeof value === "boolean" || value == null
    ? String(value)
    : `a value of type ${typeof value}`;
}
