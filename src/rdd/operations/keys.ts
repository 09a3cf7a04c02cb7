import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function keys(at: Operand): NodeHandle {
  return at.narrow({ op: "keys" });
}

export function values(at: Operand): NodeHandle {
  return at.narrow({ op: "values" });
}
