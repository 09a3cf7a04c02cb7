import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function map(at: Operand, fn: unknown): NodeHandle {
  return at.narrow({ op: "map", fn: at.capture("fn", fn) });
}
