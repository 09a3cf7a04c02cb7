import type { NodeHandle } from "../../session/lineage-store.js";
import type { Dataset, Operand } from "../operand.js";
import { type Partitioning, partitionerSpec } from "../partitioner.js";

export function cogroup<K>(
  at: Operand,
  others: readonly Dataset[],
  partitions: Partitioning<K> | undefined,
): NodeHandle {
  const parents = [at.node, ...others.map((other) => at.other("other", other))];
  const partitioner = partitionerSpec(at, partitions);
  return at.add({ kind: "cogroup", parents: parents.map((parent) => parent.node.id), partitioner }, parents);
}

export function join<K>(at: Operand, other: Dataset, partitions: Partitioning<K> | undefined): NodeHandle {
  return at.on(cogroup(at, [other], partitions)).narrow({ op: "joinPairs" }, true);
}
