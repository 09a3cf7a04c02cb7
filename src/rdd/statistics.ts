// Count, mean, variance, least and greatest of numbers, in one pass: Welford's recurrence for single numbers, Chan's formula
// for two parts. Partial statistics are plain records, so that they travel; this class is what the user gets.

export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Sum of squared distances from the mean. */
  readonly m2: number;
  readonly min: number;
  readonly max: number;
  /** Neumaier's compensated sum: its value and what was lost in rounding. */
  readonly sum: number;
  readonly lost: number;
}

export const noMoments: Moments = {
  count: 0,
  mean: 0,
  m2: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  sum: 0,
  lost: 0,
};

/** What a partition's task runs: self-contained, because it travels. */
export function addNumber(total: Moments, value: number): Moments {
  if (typeof value !== "number") throw new TypeError(`a number was expected, found ${typeof value}`);
  const count = total.count + 1;
  const delta = value - total.mean;
  const mean = total.mean + delta / count;
  const sum = total.sum + value;
  const lost =
    total.lost + (Math.abs(total.sum) >= Math.abs(value) ? total.sum - sum + value : value - sum + total.sum);
  return {
    count,
    mean,
    m2: total.m2 + delta * (value - mean),
    min: value < total.min ? value : total.min,
    max: value > total.max ? value : total.max,
    sum,
    lost,
  };
}

/** Two parts put together: Chan, Golub and LeVeque (1979). */
export function addMoments(a: Moments, b: Moments): Moments {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  const sum = a.sum + b.sum;
  const rounding = Math.abs(a.sum) >= Math.abs(b.sum) ? a.sum - sum + b.sum : b.sum - sum + a.sum;
  return {
    count,
    mean: a.mean + (delta * b.count) / count,
    m2: a.m2 + b.m2 + (delta * delta * a.count * b.count) / count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    sum,
    lost: a.lost + b.lost + rounding,
  };
}

/** Statistics of an RDD of numbers: Spark's StatCounter. Of no numbers all but count and sum are NaN or infinite. */
export class StatCounter {
  /** How many numbers there were. */
  readonly count: number;
  /** NaN of no numbers. */
  readonly mean: number;
  /** Infinity of no numbers. */
  readonly min: number;
  /** -Infinity of no numbers. */
  readonly max: number;
  /** Compensated (Neumaier), so that it is right to the last bits whatever the order of sizes. */
  readonly sum: number;
  /** Population variance, divided by the count. */
  readonly variance: number;
  /** Divided by the count less one. NaN below two numbers. */
  readonly sampleVariance: number;

  /** Made by `RDD.stats`. @hidden */
  constructor({ count, mean, m2, min, max, sum, lost }: Moments) {
    this.count = count;
    this.mean = count === 0 ? Number.NaN : mean;
    this.min = min;
    this.max = max;
    this.sum = Number.isFinite(lost) ? sum + lost : sum;
    this.variance = count === 0 ? Number.NaN : m2 / count;
    this.sampleVariance = count < 2 ? Number.NaN : m2 / (count - 1);
  }

  /** Square root of `variance`. */
  get stdev(): number {
    return Math.sqrt(this.variance);
  }

  /** Square root of `sampleVariance`. */
  get sampleStdev(): number {
    return Math.sqrt(this.sampleVariance);
  }

  /** As Spark prints it: `(count: 3, mean: 2, stdev: 0.816, max: 3, min: 1)`. */
  toString(): string {
    return `(count: ${this.count}, mean: ${this.mean}, stdev: ${this.stdev}, max: ${this.max}, min: ${this.min})`;
  }
}
