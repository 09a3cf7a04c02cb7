// Which stages may read one side of a join in parts: several tasks then make what one task would have made, one after the other.
// Each of them reads some map outputs of one side and all of the other, so every pair of records is made by exactly one.
//
// That is right only where nothing between the join and the stage's output sees a partition as a whole, where nothing is kept
// under the partition's number (a cached partition, a part file), and where the answers of the tasks may stand for the answer
// of one: not for aggregate and fold, whose zero counts once a partition.

import type { JoinInputs } from "./skew.js";
import type { FragmentNode, FragmentOutput } from "./stages.js";

/** The inputs of the stage's join when either may be read in parts; else null. `nodes`: parents before children. */
export function joinInputsOf(nodes: readonly FragmentNode[], output: FragmentOutput): JoinInputs | null {
  if (!mayBeInParts(output)) return null;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (let node = nodes.at(-1); node !== undefined; ) {
    const op = node.operator?.op;
    if (node.kind !== "narrow" || node.storage !== "NONE") return null;
    if (op === "mapPartitions" || op === "mapPartitionsWithIndex") return null;
    const input = node.inputs[0];
    const below = input?.kind === "narrow" ? byId.get(input.node) : undefined;
    if (op === "joinPairs") return below === undefined ? null : sidesOf(below);
    node = below;
  }
  return null;
}

function sidesOf({ kind, storage, inputs }: FragmentNode): JoinInputs | null {
  const [left, right, more] = inputs;
  if (kind !== "cogroup" || storage !== "NONE" || more !== undefined) return null;
  if (left?.kind !== "shuffle" || right?.kind !== "shuffle") return null;
  // A join with itself: a part of the shuffle would be a part of both sides.
  return left.shuffle === right.shuffle ? null : { left: left.shuffle, right: right.shuffle };
}

function mayBeInParts(output: FragmentOutput): boolean {
  switch (output.kind) {
    case "shuffle":
    case "sampleKeys":
      return true;
    case "rangeBounds":
      return false;
    case "action":
      switch (output.action.kind) {
        case "collect":
          return output.action.limit === null;
        case "count":
        case "reduce":
        case "top":
        case "countByKey":
        case "foreach":
          return true;
        case "aggregate":
        case "foreachPartition":
        case "saveAsTextFile":
          return false;
      }
  }
}
