// The answer that a job must give, computed on the whole lineage at once: no stages, no tasks, no failures.

import type { NodeId } from "../../src/core/ids.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import {
  countPartitioner,
  lineageOrder,
  parentsOf,
  placedAlready,
  type ResolvedNode,
  resolveLineage,
} from "../../src/plan/resolve.js";
import type { Split } from "../../src/plan/stages.js";
import {
  applyOperator,
  boundsOf,
  cogroup,
  joinPairs,
  type Pair,
  place,
  sortPairs,
  sourceRecords,
  sumByKey,
} from "./records.js";

type Partitions = readonly (readonly Pair[])[];

/** What a cogroup of two groups: a join pairs it. */
interface Sides {
  readonly left: Partitions;
  readonly right: Partitions;
}

/** Every partition of `root`. */
export function modelOf(
  nodes: ReadonlyMap<NodeId, LineageNode>,
  root: NodeId,
  splits: ReadonlyMap<NodeId, readonly Split[]>,
): Partitions {
  const resolved = resolveLineage(nodes, root, splits);
  const done = new Map<NodeId, Partitions>();
  const sides = new Map<NodeId, Sides>();
  for (const node of lineageOrder(nodes, root)) done.set(node.id, evaluate(node, done, sides, resolved, splits));
  return done.get(root) as Partitions;
}

function evaluate(
  node: LineageNode,
  done: ReadonlyMap<NodeId, Partitions>,
  sides: Map<NodeId, Sides>,
  resolved: ReadonlyMap<NodeId, ResolvedNode>,
  splits: ReadonlyMap<NodeId, readonly Split[]>,
): Partitions {
  const inputs = parentsOf(node).map((id) => done.get(id) as Partitions);
  const first = inputs[0] ?? [];
  switch (node.kind) {
    case "source":
      return (splits.get(node.id) ?? []).map((split) =>
        split.kind === "range" ? sourceRecords(split.start, split.count) : [],
      );
    case "narrow":
      if (node.operator.op === "joinPairs") {
        const { left, right } = sides.get(node.parent) as Sides;
        return left.map((records, i) => joinPairs(records, right[i] ?? []));
      }
      return first.map((records) => applyOperator(node.operator, records));
    case "zip":
    case "cartesian":
    case "index":
      throw new Error(`simulated programs have no ${node.kind}`);
    case "union":
      return inputs.flat();
    case "coalesce": {
      const to = Math.min(node.partitions, first.length);
      return Array.from({ length: to }, (_, i) =>
        first.slice(Math.floor((i * first.length) / to), Math.floor(((i + 1) * first.length) / to)).flat(),
      );
    }
    case "combine":
    case "cogroup":
    case "exchange": {
      const of = (id: NodeId) => resolved.get(id) as ResolvedNode;
      const partitioner = countPartitioner(node.partitioner, parentsOf(node), of);
      const moved = parentsOf(node).map((id, i) => {
        const records = inputs[i] as Partitions;
        if (placedAlready(of(id).partitioner, partitioner)) return records;
        const combining = node.kind === "combine" && node.mapSideCombine;
        const maps = combining ? records.map(sumByKey) : records;
        const bounds =
          partitioner.kind === "range"
            ? boundsOf(
                records.flat().map(([k]) => k),
                partitioner.partitions,
              )
            : [];
        return exchange(maps, partitioner.kind, partitioner.partitions, bounds);
      });
      const parts = moved[0] as Partitions;
      if (node.kind === "combine") return parts.map(sumByKey);
      if (node.kind === "cogroup" && moved.length === 2)
        sides.set(node.id, { left: parts, right: moved[1] as Partitions });
      if (node.kind === "cogroup") return parts.map((_, i) => cogroup(moved.map((one) => one[i] ?? [])));
      const { sort } = node;
      return sort === null ? parts : parts.map((records) => sortPairs(records, sort));
    }
  }
}

function exchange(
  maps: Partitions,
  kind: "hash" | "range" | "roundRobin" | "custom",
  partitions: number,
  bounds: readonly number[],
): Partitions {
  const out: Pair[][] = Array.from({ length: partitions }, () => []);
  maps.forEach((records, map) => {
    records.forEach((record, i) => {
      (out[place(kind, partitions, bounds, record[0], map + i)] as Pair[]).push(record);
    });
  });
  return out;
}
