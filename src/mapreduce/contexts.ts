// What the functions of a map/reduce job are given: where to write, counters, side files. One context serves one task.

import { MillraceError } from "../core/errors.js";
import type { Accumulator } from "../session/accumulator.js";
import type { Broadcast } from "../session/broadcast.js";

/** By group, then by name. */
export type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Counted {
  readonly group: string;
  readonly name: string;
  readonly amount: number;
}

/** A counter of a map/reduce job, made by `context.counter(group, name)`; the sums come back in the job's result. */
export interface Counter {
  /** Adds `amount`, 1 by default, when the task ends well: a task that is tried again counts once. */
  increment(amount?: number): void;
}

/** What the functions of a map/reduce job are given: where they write, what they count, the job's side files. */
export interface TaskContext<K, V> {
  /** The task's partition, from 0. */
  readonly partition: number;
  /** Writes one pair: from map to combine or reduce, from reduce to the output. */
  write(key: K, value: V): void;
  /** Writes to the output of that name, which the job lists in `outputs`; INVALID_ARGUMENT for any other. Passes reduce by. */
  writeTo(output: string, key: unknown, value: unknown): void;
  /** The counter of that name in that group. "Map-Reduce Framework" is the group of the built-in ones. */
  counter(group: string, name: string): Counter;
  /** The bytes of a side file of the job, by the name it has in `files`. INVALID_ARGUMENT when there is none. */
  file(name: string): Uint8Array;
  /** A side file as UTF-8 text. Throws TypeError when it is not. */
  text(name: string): string;
}

export interface Shared {
  readonly counters: Accumulator<Counters, Counted>;
  readonly files: Broadcast<Readonly<Record<string, Uint8Array>>>;
  readonly outputs: readonly string[];
}

/** A pair with the output it goes to; "" is the job's own. */
export type Written = readonly [output: string, key: unknown, value: unknown];

/** The built-in counters' group, as Hadoop's users know them. */
export const TASK_COUNTERS = "Map-Reduce Framework";

export class CollectingContext implements TaskContext<unknown, unknown> {
  /** Written and not taken yet. */
  written: Written[] = [];
  readonly #pending = new Map<string, Counted>();

  constructor(
    readonly partition: number,
    private readonly shared: Shared,
  ) {}

  write(key: unknown, value: unknown): void {
    this.written.push(["", key, value]);
  }

  writeTo(output: string, key: unknown, value: unknown): void {
    if (!this.shared.outputs.includes(output)) {
      const known = this.shared.outputs.join(", ") || "none";
      throw new MillraceError("INVALID_ARGUMENT", `writeTo: the job lists the outputs ${known}, not ${output}`, {
        fields: { output },
      });
    }
    this.written.push([output, key, value]);
  }

  counter(group: string, name: string): Counter {
    return { increment: (amount = 1) => this.count(group, name, amount) };
  }

  file(name: string): Uint8Array {
    const files = this.shared.files.value;
    const bytes = Object.hasOwn(files, name) ? files[name] : undefined;
    if (bytes === undefined) {
      const known = Object.keys(files).join(", ") || "none";
      throw new MillraceError("INVALID_ARGUMENT", `file: the job has the side files ${known}, not ${name}`, {
        fields: { file: name },
      });
    }
    return bytes;
  }

  text(name: string): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.file(name));
  }

  count(group: string, name: string, amount: number): void {
    if (!Number.isSafeInteger(amount)) throw new RangeError(`a counter adds whole numbers, not ${amount}`);
    const key = `${group}\n${name}`;
    const before = this.#pending.get(key)?.amount ?? 0;
    this.#pending.set(key, { group, name, amount: before + amount });
  }

  take(): Written[] {
    const { written } = this;
    this.written = [];
    return written;
  }

  /** At the task's end. */
  finish(): void {
    for (const counted of this.#pending.values()) this.shared.counters.add(counted);
    this.#pending.clear();
  }
}

export function addCounted(counters: Counters, { group, name, amount }: Counted): Counters {
  const before = counters[group] ?? {};
  return { ...counters, [group]: { ...before, [name]: (before[name] ?? 0) + amount } };
}

export function mergeCounters(left: Counters, right: Counters): Counters {
  let merged = left;
  for (const [group, names] of Object.entries(right))
    for (const [name, amount] of Object.entries(names)) merged = addCounted(merged, { group, name, amount });
  return merged;
}
