// What the functions of a map/reduce job are given: where to write, counters, side files. One context serves one task.

import { MillraceError } from "../core/errors.js";
import { displayUrl } from "../emrfs/url.js";
import type { Broadcast } from "../session/broadcast.js";
import type { DriverTaskHandle } from "../session/task-handle.js";
import { type CounterTotals, TaskCounters } from "./counters.js";

/** The part of a file that a map task reads: `context.split`. */
export interface InputSplit {
  /** A path, or a URL where it is on no local disk. */
  readonly path: string;
  /** Byte that the part begins with, from 0. The line around it belongs to the part that it begins in. */
  readonly start: number;
  /** In bytes. */
  readonly length: number;
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
  /** How often the task was tried before, 0 for the first time. */
  readonly attempt: number;
  /** What a map task reads: a part of a file, in bytes. null in reduce tasks, and where the input is no text file. */
  readonly split: InputSplit | null;
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
  readonly counters: CounterTotals;
  readonly files: Broadcast<Readonly<Record<string, Uint8Array>>>;
  readonly outputs: readonly string[];
  readonly task: DriverTaskHandle;
}

/** A pair with the output it goes to; "" is the job's own. */
export type Written = readonly [output: string, key: unknown, value: unknown];

export class CollectingContext implements TaskContext<unknown, unknown> {
  /** Written and not taken yet. */
  written: Written[] = [];
  readonly #counters: TaskCounters;

  constructor(
    readonly partition: number,
    private readonly shared: Shared,
  ) {
    this.#counters = new TaskCounters(shared.counters);
  }

  get attempt(): number {
    return this.shared.task.current.key.attempt;
  }

  get split(): InputSplit | null {
    const [split] = this.shared.task.current.splits;
    if (split?.kind !== "file") return null;
    return { path: displayUrl(split.url), start: split.start, length: split.length };
  }

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
    this.#counters.add(group, name, amount);
  }

  take(): Written[] {
    const { written } = this;
    this.written = [];
    return written;
  }

  /** At the task's end. */
  finish(): void {
    this.#counters.finish();
  }
}
