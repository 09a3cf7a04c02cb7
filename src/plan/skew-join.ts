// Which stages make a join whose partitions may be made in parts: each part reads some map outputs of one side and all of the
// other, so every pair of records is made by exactly one. Where nothing between the join and the stage's output sees a partition
// as a whole, nothing is kept under the partition's number (a cached partition, a part file), and the answers of several tasks
// may stand for the answer of one (not those of aggregate and fold, whose zero counts once a partition), the parts may be tasks.
// Elsewhere one task makes them one after the other: so the order of a join's records does not depend on what is done with them.

import { isWhole } from "./lineage.js";
import type { JoinInputs } from "./skew.js";
import type { FragmentNode, FragmentOutput } from "./stages.js";

/**
 * The inputs of the one join that the fragment begins with; null: there is none. `nodes`: parents before children. `perPartition`:
 * somebody takes the results of the stage by their partition's number.
 */
export function joinInputsOf(
  nodes: readonly FragmentNode[],
  output: FragmentOutput,
  perPartition = false,
): JoinInputs | null {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  let divisible = mayBeInParts(output) && !perPartition;
  for (let node = nodes.at(-1); node?.kind === "narrow"; ) {
    const op = node.operator?.op;
    if (node.storage !== "NONE" || isWhole(node.operator)) divisible = false;
    const input = node.inputs[0];
    const below = input?.kind === "narrow" ? byId.get(input.node) : undefined;
    if (op === "joinPairs") return below === undefined ? null : sidesOf(below, divisible);
    node = below;
  }
  return null;
}

function sidesOf({ kind, storage, inputs }: FragmentNode, divisible: boolean): JoinInputs | null {
  const [left, right, more] = inputs;
  if (kind !== "cogroup" || storage !== "NONE" || more !== undefined) return null;
  if (left?.kind !== "shuffle" || right?.kind !== "shuffle") return null;
  // A join with itself: a part of the shuffle would be a part of both sides.
  return left.shuffle === right.shuffle ? null : { left: left.shuffle, right: right.shuffle, divisible };
}

function mayBeInParts(output: FragmentOutput): boolean {
  switch (output.kind) {
    case "shuffle":
    case "sampleKeys":
      return true;
    case "rangeBounds":
      return false;
    case "action":
      break;
  }
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
    case "saveAsObjectFile":
      return false;
  }
}
