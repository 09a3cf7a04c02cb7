// `-reducer aggregate`: Hadoop's ready-made reducers, which a mapper chooses by the key it prints: `LongValueSum:words` and the
// number to add. What comes out is `words` and the sum.

import { MillraceError } from "../../core/errors.js";
import type { Pair } from "./pairs.js";

interface Aggregator {
  add(value: string): void;
  report(): string;
}

/** By Hadoop's names in lower case: case does not matter. */
const AGGREGATORS: Readonly<Record<string, () => Aggregator>> = {
  longvaluesum: () => folded(wholeNumber, (a, b) => a + b),
  longvaluemax: () => folded(wholeNumber, (a, b) => (a > b ? a : b)),
  longvaluemin: () => folded(wholeNumber, (a, b) => (a < b ? a : b)),
  doublevaluesum: () => folded(number, (a, b) => a + b, javaDouble),
  stringvaluemax: () => folded(itself, (a, b) => (a > b ? a : b)),
  stringvaluemin: () => folded(itself, (a, b) => (a < b ? a : b)),
  uniqvaluecount: () => {
    const seen = new Set<string>();
    return { add: (value) => seen.add(value), report: () => String(seen.size) };
  },
  valuehistogram: histogram,
};

/** A line for each key of `pairs`, which are in the order of their keys. Throws INVALID_ARGUMENT. */
export function* aggregated(pairs: Iterable<Pair>, separator: string): Generator<string, void, void> {
  let current: string | null = null;
  let id = "";
  let aggregator: Aggregator | null = null;
  for (const [key, value] of pairs) {
    if (key !== current || aggregator === null) {
      if (aggregator !== null) yield id + separator + aggregator.report();
      aggregator = aggregatorOf(key);
      current = key;
      id = key.slice(key.indexOf(":") + 1);
    }
    aggregator.add(value);
  }
  if (aggregator !== null) yield id + separator + aggregator.report();
}

function aggregatorOf(key: string): Aggregator {
  const at = key.indexOf(":");
  const make = at < 0 ? undefined : AGGREGATORS[key.slice(0, at).toLowerCase()];
  if (make !== undefined) return make();
  throw wrong(
    `the key ${key} does not begin with one of LongValueSum:, LongValueMax:, LongValueMin:, DoubleValueSum:, StringValueMax:, StringValueMin:, UniqValueCount:, ValueHistogram:`,
  );
}

function folded<T>(read: (text: string) => T, fold: (total: T, value: T) => T, print: (total: T) => string = String) {
  let total: T | null = null;
  return {
    add(text: string): void {
      const value = read(text);
      total = total === null ? value : fold(total, value);
    },
    report: () => print(total as T),
  };
}

/** How many different values there are, then of the counts of these the least, the median, the greatest, the mean and the deviation. */
function histogram(): Aggregator {
  const counts = new Map<string, number>();
  return {
    /** `value tab count`, or a value that counts once. */
    add(text) {
      const at = text.lastIndexOf("\t");
      const value = at < 0 ? text : text.slice(0, at);
      const amount = at < 0 ? 1 : Number(wholeNumber(text.slice(at + 1)));
      counts.set(value, (counts.get(value) ?? 0) + amount);
    },
    report() {
      const sorted = [...counts.values()].sort((a, b) => a - b);
      const n = sorted.length;
      const mean = sorted.reduce((sum, count) => sum + count, 0) / n;
      const deviation = Math.sqrt(sorted.reduce((sum, count) => sum + (count - mean) ** 2, 0) / n);
      const [least, median, most] = [sorted[0], sorted[Math.floor(n / 2)], sorted[n - 1]];
      return [n, least, median, most, javaDouble(mean), javaDouble(deviation)].join("\t");
    },
  };
}

const itself = (text: string): string => text;

function wholeNumber(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) throw wrong(`the value ${JSON.stringify(text)} is no whole number`);
  return BigInt(text.replace("+", ""));
}

function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw wrong(`the value ${JSON.stringify(text)} is no number`);
  return value;
}

/** As Java prints it: 3.0, 1.5E10, 1.0E-5. */
function javaDouble(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e7)) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  return `${digits.includes(".") ? digits : `${digits}.0`}E${Number(exponent)}`;
}

function wrong(what: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", `streaming: aggregate: ${what}`);
}
