// Actions on numbers: sums, moments, histograms.

import { compareKeys } from "../../codec/keys.js";
import { MillraceError } from "../../core/errors.js";
import { invalidArgument, requireCount } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { addMoments, addNumber, type Moments, noMoments, StatCounter } from "../statistics.js";
import { emptyCollection } from "./collect.js";
import { aggregate } from "./fold.js";
import type { ActionOptions } from "./run-action.js";
import { top } from "./top.js";

/** What `RDD.histogram` gives. */
export interface Histogram {
  /** Edges of the buckets, ascending: one more than there are counts. */
  readonly buckets: readonly number[];
  /** Numbers in [buckets[i], buckets[i + 1]); the last bucket holds its upper edge too. */
  readonly counts: readonly number[];
}

export async function stats(at: Operand, options: ActionOptions | undefined): Promise<StatCounter> {
  const moments = await aggregate(at, noMoments, addNumber, addMoments, options);
  return new StatCounter(moments as Moments);
}

export async function extreme(at: Operand, order: "greatest" | "least", options: ActionOptions | undefined) {
  const [best, ...none] = await top(at, 1, undefined, order, options);
  if (best === undefined && none.length === 0 && (await isReallyEmpty(at, options))) throw emptyCollection(at);
  return best;
}

/** A greatest record that is undefined looks like none. */
async function isReallyEmpty(at: Operand, options: ActionOptions | undefined): Promise<boolean> {
  return (
    (await aggregate(
      at,
      0,
      (n: number) => n + 1,
      (a: number, b: number) => a + b,
      options,
    )) === 0
  );
}

/**
 * `buckets`: a count (equal widths between the least and the greatest number, found by one job more), or ascending edges.
 * NaN, and numbers outside the edges, are not counted.
 */
export async function histogram(at: Operand, buckets: unknown, options: ActionOptions | undefined): Promise<Histogram> {
  const edges = Array.isArray(buckets) ? checkedEdges(at, buckets) : await evenEdges(at, buckets, options);
  const zero = new Array<number>(edges.length - 1).fill(0);
  const counts = await aggregate(at, zero, counterOf(edges), addCounts, options);
  return { buckets: edges, counts: counts as number[] };
}

function counterOf(edges: readonly number[]) {
  const last = edges.length - 1;
  return (counts: number[], value: number): number[] => {
    if (!(value >= (edges[0] as number) && value <= (edges[last] as number))) return counts;
    let low = 0;
    let high = last;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((edges[middle] as number) <= value) low = middle;
      else high = middle;
    }
    counts[low] = (counts[low] as number) + 1;
    return counts;
  };
}

function addCounts(left: number[], right: readonly number[]): number[] {
  return left.map((count, i) => count + (right[i] as number));
}

function checkedEdges(at: Operand, edges: readonly unknown[]): readonly number[] {
  const ascending = edges.every(
    (edge, i) => typeof edge === "number" && !Number.isNaN(edge) && (i === 0 || compareKeys(edges[i - 1], edge) < 0),
  );
  if (edges.length < 2 || !ascending)
    throw invalidArgument(at.method, "buckets", "at least two different numbers, ascending", edges);
  return edges as readonly number[];
}

async function evenEdges(at: Operand, buckets: unknown, options: ActionOptions | undefined): Promise<number[]> {
  const count = requireCount(at.method, "buckets", buckets, 1, 1_000_000);
  const { min, max, count: numbers } = await stats(at, options);
  if (numbers === 0) throw emptyCollection(at);
  if (!Number.isFinite(min) || !Number.isFinite(max)) {
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `${at.method}: buckets of equal width need finite numbers, but they run from ${min} to ${max}; give the edges`,
      { fields: { method: at.method, min: String(min), max: String(max) } },
    );
  }
  // One bucket where all numbers are equal, as in Spark.
  if (min === max) return [min, max];
  return Array.from({ length: count + 1 }, (_, i) => (i === count ? max : min + (i * (max - min)) / count));
}
