// Named accumulators of tasks, added up by name: the master does so for each stage, from what tasks report, without the
// program's functions. Those that only a function of the program can add up are known by name here, and by value in the driver.

import { type AccumulatorKind, addNumbers, type NamedValue, showNumbers } from "../core/user-metrics.js";
import type { AccumulatorUpdate } from "./tasks.js";

interface Sum {
  readonly name: string;
  readonly kind: AccumulatorKind;
  numbers: readonly number[];
  updates: number;
}

export class NamedSums {
  readonly #sums = new Map<number, Sum>();

  add(updates: readonly AccumulatorUpdate[]): void {
    for (const { accumulator, name, kind = "custom", numbers = [] } of updates) {
      if (name === undefined) continue;
      const sum = this.#sums.get(accumulator);
      if (sum === undefined) this.#sums.set(accumulator, { name, kind, numbers, updates: 1 });
      else {
        sum.updates++;
        if (kind !== "custom") sum.numbers = addNumbers(kind, sum.numbers, numbers);
      }
    }
  }

  merge(others: NamedSums): void {
    for (const [accumulator, { name, kind, numbers, updates }] of others.#sums) {
      const sum = this.#sums.get(accumulator);
      if (sum === undefined) this.#sums.set(accumulator, { name, kind, numbers, updates });
      else {
        sum.updates += updates;
        if (kind !== "custom") sum.numbers = addNumbers(kind, sum.numbers, numbers);
      }
    }
  }

  /** By name. */
  shown(): NamedValue[] {
    return [...this.#sums]
      .map(([id, { name, kind, numbers, updates }]) => ({ id, name, kind, value: shownOf(kind, numbers, updates) }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
  }
}

/** One task's update. */
export function showUpdate({ kind = "custom", numbers = [] }: AccumulatorUpdate): NamedValue["value"] {
  return shownOf(kind, numbers, 1);
}

function shownOf(kind: AccumulatorKind, numbers: readonly number[], updates: number): NamedValue["value"] {
  return kind === "custom" ? `${updates} update${updates === 1 ? "" : "s"}` : showNumbers(kind, numbers);
}
