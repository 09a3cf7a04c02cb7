// A lineage as Spark's toDebugString prints it: every RDD on a line, its parents below it, a stage's RDDs in one column; `+-(n)`
// where records are exchanged, with the partitions of the stage that begins there. Pure. An RDD that was printed before, with
// all that is below it, is printed once more and not what is below it: a loop of joins would double the text in every turn.

import type { NodeId } from "../core/ids.js";
import { formatCallSite } from "./function.js";
import type { LineageNode } from "./lineage.js";
import { countPartitioner, nodeOf, parentsOf, placedAlready, type ResolvedNode } from "./resolve.js";

export interface LineageTextParts {
  readonly nodes: ReadonlyMap<NodeId, LineageNode>;
  readonly resolved: ReadonlyMap<NodeId, ResolvedNode>;
  /** The name that the user gave; null: none. */
  readonly name: (id: NodeId) => string | null;
  /** The storage level in words; "" for one that is not kept. */
  readonly level: (id: NodeId) => string;
}

interface Line {
  readonly id: NodeId;
  /** Text before the RDD, and before what is below it. */
  readonly head: string;
  readonly prefix: string;
}

export function lineageText(root: NodeId, parts: LineageTextParts): string {
  const { nodes, resolved } = parts;
  const count = (id: NodeId) => `(${(resolved.get(id) as ResolvedNode).partitions})`;
  const printed = new Set<NodeId>();
  const lines: string[] = [];
  // Iterative: a lineage of 10,000 nodes does not touch the stack.
  const stack: Line[] = [{ id: root, head: `${count(root)} `, prefix: below("", count(root)) }];
  for (let line = stack.pop(); line !== undefined; line = stack.pop()) {
    const { id, head, prefix } = line;
    const node = nodeOf(nodes, id);
    const known = printed.has(id);
    const parents = parentsOf(node);
    lines.push(`${head}${describe(node, parts)}${known && parents.length > 0 ? " (see above)" : ""}`);
    if (known) continue;
    printed.add(id);
    const next = parents.map((parent, at): Line => {
      if (!isExchanged(node, parent, resolved)) return { id: parent, head: `${prefix}`, prefix };
      const outer = prefix.replace(/\|\s+$/, "");
      const last = at === parents.length - 1;
      const own = count(parent);
      return { id: parent, head: `${outer}+-${own} `, prefix: below(`${outer}${last ? "  " : "| "}`, own) };
    });
    stack.push(...next.reverse());
  }
  return lines.join("\n");
}

/** The column under a stage's partitions. */
function below(before: string, count: string): string {
  const offset = Math.floor((count.length - 1) / 2);
  return `${before}${" ".repeat(offset)}|${" ".repeat(count.length - offset)}`;
}

function isExchanged(node: LineageNode, parent: NodeId, resolved: ReadonlyMap<NodeId, ResolvedNode>): boolean {
  if (node.kind !== "combine" && node.kind !== "cogroup" && node.kind !== "exchange") return false;
  const of = (id: NodeId) => resolved.get(id) as ResolvedNode;
  return !placedAlready(of(parent).partitioner, countPartitioner(node.partitioner, parentsOf(node), of));
}

function describe(node: LineageNode, { name, level }: LineageTextParts): string {
  const given = name(node.id);
  return `${given === null ? "" : `${given} `}${kindName(node)}[${node.id}] at ${formatCallSite(node.callSite)} [${level(node.id)}]`;
}

/** Spark's names of the classes. */
function kindName(node: LineageNode): string {
  switch (node.kind) {
    case "source":
      switch (node.source.kind) {
        case "collection":
        case "range":
          return "ParallelCollectionRDD";
        case "localCheckpoint":
          return "LocalCheckpointRDD";
        case "object":
          return node.source.checkpoint === undefined ? "HadoopRDD" : "ReliableCheckpointRDD";
        case "text":
        case "wholeFiles":
        case "binaryRecords":
          return "HadoopRDD";
      }
      break;
    case "narrow":
      return "MapPartitionsRDD";
    case "union":
      return "UnionRDD";
    case "coalesce":
      return "CoalescedRDD";
    case "zip":
      return "ZippedPartitionsRDD";
    case "cartesian":
      return "CartesianRDD";
    case "index":
      return "ZippedWithIndexRDD";
    case "cogroup":
      return "CoGroupedRDD";
    case "combine":
    case "exchange":
      return "ShuffledRDD";
  }
}
