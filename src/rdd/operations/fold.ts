// Actions that fold: every task folds its partition, the driver folds the partial results in partition order with the
// user's own function, so that float sums do not depend on which task ended first.

import type { Operand } from "../operand.js";
import { emptyCollection } from "./collect.js";
import { type ActionOptions, runAction } from "./run-action.js";

type Fold = (left: unknown, right: unknown) => unknown;

export function reduce(at: Operand, fn: unknown, options: ActionOptions | undefined): Promise<unknown> {
  const action = { kind: "reduce", fn: at.captureSync("fn", fn) } as const;
  let result: { readonly value: unknown } | null = null;
  const begin = () => {
    result = null;
    return (partials: unknown[]) => {
      for (const partial of partials)
        result = { value: result === null ? partial : (fn as Fold)(result.value, partial) };
    };
  };
  return runAction(at, action, options, begin).then(() => {
    if (result === null) throw emptyCollection(at);
    return result.value;
  });
}

export function aggregate(
  at: Operand,
  zero: unknown,
  seq: unknown,
  comb: unknown,
  options: ActionOptions | undefined,
): Promise<unknown> {
  const fn = at.captureSync("seq", seq);
  at.captureSync("comb", comb);
  const { bytes, classes } = at.session.values.value(zero, at.method);
  let total: unknown;
  const begin = () => {
    // A copy, because the user's function may change what it is given.
    total = at.session.values.decode(bytes);
    return ([partial]: unknown[]) => {
      total = (comb as Fold)(total, partial);
    };
  };
  return runAction(at, { kind: "aggregate", zero: bytes, classes, seq: fn }, options, begin).then(() => total);
}
