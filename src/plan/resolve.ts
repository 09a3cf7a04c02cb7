// Resolves what the user left open in a lineage: how many partitions each node has, and by which partitioner its records
// are known to be placed. Pure and iterative: a lineage of 10,000 nodes does not touch the stack. Knows no stages (lower.ts).

import { MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { formatCallSite } from "./function.js";
import type { KnownPartitioner, LineageNode, PartitionerSpec, Source } from "./lineage.js";
import type { Split } from "./stages.js";

export interface ResolvedNode {
  readonly partitions: number;
  readonly partitioner: KnownPartitioner | null;
  /** Without a partitioner: the records lay by ranges before the lineage was cut. */
  readonly ranges?: { readonly ascending: boolean };
}

/** A partitioner with its count; a range's bounds are still to be found. */
export type CountedPartitioner = Exclude<PartitionerSpec, { readonly kind: "as" }> & { readonly partitions: number };

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

/** Nodes of which a node needs to know where their records lie, without reading them. */
function placersOf(node: LineageNode): readonly NodeId[] {
  if (node.kind !== "combine" && node.kind !== "cogroup" && node.kind !== "exchange") return [];
  const { partitioner } = node;
  if (partitioner.kind === "as") return [partitioner.node];
  return partitioner.kind === "range" && partitioner.of !== undefined ? [partitioner.of] : [];
}

/**
 * Every node at or below `root`, those that its partitioners refer to among them, parents before children, each once. INTERNAL
 * for a parent that is not there.
 */
export function lineageOrder(nodes: ReadonlyMap<NodeId, LineageNode>, root: NodeId): LineageNode[] {
  const below = (node: LineageNode) => [...parentsOf(node), ...placersOf(node)];
  return postOrder(root, (id) => below(nodeOf(nodes, id))).map((id) => nodeOf(nodes, id));
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

/**
 * The partitioner of a combine, cogroup or exchange with its count. Left open it is the largest parent's; where a single
 * parent's records lie by their keys already, its partitioner itself (Spark's defaultPartitioner), so that none has to move.
 */
export function countPartitioner(
  spec: PartitionerSpec,
  parents: readonly NodeId[],
  of: (id: NodeId) => ResolvedNode,
): CountedPartitioner {
  if (spec.kind === "as") {
    const { partitioner, partitions, ranges } = of(spec.node);
    if (partitioner !== null) return specOf(partitioner);
    // By ranges again, of its own keys: all who refer to it agree on these.
    if (ranges !== undefined) return { kind: "range", partitions, ascending: ranges.ascending, of: spec.node };
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `the records of RDD ${spec.node} are placed by no partitioner any more`,
      {
        fields: { node: spec.node },
      },
    );
  }
  const [only, more] = parents;
  if (spec.kind === "hash" && spec.partitions === null && only !== undefined && more === undefined) {
    const { partitioner } = of(only);
    if (partitioner !== null) return specOf(partitioner);
  }
  const partitions = spec.partitions ?? Math.max(1, ...parents.map((id) => of(id).partitions));
  return { ...spec, partitions };
}

/** Whether records placed by `known` are already where `wanted` would put them. */
export function placedAlready(known: KnownPartitioner | null, wanted: CountedPartitioner): boolean {
  if (known === null || known.partitions !== wanted.partitions || wanted.kind === "roundRobin") return false;
  if (known.partitions === 1) return true;
  switch (wanted.kind) {
    case "hash":
      return known.kind === "hash";
    case "custom":
      return known.kind === "custom" && known.fn.hash === wanted.fn.hash;
    case "range":
      return known.kind === "range" && known.ascending === wanted.ascending && known.parent === wanted.of;
    case "bounds":
      return (
        known.kind === "bounds" &&
        known.ascending === wanted.ascending &&
        Buffer.compare(known.bounds, wanted.bounds) === 0
      );
  }
}

/** A partitioner that places as records are known to be placed. */
function specOf(known: KnownPartitioner): CountedPartitioner {
  if (known.kind !== "range") return known;
  const { kind, partitions, ascending, parent } = known;
  return { kind, partitions, ascending, of: parent };
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
      return resolveSource(node.source, splits.length);
    }
    case "narrow": {
      const parent = of(node.parent);
      return node.preservesPartitioning ? parent : { partitions: parent.partitions, partitioner: null };
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

/** A checkpoint of which files were removed has lost records: that must not pass for fewer partitions. */
function resolveSource(source: Source, found: number): ResolvedNode {
  const cut = "checkpoint" in source ? source.checkpoint : undefined;
  if (cut === undefined) return { partitions: found, partitioner: null };
  if (cut.partitions !== found) {
    const where = source.kind === "object" ? ` ${source.paths.join(", ")}` : "";
    throw new MillraceError(
      "CHECKPOINT_LOST",
      `the checkpoint${where} has ${found} files where ${cut.partitions} were written: what is gone cannot be computed again, because the lineage was cut`,
      { fields: { found, expected: cut.partitions } },
    );
  }
  return cut;
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
      return {
        kind: "range",
        partitions: counted.partitions,
        ascending: counted.ascending,
        parent: counted.of ?? parent,
      };
    case "bounds": {
      const { partitions, ascending, bounds } = counted;
      return { kind: "bounds", partitions, ascending, bounds };
    }
    case "roundRobin":
      return null;
  }
}
