// Every task keeps the n best of its partition; the driver keeps the n best of those. Of equal ones the earlier stays.

import { compareKeys } from "../../codec/keys.js";
import { requireCount } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { type ActionOptions, runAction } from "./run-action.js";

export function top(
  at: Operand,
  n: unknown,
  by: unknown,
  order: "greatest" | "least",
  options: ActionOptions | undefined,
): Promise<unknown[]> {
  const count = requireCount(at.method, "n", n);
  const fn = by === undefined ? null : at.captureSync("by", by);
  if (count === 0) return Promise.resolve([]);
  const keyOf = by === undefined ? (record: unknown) => record : (by as (record: unknown) => unknown);
  const sign = order === "greatest" ? -1 : 1;
  let best: { readonly key: unknown; readonly record: unknown }[] = [];
  return runAction(at, { kind: "top", n: count, fn, order }, options, () => {
    best = [];
    return (records) => {
      for (const record of records) best.push({ key: keyOf(record), record });
      // Stable: what came first stays ahead of its equals.
      best = best.sort((a, b) => sign * compareKeys(a.key, b.key)).slice(0, count);
    };
  }).then(() => best.map(({ record }) => record));
}
