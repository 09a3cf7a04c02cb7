import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function keyBy(at: Operand, fn: unknown): NodeHandle {
  return at.narrow({ op: "keyBy", fn: at.capture("fn", fn) });
}
