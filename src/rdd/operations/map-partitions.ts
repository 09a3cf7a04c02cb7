import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

export function mapPartitions(at: Operand, fn: unknown, preservesPartitioning: boolean): NodeHandle {
  return at.narrow({ op: "mapPartitions", fn: at.capture("fn", fn) }, preservesPartitioning);
}

export function mapPartitionsWithIndex(at: Operand, fn: unknown, preservesPartitioning: boolean): NodeHandle {
  return at.narrow({ op: "mapPartitionsWithIndex", fn: at.capture("fn", fn) }, preservesPartitioning);
}
