// Resolves what the user left open in a lineage: how many partitions each node has, and by which partitioner its records
// are known to be placed. Pure and iterative: a lineage of 10,000 nodes does not touch the stack. Knows no stages (lower.ts).

import { MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { type FunctionRef, formatCallSite } from "./function.js";
import type { LineageNode, PartitionerSpec } from "./lineage.js";
import type { Split } from "./stages.js";

/** How a node's records are placed, if that is known. Ranges have bounds of their own, so only one node's are ever equal. */
export type KnownPartitioner =
  | { readonly kind: "hash"; readonly partitions: number }
  | { readonly kind: "custom"; readonly partitions: number; readonly fn: FunctionRef }
  | { readonly kind: "range"; readonly partitions: number; readonly ascending: boolean; readonly parent: NodeId };

export interface ResolvedNode {
  readonly partitions: number;
  readonly partitioner: KnownPartitioner | null;
}

/** A partitioner with its count; a range's bounds are still to be found. */
export type CountedPartitioner = PartitionerSpec & { readonly partitions: number };

export function parentsOf(node: LineageNode): readonly NodeId[] {
  switch (node.kind) {
    case "source":
      return [];
    case "union":
    case "cogroup":
    case "zip":
    case "cartesian":
      return node.parents;
    case "narrow":
    case "index":
    case "coalesce":
    case "combine":
    case "exchange":
      return [node.parent];
  }
}

/** Every node at or below `root`, parents before children, each once. INTERNAL for a parent that is not there. */
export function lineageOrder(nodes: ReadonlyMap<NodeId, LineageNode>, root: NodeId): LineageNode[] {
  return postOrder(root, (id) => parentsOf(nodeOf(nodes, id))).map((id) => nodeOf(nodes, id));
}

/** The sources below `root`, in order: their splits must be resolved before resolveLineage. */
export function sourcesOf(
  nodes: ReadonlyMap<NodeId, LineageNode>,
  root: NodeId,
): readonly (LineageNode & { readonly kind: "source" })[] {
  return lineageOrder(nodes, root).filter((node) => node.kind === "source");
}

/** Partition count and partitioner of `root` and everything below it. */
export function resolveLineage(
  nodes: ReadonlyMap<NodeId, LineageNode>,
  root: NodeId,
  resolvedSources: ReadonlyMap<NodeId, readonly Split[]>,
): ReadonlyMap<NodeId, ResolvedNode> {
  const resolved = new Map<NodeId, ResolvedNode>();
  const of = (id: NodeId) => resolved.get(id) as ResolvedNode;
  for (const node of lineageOrder(nodes, root)) {
    resolved.set(node.id, resolveNode(node, of, resolvedSources));
  }
  return resolved;
}

/** The partitioner of a combine, cogroup or exchange with its count: the largest parent's when it was left open. */
export function countPartitioner(
  spec: PartitionerSpec,
  parents: readonly NodeId[],
  of: (id: NodeId) => ResolvedNode,
): CountedPartitioner {
  const partitions = spec.partitions ?? Math.max(1, ...parents.map((id) => of(id).partitions));
  return { ...spec, partitions };
}

/** Whether records placed by `known` are already where `wanted` would put them. */
export function placedAlready(known: KnownPartitioner | null, wanted: CountedPartitioner): boolean {
  if (known === null || known.partitions !== wanted.partitions) return false;
  if (wanted.kind === "hash") return known.kind === "hash";
  if (wanted.kind === "custom") return known.kind === "custom" && known.fn.hash === wanted.fn.hash;
  return false;
}

/** Iterative depth-first walk: what `next` gives stands before what asked for it; each id once. */
export function postOrder<T>(root: T, next: (id: T) => readonly T[]): T[] {
  const seen = new Set<T>([root]);
  const order: T[] = [];
  const stack = [{ id: root, below: next(root), at: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.below[top.at++];
    if (child === undefined) {
      order.push(top.id);
      stack.pop();
    } else if (!seen.has(child)) {
      seen.add(child);
      stack.push({ id: child, below: next(child), at: 0 });
    }
  }
  return order;
}

export function nodeOf(nodes: ReadonlyMap<NodeId, LineageNode>, id: NodeId): LineageNode {
  const node = nodes.get(id);
  if (node === undefined) {
    throw new MillraceError("INTERNAL", `the lineage names node ${id}, which the master does not know`, {
      fields: { node: id },
    });
  }
  return node;
}

function resolveNode(
  node: LineageNode,
  of: (id: NodeId) => ResolvedNode,
  sources: ReadonlyMap<NodeId, readonly Split[]>,
): ResolvedNode {
  switch (node.kind) {
    case "source": {
      const splits = sources.get(node.id);
      if (splits === undefined)
        throw new MillraceError("INTERNAL", `the splits of source node ${node.id} were not resolved`);
      return { partitions: splits.length, partitioner: null };
    }
    case "narrow": {
      const parent = of(node.parent);
      return { partitions: parent.partitions, partitioner: node.preservesPartitioning ? parent.partitioner : null };
    }
    case "index":
      return { partitions: of(node.parent).partitions, partitioner: null };
    case "zip":
      return resolveZip(node, of);
    case "cartesian":
      return { partitions: of(node.parents[0]).partitions * of(node.parents[1]).partitions, partitioner: null };
    case "union":
      return { partitions: node.parents.reduce((sum, id) => sum + of(id).partitions, 0), partitioner: null };
    case "coalesce": {
      const parent = of(node.parent);
      const unchanged = node.partitions >= parent.partitions;
      return {
        partitions: Math.min(node.partitions, parent.partitions),
        partitioner: unchanged ? parent.partitioner : null,
      };
    }
    case "combine":
    case "exchange":
    case "cogroup": {
      const parents = parentsOf(node);
      const counted = countPartitioner(node.partitioner, parents, of);
      return { partitions: counted.partitions, partitioner: knownOf(counted, parents[0] as NodeId) };
    }
  }
}

function resolveZip(node: LineageNode & { readonly kind: "zip" }, of: (id: NodeId) => ResolvedNode): ResolvedNode {
  const [first, ...others] = node.parents.map(of) as [ResolvedNode, ...ResolvedNode[]];
  if (others.some(({ partitions }) => partitions !== first.partitions)) {
    const counts = node.parents.map((id) => of(id).partitions);
    throw new MillraceError(
      "PARTITIONS_DIFFER",
      `${formatCallSite(node.callSite)}: the RDDs must have the same number of partitions, but they have ${counts.join(" and ")}; repartition one of them`,
      { fields: { operator: formatCallSite(node.callSite), partitions: counts } },
    );
  }
  return { partitions: first.partitions, partitioner: node.preservesPartitioning ? first.partitioner : null };
}

function knownOf(counted: CountedPartitioner, parent: NodeId): KnownPartitioner | null {
  switch (counted.kind) {
    case "hash":
      return { kind: "hash", partitions: counted.partitions };
    case "custom":
      return { kind: "custom", partitions: counted.partitions, fn: counted.fn };
    case "range":
      return { kind: "range", partitions: counted.partitions, ascending: counted.ascending, parent };
    case "roundRobin":
      return null;
  }
}
