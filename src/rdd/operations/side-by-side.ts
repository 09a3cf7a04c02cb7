// Operations that put partitions side by side, or every record beside every other.

import { invalidArgument } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Dataset, Operand } from "../operand.js";

export function zip(at: Operand, other: Dataset): NodeHandle {
  return zipped(at, [other], null, false);
}

export function zipPartitions(
  at: Operand,
  others: readonly Dataset[],
  fn: unknown,
  preservesPartitioning: boolean,
): NodeHandle {
  if (others.length === 0) throw invalidArgument(at.method, "others", "at least one RDD", others);
  return zipped(at, others, fn, preservesPartitioning);
}

export function cartesian(at: Operand, other: Dataset): NodeHandle {
  const second = at.other("other", other);
  return at.add({ kind: "cartesian", parents: [at.node.node.id, second.node.id] }, [at.node, second]);
}

export function zipWithIndex(at: Operand, unique: boolean): NodeHandle {
  return at.add({ kind: "index", parent: at.node.node.id, unique }, [at.node]);
}

function zipped(at: Operand, others: readonly Dataset[], fn: unknown, preservesPartitioning: boolean): NodeHandle {
  const parents = [at.node, ...others.map((other) => at.other("other", other))];
  return at.add(
    {
      kind: "zip",
      parents: parents.map((parent) => parent.node.id),
      fn: fn === null ? null : at.capture("fn", fn),
      preservesPartitioning,
    },
    parents,
  );
}
