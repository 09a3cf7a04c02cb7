// The record itself is made the key, and of each key the first record stays.

import { optionalPartitions } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { combine } from "./combine.js";

export function distinct(at: Operand, partitions: unknown): NodeHandle {
  const count = optionalPartitions(at.method, "partitions", partitions);
  const keyed = at.on(at.narrow({ op: "asKey" }));
  return at.on(combine(keyed, { kind: "hash", partitions: count }, { kind: "first" })).narrow({ op: "keys" });
}
