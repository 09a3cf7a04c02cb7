import { optionalPartitions } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { sortByKey } from "./exchange.js";

export function sortBy(at: Operand, fn: unknown, ascending: boolean, partitions: unknown): NodeHandle {
  optionalPartitions(at.method, "partitions", partitions);
  const keyed = at.on(at.narrow({ op: "keyBy", fn: at.captureSync("fn", fn) }));
  return at.on(sortByKey(keyed, ascending, partitions)).narrow({ op: "values" });
}
