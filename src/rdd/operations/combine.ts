// The combineByKey family: what is the same for all of them, and each one's aggregator.

import type { Aggregator, PartitionerSpec } from "../../plan/lineage.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { type Partitioning, partitionerSpec } from "../partitioner.js";

export function combine(
  at: Operand,
  partitioner: PartitionerSpec,
  aggregator: Aggregator,
  mapSideCombine = true,
): NodeHandle {
  return at.add({ kind: "combine", parent: at.node.node.id, partitioner, aggregator, mapSideCombine }, [at.node]);
}

export function combineByKey<K>(
  at: Operand,
  create: unknown,
  mergeValue: unknown,
  mergeCombiners: unknown,
  partitions: Partitioning<K> | undefined,
  mapSideCombine: boolean,
): NodeHandle {
  const aggregator: Aggregator = {
    kind: "functions",
    create: at.captureSync("create", create),
    mergeValue: at.captureSync("mergeValue", mergeValue),
    mergeCombiners: at.captureSync("mergeCombiners", mergeCombiners),
  };
  return combine(at, partitionerSpec(at, partitions), aggregator, mapSideCombine);
}

export function reduceByKey<K>(at: Operand, fn: unknown, partitions: Partitioning<K> | undefined): NodeHandle {
  const merge = at.captureSync("fn", fn);
  return combine(at, partitionerSpec(at, partitions), { kind: "reduce", merge });
}

export function aggregateByKey<K>(
  at: Operand,
  zero: unknown,
  seq: unknown,
  comb: unknown,
  partitions: Partitioning<K> | undefined,
): NodeHandle {
  const functions = { seq: at.captureSync("seq", seq), comb: at.captureSync("comb", comb) };
  const { bytes, classes } = at.session.values.value(zero, at.method);
  return combine(at, partitionerSpec(at, partitions), { kind: "aggregate", zero: bytes, classes, ...functions });
}

export function groupByKey<K>(at: Operand, partitions: Partitioning<K> | undefined): NodeHandle {
  return combine(at, partitionerSpec(at, partitions), { kind: "group" }, false);
}
