// How a public method is told where records go: a count, a count with a function of the user's, or a partitioner: by hash, by
// ranges, or as the records of some RDD lie already.

import { noClasses } from "../codec/class-registry.js";
import { compareKeys } from "../codec/keys.js";
import { RecordStreamWriter } from "../codec/stream.js";
import type { PartitionerSpec } from "../plan/lineage.js";
import { invalidArgument, optionalPartitions, requirePartitions } from "../session/arguments.js";
import type { DriverSession } from "../session/driver-session.js";
import type { NodeHandle } from "../session/lineage-store.js";
import { placementOf } from "../session/placement.js";
import { driverOnly } from "../session/travelling.js";
import { type Dataset, datasetNode, datasetSession, type Operand } from "./operand.js";

/** Places a key: `by(key, partitions)` gives an integer from 0 to partitions - 1. Synchronous, and the same on every call. */
export interface CustomPartitioner<K> {
  /** How many there are, from 1 to 1,000,000. */
  readonly partitions: number;
  /** The partition of a key, an integer from 0 to partitions - 1. WRONG_SHAPE for anything else. */
  readonly by: (key: K, partitions: number) => number;
}

/** A number means that many partitions by hash of the key; left out, as many as the largest parent has. */
export type Partitioning<K> = number | CustomPartitioner<K> | KeyPartitioner;

/** Global, as `datasetNode` is: a partitioner of another copy of the package is one, too. */
const planned: unique symbol = Symbol.for("millrace.partitioner");

interface Planned {
  readonly spec: PartitionerSpec;
  /** The RDD that it refers to, and its session. */
  readonly of: { readonly handle: NodeHandle; readonly session: DriverSession } | null;
}

/** What says where keys go. Made by hashPartitioner and rangePartitioner, or asked of an RDD (`rdd.partitioner`). */
export class KeyPartitioner {
  /** @hidden */
  readonly [driverOnly] = "KeyPartitioner";
  /** By hash of the key, by ranges of keys, or by a function of the program. */
  readonly kind: "hash" | "range" | "custom";
  /** null: settled by the master, by the files that are read (see `numPartitions`). */
  readonly partitions: number | null;
  /** @hidden */
  readonly [planned]: Planned;

  /** Not for users. @hidden */
  constructor(kind: KeyPartitioner["kind"], partitions: number | null, plan: Planned) {
    this.kind = kind;
    this.partitions = partitions;
    this[planned] = plan;
  }

  /** `hash partitioner of 8`. */
  toString(): string {
    return `${this.kind} partitioner of ${this.partitions ?? "as many partitions as its RDD has"}`;
  }
}

/** Keys by their hash over `partitions` partitions: what a bare number means too. E.g. `counts.partitionBy(hashPartitioner(8))`. */
export function hashPartitioner(partitions: number): KeyPartitioner {
  const count = requirePartitions("hashPartitioner", "partitions", partitions);
  return new KeyPartitioner("hash", count, { spec: { kind: "hash", partitions: count }, of: null });
}

/**
 * Keys by ranges. Given bounds that rise: keys up to and including bounds[0] go to partition 0, those up to bounds[1] to 1, and
 * so on, larger ones to the last, which is one more than there are bounds. Given a count and an RDD of pairs: ranges of about
 * equal size, by a sample of that RDD's keys, which the action's own job draws; two RDDs that are partitioned by the same
 * partitioner need no shuffle to be joined.
 *
 * ```ts
 * const byAge = ages.keyBy((age) => age).partitionBy(rangePartitioner([17, 64]));   // up to 17, up to 64, older
 * const ranges = rangePartitioner(8, sales);
 * const joined = sales.partitionBy(ranges).join(names, ranges);
 * ```
 *
 * @param ascending false counts the partitions from the greatest keys on. Default true
 */
export function rangePartitioner(bounds: readonly unknown[], ascending?: boolean): KeyPartitioner;
export function rangePartitioner(partitions: number, rdd: Dataset, ascending?: boolean): KeyPartitioner;
export function rangePartitioner(
  partitionsOrBounds: number | readonly unknown[],
  rddOrAscending?: Dataset | boolean,
  ascending = true,
): KeyPartitioner {
  const method = "rangePartitioner";
  if (Array.isArray(partitionsOrBounds)) return boundsPartitioner(method, partitionsOrBounds, rddOrAscending ?? true);
  const partitions = requirePartitions(method, "partitions", partitionsOrBounds);
  const rdd = rddOrAscending as Dataset;
  if (typeof rdd !== "object" || rdd === null || !(datasetNode in rdd))
    throw invalidArgument(method, "rdd", "an RDD of pairs, whose keys are sampled", rdd);
  const handle = rdd[datasetNode];
  const spec: PartitionerSpec = { kind: "range", partitions, ascending, of: handle.node.id };
  return new KeyPartitioner("range", partitions, { spec, of: { handle, session: rdd[datasetSession] } });
}

function boundsPartitioner(method: string, bounds: readonly unknown[], ascending: unknown): KeyPartitioner {
  if (typeof ascending !== "boolean") throw invalidArgument(method, "ascending", "true or false", ascending);
  for (let i = 1; i < bounds.length; i++)
    if (compareKeys(bounds[i - 1], bounds[i]) >= 0)
      throw invalidArgument(method, `bounds[${i}]`, "greater than the bound before it", bounds[i]);
  const partitions = requirePartitions(method, "bounds", bounds.length + 1);
  const writer = new RecordStreamWriter(noClasses);
  writer.addBatch(bounds);
  const spec: PartitionerSpec = { kind: "bounds", partitions, ascending, bounds: writer.finish() };
  return new KeyPartitioner("range", partitions, { spec, of: null });
}

export function partitionerSpec<K>(at: Operand, partitioning: Partitioning<K> | undefined): PartitionerSpec {
  if (typeof partitioning === "object" && partitioning !== null && planned in partitioning)
    return specFor(at, partitioning[planned]);
  if (typeof partitioning !== "object" || partitioning === null) {
    return { kind: "hash", partitions: optionalPartitions(at.method, "partitions", partitioning) };
  }
  if (!("by" in partitioning))
    throw invalidArgument(at.method, "partitions", "a number, { partitions, by } or a partitioner", partitioning);
  return {
    kind: "custom",
    partitions: requirePartitions(at.method, "partitions", partitioning.partitions),
    fn: at.captureSync("by", partitioning.by),
  };
}

/** The operation keeps the RDD alive that the partitioner refers to. */
function specFor(at: Operand, { spec, of }: Planned): PartitionerSpec {
  if (of === null) return spec;
  if (of.session !== at.session)
    throw invalidArgument(at.method, "partitions", "a partitioner of an RDD of the same session", "one of another");
  at.needs(of.handle);
  return spec;
}

/** What is known in the driver of where a node's records lie; the plan itself asks resolve.ts. */
export function partitionerOf(handle: NodeHandle, session: DriverSession): KeyPartitioner | null {
  const known = placementOf(handle);
  if (known === null) return null;
  const spec: PartitionerSpec = { kind: "as", node: handle.node.id, partitions: null };
  return new KeyPartitioner(known.kind, known.partitions, { spec, of: { handle, session } });
}
