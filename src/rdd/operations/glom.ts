import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function glom(at: Operand): NodeHandle {
  return at.narrow({ op: "mapPartitions", fn: at.capture("fn", gathered) });
}

function gathered(records: Iterable<unknown>): unknown[] {
  return [Array.from(records)];
}
