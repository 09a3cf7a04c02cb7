import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function flatMap(at: Operand, fn: unknown): NodeHandle {
  return at.narrow({ op: "flatMap", fn: at.capture("fn", fn) });
}
