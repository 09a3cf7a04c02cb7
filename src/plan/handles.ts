// Broadcast values, accumulators and metrics as they travel inside captured functions: the driver's object is replaced by a reference
// (plain packable data), and a slot turns the reference into a live object of its own. The loading of blobs, the codec and the
// reviving of functions are given to it, so that nothing here does I/O.

import { MillraceError } from "../core/errors.js";
import type { BlobHash, TaskKey } from "../core/ids.js";
import { type AccumulatorKind, type MetricCell, newCell, type UserMetricKind } from "../core/user-metrics.js";
import type { FunctionRef } from "./function.js";
import type { Split } from "./stages.js";

/** Where a function runs. */
export interface RunningTask {
  readonly key: TaskKey;
  /** What the task reads of files; none behind an exchange. */
  readonly splits: readonly Split[];
  /** The worker's id. */
  readonly worker: string;
  /** A path of the attempt's own on the worker's disk, which nobody has made: removed with the attempt, if it is there. */
  readonly scratch: string;
}

export type HandleReference =
  /** The attempt that runs the function. Ids of the others begin at 1. */
  | { readonly kind: "task"; readonly id: 0 }
  /** The value is the blob `hash`: one codec-encoded value. `classes`: revive these before it is decoded. */
  | {
      readonly kind: "broadcast";
      readonly id: number;
      readonly hash: BlobHash;
      readonly sizeBytes: number;
      readonly classes: readonly FunctionRef[];
    }
  /** `zero` is codec-encoded and decoded afresh for every attempt. `classes` as above, for zero and for the partial values. */
  | {
      readonly kind: "accumulator";
      readonly id: number;
      readonly name: string;
      readonly zero: Uint8Array;
      readonly add: FunctionRef;
      readonly classes: readonly FunctionRef[];
      /** Totals are numbers that merge adds up: whoever shows them may do so, too. */
      readonly sums?: true;
    }
  | {
      readonly kind: "metric";
      readonly id: number;
      readonly name: string;
      readonly metric: UserMetricKind;
      readonly classes: readonly FunctionRef[];
    };

/** What an attempt has added to one accumulator or metric. */
export interface TaskUpdate {
  readonly accumulator: number;
  readonly name: string;
  readonly kind: AccumulatorKind;
  /** Absent for a metric. */
  readonly value?: unknown;
  /** Absent where only the driver can add it up. */
  readonly numbers?: readonly number[];
}

/** What a slot gives to make handles live. */
export interface HandleRuntime {
  loadBlob(hash: BlobHash): Uint8Array;
  /** One codec-encoded value. */
  decode(bytes: Uint8Array): unknown;
  revive(fn: FunctionRef): (...args: never[]) => unknown;
}

/** The handles of one slot and session. `begin` and `end` frame every attempt. */
export class TaskHandles {
  readonly #runtime: HandleRuntime;
  readonly #live = new Map<number, TaskBroadcast | TaskAccumulator | MetricCell>();
  readonly #metrics: { readonly reference: HandleReference & { kind: "metric" }; readonly cell: MetricCell }[] = [];
  /** Accumulators that the running attempt has added to. */
  readonly #touched = new Set<TaskAccumulator>();
  readonly task = new TaskHandle();

  constructor(runtime: HandleRuntime) {
    this.#runtime = runtime;
  }

  /** The live object of a reference: the same one for the same id. */
  open(reference: HandleReference): TaskBroadcast | TaskAccumulator | MetricCell | TaskHandle {
    if (reference.kind === "task") return this.task;
    const existing = this.#live.get(reference.id);
    if (existing !== undefined) return existing;
    const made = this.#make(reference);
    this.#live.set(reference.id, made);
    // Records that hold its values may be decoded where it is never read.
    for (const fn of reference.classes) this.#runtime.revive(fn);
    return made;
  }

  /** Forgets what an earlier attempt has added, whatever became of it. */
  begin(): void {
    for (const accumulator of this.#touched) accumulator.clear();
    this.#touched.clear();
    for (const { cell } of this.#metrics) cell.clear();
  }

  /** What the attempt has added, by id; to be encoded and reported if it succeeds. */
  end(): TaskUpdate[] {
    const updates: TaskUpdate[] = [...this.#touched].map((one) => one.update);
    for (const { reference, cell } of this.#metrics) {
      if (cell.isEmpty) continue;
      updates.push({
        accumulator: reference.id,
        name: reference.name,
        kind: reference.metric,
        numbers: cell.toNumbers(),
      });
    }
    this.begin();
    return updates.length < 2 ? updates : updates.sort((a, b) => a.accumulator - b.accumulator);
  }

  #make(reference: Exclude<HandleReference, { kind: "task" }>): TaskBroadcast | TaskAccumulator | MetricCell {
    if (reference.kind === "broadcast") return new TaskBroadcast(reference, this.#runtime);
    if (reference.kind === "accumulator")
      return new TaskAccumulator(reference, this.#runtime, (accumulator) => this.#touched.add(accumulator));
    const cell = newCell(reference.metric);
    this.#metrics.push({ reference, cell });
    return cell;
  }
}

/** The running attempt, for functions that ask where they are. */
export class TaskHandle {
  running: RunningTask | null = null;

  get current(): RunningTask {
    if (this.running === null) throw new MillraceError("INTERNAL", "no task runs here");
    return this.running;
  }
}

/** A broadcast value inside a task. */
export class TaskBroadcast {
  readonly #reference: HandleReference & { kind: "broadcast" };
  readonly #runtime: HandleRuntime;
  #loaded: { readonly value: unknown } | null = null;

  constructor(reference: HandleReference & { kind: "broadcast" }, runtime: HandleRuntime) {
    this.#reference = reference;
    this.#runtime = runtime;
  }

  /** Fetched and decoded at first use, once a slot. */
  get value(): unknown {
    if (this.#loaded === null) {
      this.#loaded = { value: this.#runtime.decode(this.#runtime.loadBlob(this.#reference.hash)) };
    }
    return this.#loaded.value;
  }
}

/** An accumulator inside a task: adds to a partial value of the attempt's own. */
export class TaskAccumulator {
  readonly id: number;
  readonly #reference: HandleReference & { kind: "accumulator" };
  readonly #runtime: HandleRuntime;
  readonly #onTouch: (self: TaskAccumulator) => void;
  #add: ((total: unknown, amount: unknown) => unknown) | null = null;
  #partial: { value: unknown } | null = null;

  constructor(
    reference: HandleReference & { kind: "accumulator" },
    runtime: HandleRuntime,
    onTouch: (self: TaskAccumulator) => void,
  ) {
    this.id = reference.id;
    this.#reference = reference;
    this.#runtime = runtime;
    this.#onTouch = onTouch;
  }

  add(amount: unknown): void {
    this.#add ??= this.#runtime.revive(this.#reference.add) as (total: unknown, amount: unknown) => unknown;
    if (this.#partial === null) {
      this.#partial = { value: this.#runtime.decode(this.#reference.zero) };
      this.#onTouch(this);
    }
    this.#partial.value = this.#add(this.#partial.value, amount);
  }

  /** Tasks cannot know what the other tasks have added. */
  get value(): never {
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `the value of the accumulator ${JSON.stringify(this.#reference.name)} can be read in the driver only, not in a task`,
      { fields: { accumulator: this.#reference.name } },
    );
  }

  get update(): TaskUpdate {
    const { name, sums } = this.#reference;
    const value = this.#partial?.value;
    const told = { accumulator: this.id, name, value };
    return sums === true && typeof value === "number"
      ? { ...told, kind: "sum", numbers: [value] }
      : { ...told, kind: "custom" };
  }

  clear(): void {
    this.#partial = null;
  }
}
