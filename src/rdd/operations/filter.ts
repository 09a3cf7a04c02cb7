import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function filter(at: Operand, predicate: unknown): NodeHandle {
  return at.narrow({ op: "filter", fn: at.capture("predicate", predicate) }, true);
}
