import { KeyMap } from "../../codec/key-map.js";
import type { Operand } from "../operand.js";
import { type ActionOptions, runAction } from "./run-action.js";

export function count(at: Operand, options: ActionOptions | undefined): Promise<number> {
  let total = 0;
  return runAction(at, { kind: "count" }, options, () => {
    total = 0;
    return ([records]) => {
      total += records as number;
    };
  }).then(() => total);
}

export function countByKey(at: Operand, options: ActionOptions | undefined): Promise<Map<unknown, number>> {
  let counts = new KeyMap<number>();
  return runAction(at, { kind: "countByKey" }, options, () => {
    counts = new KeyMap<number>();
    return (pairs) => {
      for (const [key, records] of pairs as [unknown, number][]) counts.set(key, (counts.get(key) ?? 0) + records);
    };
  }).then(() => new Map(counts.entries()));
}
