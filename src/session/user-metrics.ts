// Counters, timers and histograms as the program holds them: in the driver they add up what all tasks have reported; inside a
// task a reference of theirs becomes a cell of numbers (core/user-metrics.ts), which has the same methods for adding.

import {
  addNumbers,
  CounterCell,
  type Distribution,
  HistogramCell,
  type MetricCell,
  type NamedValue,
  showNumbers,
  TimerCell,
  type UserMetricKind,
} from "../core/user-metrics.js";
import type { HandleReference } from "../plan/handles.js";
import { toReference } from "./travelling.js";

type MetricReference = HandleReference & { readonly kind: "metric" };

abstract class UserMetric<C extends MetricCell> {
  /** Counted in the session. */
  readonly id: number;
  /** Shown in the job's summary, by `millrace status` and in the event log. */
  readonly name: string;
  /** "counter", "timer" or "histogram". */
  readonly kind: UserMetricKind;
  /** What the driver itself adds. */
  protected readonly own: C;
  readonly #reference: MetricReference;
  #numbers: readonly number[] = [];

  /** @hidden */
  constructor(reference: MetricReference, own: C) {
    this.id = reference.id;
    this.name = reference.name;
    this.kind = reference.metric;
    this.own = own;
    this.#reference = reference;
  }

  /** Back to nothing. Jobs that run meanwhile add to the new value. */
  reset(): void {
    this.#numbers = [];
    this.own.clear();
  }

  /** Takes what a task has added. Called by the session. @hidden */
  absorb(numbers: readonly number[]): void {
    this.#numbers = addNumbers(this.kind, this.#numbers, numbers);
  }

  protected get shown(): number | Distribution {
    const own = this.own.isEmpty ? [] : this.own.toNumbers();
    return showNumbers(this.kind, addNumbers(this.kind, this.#numbers, own));
  }

  /** The metric with its value, as summaries and the event log show it. */
  toNamedValue(): NamedValue {
    return { id: this.id, name: this.name, kind: this.kind, value: this.shown };
  }

  /** @hidden */
  [toReference](): HandleReference {
    return this.#reference;
  }
}

/**
 * Counts, over all tasks. As exact as an accumulator: what a task has added arrives when it ends, at most once, also when it
 * was retried. Adding costs a nanosecond or two.
 *
 * ```ts
 * const bad = session.counter("bad lines");
 * await lines.filter((line) => { if (line === "") bad.add(); return line !== ""; }).count();
 * console.log(bad.value);
 * ```
 */
export class CounterMetric extends UserMetric<CounterCell> {
  /** Made by a Session. @hidden */
  constructor(reference: MetricReference) {
    super(reference, new CounterCell());
  }

  /** Adds `amount`, by default 1: in a task or in the driver. */
  add(amount = 1): void {
    this.own.add(amount);
  }

  /** What all tasks that have ended, and the driver, have added. In a task reading it throws INVALID_ARGUMENT. */
  get value(): number {
    return this.shown as number;
  }
}

/**
 * The spread of a number, over all tasks: how many values, their sum, least, most, mean and quantiles (to about 5 %).
 *
 * ```ts
 * const sizes = session.histogram("line lengths");
 * await lines.foreach((line) => sizes.record(line.length));
 * console.log(sizes.value.p95);
 * ```
 */
export class HistogramMetric extends UserMetric<HistogramCell> {
  /** Made by a Session. @hidden */
  constructor(reference: MetricReference) {
    super(reference, new HistogramCell());
  }

  /** Adds one value. */
  record(value: number): void {
    this.own.record(value);
  }

  /** In a task reading it throws INVALID_ARGUMENT. */
  get value(): Distribution {
    return this.shown as Distribution;
  }
}

/**
 * How long calls take, over all tasks, in milliseconds. Where they are short (below about 10 us) one of several is measured and
 * stands for all of them; timing then costs some 20 ns a call, a hundredth of calls of 2 us.
 *
 * ```ts
 * const parsing = session.timer("parsing");
 * await lines.map((line) => parsing.time(() => JSON.parse(line))).count();
 * console.log(parsing.value.p95);
 * ```
 */
export class TimerMetric extends UserMetric<TimerCell> {
  /** Made by a Session. @hidden */
  constructor(reference: MetricReference) {
    super(reference, new TimerCell());
  }

  /** Calls `work` and gives what it gives. Of a promise the time until it settles counts. */
  time<R>(work: () => R): R {
    return this.own.time(work);
  }

  /** Adds a time that was measured otherwise, ms. */
  record(ms: number): void {
    this.own.record(ms);
  }

  /** In a task reading it throws INVALID_ARGUMENT. */
  get value(): Distribution {
    return this.shown as Distribution;
  }
}

export type AnyMetric = CounterMetric | HistogramMetric | TimerMetric;

export function newMetric(reference: MetricReference): AnyMetric {
  if (reference.metric === "counter") return new CounterMetric(reference);
  return reference.metric === "timer" ? new TimerMetric(reference) : new HistogramMetric(reference);
}
