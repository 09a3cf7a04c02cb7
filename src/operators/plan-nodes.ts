// How a fragment's node is read: whether it is fused into a chain, its operator with the live function, its inputs of the same
// stage. A node that the plan cannot mean is INTERNAL.

import { MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { isWhole } from "../plan/lineage.js";
import type { FragmentNode } from "../plan/stages.js";
import type { ChainOperator, UserFunction } from "./chain/chain-code.js";
import type { TaskContext } from "./task-context.js";

export function isFusable(node: FragmentNode): boolean {
  return node.kind === "narrow" && node.storage === "NONE" && !isWhole(node.operator);
}

export function liveOperator(node: FragmentNode, context: TaskContext): ChainOperator {
  const operator = node.operator;
  if (operator === undefined || isWhole(operator))
    throw badPlan(node, "a narrow node has no operator that can be fused");
  const fn = "fn" in operator ? operator.fn : null;
  return {
    op: operator.op,
    fn: fn === null ? null : (context.revive(fn) as UserFunction),
    hash: fn?.hash ?? "",
    async: fn?.async ?? false,
    site: node.callSite,
  };
}

export function narrowInput(node: FragmentNode, at: number): NodeId {
  const input = node.inputs[at];
  if (input?.kind !== "narrow") throw badPlan(node, `input ${at} is not in the same stage`);
  return input.node;
}

export function badPlan(node: FragmentNode, what: string): MillraceError {
  return new MillraceError("INTERNAL", `node ${node.id} (${node.kind}) cannot be run: ${what}`, {
    fields: { node: node.id, kind: node.kind },
  });
}
