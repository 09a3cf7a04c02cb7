// What a workload is: the same work by millrace and by a plain loop in one thread, on the same input, with a value that every
// engine's answer is compared by. `run` and `plain` are timed; the `check` they give back is not.

import type { Session } from "millrace";
import type { InputKind } from "../data.js";

/** Compared field by field: strings exactly, numbers to 1e-9 relative. Fields that end in Ms, MB or Ratio are shown, not compared. */
export type Value = Readonly<Record<string, string | number>>;

export type Check = () => Value | Promise<Value>;

export interface RunContext {
  /** 1 = full. */
  readonly size: number;
  /** Path of the input file; "" for workloads without. */
  readonly input: string;
  /** The same of the second one. */
  readonly second: string;
  /** A directory that does not exist yet, for what is written. */
  readonly out: string;
}

export interface Workload {
  readonly title: string;
  readonly input: InputKind | null;
  /** A second file, for workloads of two inputs. */
  readonly second?: InputKind;
  run(session: Session, context: RunContext): Promise<Check>;
  /** null: the work makes no sense without an engine (starting tasks). */
  plain: ((context: RunContext) => Check) | null;
}

/** `full` scaled by the size, at least 2. */
export function scaled(full: number, size: number): number {
  return Math.max(2, Math.round(full * size));
}
