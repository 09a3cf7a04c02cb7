import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function mapValues(at: Operand, fn: unknown): NodeHandle {
  return at.narrow({ op: "mapValues", fn: at.capture("fn", fn) }, true);
}

export function flatMapValues(at: Operand, fn: unknown): NodeHandle {
  return at.narrow({ op: "flatMapValues", fn: at.capture("fn", fn) }, true);
}
