import type { Operand } from "../operand.js";
import { type ActionOptions, runAction } from "./run-action.js";

export function foreach(at: Operand, fn: unknown, options: ActionOptions | undefined): Promise<void> {
  return runAction(at, { kind: "foreach", fn: at.capture("fn", fn) }, options, () => () => undefined);
}

export function foreachPartition(at: Operand, fn: unknown, options: ActionOptions | undefined): Promise<void> {
  return runAction(at, { kind: "foreachPartition", fn: at.capture("fn", fn) }, options, () => () => undefined);
}
