// A value that tasks add to and the driver reads. Partial values come from the master once a task, whatever was retried, and
// only for tasks of result stages: an accumulator used in an action is exact.

import { MillraceError } from "../core/errors.js";
import type { HandleReference } from "../plan/handles.js";
import { toReference } from "./travelling.js";

/** How an accumulator starts, adds and puts two totals together: `session.accumulator`. */
export interface AccumulatorDefinition<V, A = V> {
  /** Where every task starts. Copied for each. */
  readonly zero: V;
  /** Adds one amount to a total and gives the new total; may change and return `total`. Runs in tasks; synchronous. */
  readonly add: (total: V, amount: A) => V;
  /** Puts two totals together. Runs in the driver; synchronous. */
  readonly merge: (left: V, right: V) => V;
}

/** For millrace's own accumulators of numbers, which anybody can add up. */
export const sumsNumbers: unique symbol = Symbol("sumsNumbers");

/**
 * Adds up values over all tasks of a job. What a task has added arrives when it ends, at most once, also when it was retried
 * or ran twice. In a transformation (not an action) a stage that is computed again adds again, as in Spark.
 *
 * ```ts
 * const bad = session.longAccumulator("bad lines");
 * await lines.foreach((line) => { if (!line.includes("\t")) bad.add(1); });
 * console.log(bad.value);
 * ```
 */
export class Accumulator<V, A = V> {
  /** Counted from 1 in a session. */
  readonly id: number;
  /** Shown in messages and the event log. */
  readonly name: string;
  readonly #definition: AccumulatorDefinition<V, A>;
  readonly #reference: HandleReference & { kind: "accumulator" };
  readonly #freshZero: () => V;
  #value: V;

  /** Made by a Session. @hidden */
  constructor(
    name: string,
    definition: AccumulatorDefinition<V, A>,
    reference: HandleReference & { kind: "accumulator" },
    freshZero: () => V,
  ) {
    this.id = reference.id;
    this.name = name;
    this.#definition = definition;
    this.#reference = reference;
    this.#freshZero = freshZero;
    this.#value = freshZero();
  }

  /** Adds one amount, in a task or in the driver. */
  add(amount: A): void {
    this.#value = this.#definition.add(this.#value, amount);
  }

  /** What all tasks that have ended, and the driver, have added. In a task reading it throws INVALID_ARGUMENT. */
  get value(): V {
    return this.#value;
  }

  /** Back to zero. Jobs that run meanwhile add to the new value. */
  reset(): void {
    this.#value = this.#freshZero();
  }

  /** Takes a task's partial value. Called by the session. @hidden */
  absorb(partial: V): void {
    try {
      this.#value = this.#definition.merge(this.#value, partial);
    } catch (error) {
      throw new MillraceError(
        "TASK_FAILED",
        `merge of the accumulator ${JSON.stringify(this.name)} threw: ${String(error)}`,
        { cause: error },
      );
    }
  }

  /** @hidden */
  [toReference](): HandleReference {
    return this.#reference;
  }
}
