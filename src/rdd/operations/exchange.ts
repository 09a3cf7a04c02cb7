// Operations that move records without combining them.

import { optionalPartitions, requirePartitions } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { type Partitioning, partitionerSpec } from "../partitioner.js";

export function partitionBy<K>(at: Operand, partitions: Partitioning<K>): NodeHandle {
  if (typeof partitions !== "object") requirePartitions(at.method, "partitions", partitions);
  const partitioner = partitionerSpec(at, partitions);
  return at.add({ kind: "exchange", parent: at.node.node.id, partitioner, sort: null, pairs: true }, [at.node]);
}

export function repartitionAndSortWithinPartitions<K>(
  at: Operand,
  partitions: Partitioning<K>,
  ascending: boolean,
): NodeHandle {
  if (typeof partitions !== "object") requirePartitions(at.method, "partitions", partitions);
  const partitioner = partitionerSpec(at, partitions);
  const sort = ascending ? "ascending" : "descending";
  return at.add({ kind: "exchange", parent: at.node.node.id, partitioner, sort, pairs: true }, [at.node]);
}

export function repartition(at: Operand, partitions: unknown): NodeHandle {
  const count = requirePartitions(at.method, "partitions", partitions);
  return at.add(
    {
      kind: "exchange",
      parent: at.node.node.id,
      partitioner: { kind: "roundRobin", partitions: count },
      sort: null,
      pairs: false,
    },
    [at.node],
  );
}

export function coalesce(at: Operand, partitions: unknown): NodeHandle {
  const count = requirePartitions(at.method, "partitions", partitions);
  return at.add({ kind: "coalesce", parent: at.node.node.id, partitions: count }, [at.node]);
}

export function sortByKey(at: Operand, ascending: boolean, partitions: unknown): NodeHandle {
  const count = optionalPartitions(at.method, "partitions", partitions);
  return at.add(
    {
      kind: "exchange",
      parent: at.node.node.id,
      partitioner: { kind: "range", partitions: count, ascending },
      sort: ascending ? "ascending" : "descending",
      pairs: true,
    },
    [at.node],
  );
}
