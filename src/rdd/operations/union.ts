import type { NodeHandle } from "../../session/lineage-store.js";
import type { Dataset, Operand } from "../operand.js";

export function union(at: Operand, others: readonly Dataset[]): NodeHandle {
  const parents = [at.node, ...others.map((other) => at.other("other", other))];
  return at.add({ kind: "union", parents: parents.map((parent) => parent.node.id) }, parents);
}
