import { KeyCounts } from "../key-counts.js";
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
  let counts = new KeyCounts();
  return runAction(at, { kind: "countByKey" }, options, () => {
    counts = new KeyCounts();
    return (pairs) => {
      for (const [key, records] of pairs as [unknown, number][]) counts.add(key, records);
    };
  }).then(() => counts.toMap());
}
