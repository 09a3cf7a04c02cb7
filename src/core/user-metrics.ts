// Metrics of a program's own: counters, timers and histograms that functions add to in tasks. In a task each is a plain object
// with a few numbers, so that adding costs a nanosecond or two; what a task has added leaves it as a list of numbers, which
// master and driver add up without knowing what they mean to the program.
//
//   counter, sum       [sum]
//   timer, histogram   [count, sum, least, most, then pairs of a bucket's number and how many fell into it]
//
// Buckets are eighths of an octave (9 % wide), so quantiles are known to about 5 %.

import { MillraceError } from "./errors.js";

/** What a metric of a program's own is: `session.counter`, `timer`, `histogram`. */
export type UserMetricKind = "counter" | "timer" | "histogram";

/** How an accumulator is added up: "sum" is one of numbers; "custom" by a function of the program, in the driver alone. */
export type AccumulatorKind = UserMetricKind | "sum" | "custom";

/** Spread of the values that a timer (milliseconds) or a histogram has seen; quantiles to about 5 %. */
export interface Distribution {
  /** How many values there were. */
  readonly count: number;
  /** Of all values. */
  readonly sum: number;
  /** The least value; 0 where there is none. */
  readonly min: number;
  /** The greatest value; 0 where there is none. */
  readonly max: number;
  /** sum / count; 0 where there is none. */
  readonly mean: number;
  /** The median. */
  readonly p50: number;
  /** 95 % of the values are at most this. */
  readonly p95: number;
  /** 99 % of the values are at most this. */
  readonly p99: number;
}

/** A named accumulator as it is shown: a number, a spread, or a text that the driver made of its value. */
export interface NamedValue {
  /** Counted in the session. */
  readonly id: number;
  /** What the program calls it. */
  readonly name: string;
  /** How it is added up. */
  readonly kind: AccumulatorKind;
  /** A spread for timers and histograms; a text for what only the program's `merge` can add up. */
  readonly value: number | string | Distribution;
}

function driverOnly(): never {
  throw new MillraceError("INVALID_ARGUMENT", "the value of a metric can be read in the driver only, not in a task");
}

export class CounterCell {
  sum = 0;

  /** Tasks cannot know what the other tasks have added. */
  get value(): never {
    return driverOnly();
  }

  add(amount = 1): void {
    this.sum += amount;
  }

  get isEmpty(): boolean {
    return this.sum === 0;
  }

  clear(): void {
    this.sum = 0;
  }

  toNumbers(): number[] {
    return [this.sum];
  }
}

const BUCKETS_AN_OCTAVE = 8;
/** Exponents of doubles, 2,048 of them, and a bucket for 0 and what is below. */
const BUCKETS = 2048 * BUCKETS_AN_OCTAVE + 1;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Where the sign, the exponent and the highest digits of a double stand. */
const HIGH = new Uint8Array(Float64Array.of(-0).buffer)[7] === 0x80 ? 1 : 0;

/** The number of the bucket of a value: its exponent and the three highest digits behind it. */
export function bucketOf(value: number): number {
  if (!(value > 0)) return 0;
  double[0] = value;
  return ((words[HIGH] as number) >>> 17) + 1;
}

/** The middle of a bucket. */
function middleOf(bucket: number): number {
  if (bucket === 0) return 0;
  words[1 - HIGH] = 0;
  words[HIGH] = (bucket - 1) << 17;
  const low = double[0] as number;
  words[HIGH] = bucket << 17;
  return (low + (double[0] as number)) / 2;
}

export class HistogramCell {
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  #buckets: Float64Array | null = null;
  /** Buckets with something in them are in [low, high]: few of them, mostly. */
  #low = BUCKETS;
  #high = -1;

  get value(): never {
    return driverOnly();
  }

  /** Adds one value, `times` over. */
  record(value: number, times = 1): void {
    this.#buckets ??= new Float64Array(BUCKETS);
    this.count += times;
    this.sum += value * times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    const bucket = bucketOf(value);
    if (bucket < this.#low) this.#low = bucket;
    if (bucket > this.#high) this.#high = bucket;
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + times;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  clear(): void {
    this.count = 0;
    this.sum = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
    this.#buckets?.fill(0, this.#low, this.#high + 1);
    this.#low = BUCKETS;
    this.#high = -1;
  }

  toNumbers(): number[] {
    const numbers = [this.count, this.sum, this.min, this.max];
    for (let bucket = this.#low; bucket <= this.#high; bucket++) {
      const times = this.#buckets?.[bucket] ?? 0;
      if (times > 0) numbers.push(bucket, times);
    }
    return numbers;
  }
}

/** What reading the clock twice costs at most, ms; a timer may cost a hundredth of what it measures. */
const CLOCK_MS = 0.0002;
const ALLOWED_SHARE = 0.01;
/** Measured one by one before a timer judges how long its calls take. */
const FIRST_CALLS = 64;

/**
 * Times calls. Where they are short (below about 10 us) not every one is measured: one of `step`, chosen so that the clock costs
 * about a hundredth of the calls; it then stands for `step` calls.
 */
export class TimerCell extends HistogramCell {
  #calls = 0;
  /** Calls that are not measured after the last one that was, and how many of these are still to come. */
  #skips = 0;
  #left = 0;
  #step = 1;
  #measured = 0;
  #turn = 1;

  /** Calls `work` and gives what it gives; also the time of one that throws counts. Of a promise the time until it settles. */
  time<R>(work: () => R): R {
    // Short, so that it becomes part of the loop that calls it.
    if (this.#left > 0) {
      this.#left--;
      return work();
    }
    return this.#measure(work);
  }

  /** A time that was measured otherwise. */
  override record(ms: number): void {
    this.#calls++;
    super.record(ms);
  }

  /** The next attempt begins with a call that is measured. */
  override clear(): void {
    super.clear();
    this.#calls = 0;
    this.#skips = 0;
    this.#left = 0;
  }

  /** How many there were is known exactly; what they took is drawn from those that were measured. */
  override toNumbers(): number[] {
    const [count = 0, sum = 0, min = 0, max = 0, ...buckets] = super.toNumbers();
    const calls = this.#calls + this.#skips - this.#left;
    const share = calls / count;
    return [calls, sum * share, min, max, ...buckets.map((value, i) => (i % 2 === 0 ? value : value * share))];
  }

  #measure<R>(work: () => R): R {
    this.#calls += 1 + this.#skips;
    this.#skips = 0;
    const started = performance.now();
    let result: R;
    try {
      result = work();
    } catch (error) {
      this.#took(performance.now() - started);
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#took(performance.now() - started);
      return result;
    }
    // Asynchronous ones are long.
    return result.finally(() => super.record(performance.now() - started)) as R;
  }

  #took(ms: number): void {
    super.record(ms, this.#step);
    if (++this.#measured < FIRST_CALLS) return;
    const mean = this.sum / this.count;
    this.#step = Math.max(1, Math.min(1024, Math.ceil(CLOCK_MS / (ALLOWED_SHARE * mean))));
    if (this.#step === 1) return;
    // Not every n-th: data may repeat with the same period. The mean of the gaps is step - 1.
    this.#turn = (Math.imul(this.#turn, 1664525) + 1013904223) >>> 0;
    this.#skips = Math.floor((this.#turn / 2 ** 32) * (2 * this.#step - 1));
    this.#left = this.#skips;
  }
}

export type MetricCell = CounterCell | HistogramCell;

export function newCell(kind: UserMetricKind): MetricCell {
  if (kind === "counter") return new CounterCell();
  return kind === "timer" ? new TimerCell() : new HistogramCell();
}

/** Two tasks' numbers of one metric as one task's. */
export function addNumbers(kind: AccumulatorKind, left: readonly number[], right: readonly number[]): number[] {
  if (kind === "counter" || kind === "sum") return [(left[0] ?? 0) + (right[0] ?? 0)];
  if (left.length < 4) return [...right];
  if (right.length < 4) return [...left];
  const [count = 0, sum = 0, min = 0, max = 0] = left;
  const [count2 = 0, sum2 = 0, min2 = 0, max2 = 0] = right;
  const merged = [count + count2, sum + sum2, Math.min(min, min2), Math.max(max, max2)];
  const times = new Map<number, number>();
  for (const list of [left, right])
    for (let i = 4; i + 1 < list.length; i += 2)
      times.set(list[i] as number, (times.get(list[i] as number) ?? 0) + (list[i + 1] as number));
  for (const bucket of [...times.keys()].sort((a, b) => a - b)) merged.push(bucket, times.get(bucket) as number);
  return merged;
}

/** The numbers of a metric as they are shown. */
export function showNumbers(kind: AccumulatorKind, numbers: readonly number[]): number | Distribution {
  if (kind !== "timer" && kind !== "histogram") return numbers[0] ?? 0;
  const [count = 0, sum = 0, min = 0, max = 0] = numbers;
  if (count === 0) return { count: 0, sum: 0, min: 0, max: 0, mean: 0, p50: 0, p95: 0, p99: 0 };
  const quantile = (share: number): number => {
    let seen = 0;
    for (let i = 4; i + 1 < numbers.length; i += 2) {
      seen += numbers[i + 1] as number;
      if (seen >= share * count) return Math.min(max, Math.max(min, middleOf(numbers[i] as number)));
    }
    return max;
  };
  return { count, sum, min, max, mean: sum / count, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}
