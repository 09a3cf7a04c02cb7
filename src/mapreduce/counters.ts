// Counters of a map/reduce job, by group and name, as they are added up: in a task first, in the driver when it has ended well.

import type { Accumulator } from "../session/accumulator.js";

/** By group, then by name. */
export type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Counted {
  readonly group: string;
  readonly name: string;
  readonly amount: number;
}

export type CounterTotals = Accumulator<Counters, Counted>;

/** The built-in counters' group, as Hadoop's users know them. */
export const TASK_COUNTERS = "Map-Reduce Framework";

/** What an accumulator of counters is made of. */
export const countersDefinition = {
  zero: {} as Counters,
  add: addCounted,
  merge: mergeCounters,
};

/** The counters of one task. */
export class TaskCounters {
  readonly #pending = new Map<string, Counted>();

  constructor(private readonly totals: CounterTotals) {}

  add(group: string, name: string, amount: number): void {
    if (!Number.isSafeInteger(amount)) throw new RangeError(`a counter adds whole numbers, not ${amount}`);
    const key = `${group}\n${name}`;
    const before = this.#pending.get(key)?.amount ?? 0;
    this.#pending.set(key, { group, name, amount: before + amount });
  }

  /** At the task's end. */
  finish(): void {
    for (const counted of this.#pending.values()) this.totals.add(counted);
    this.#pending.clear();
  }
}

function addCounted(counters: Counters, { group, name, amount }: Counted): Counters {
  const before = counters[group] ?? {};
  return { ...counters, [group]: { ...before, [name]: (before[name] ?? 0) + amount } };
}

function mergeCounters(left: Counters, right: Counters): Counters {
  let merged = left;
  for (const [group, names] of Object.entries(right))
    for (const [name, amount] of Object.entries(names)) merged = addCounted(merged, { group, name, amount });
  return merged;
}
