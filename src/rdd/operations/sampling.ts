// Random samples. A partition's draws depend on the seed and the partition's number alone, so that a sample is the same on
// every master and after every retry. Without a seed it comes from the place of the RDD in the program.

import { KeyMap } from "../../codec/key-map.js";
import { partitionSeed, poisson, randomFrom } from "../../core/seeded-random.js";
import { invalidArgument } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

type Records = Iterable<unknown>;

/** `fraction`: the chance of each record, or with replacement the mean number of its copies. */
export function sample(at: Operand, withReplacement: unknown, fraction: unknown, seed: unknown): NodeHandle {
  requireFlag(at, "withReplacement", withReplacement);
  const most = withReplacement === true ? Number.POSITIVE_INFINITY : 1;
  const share = requireShare(at, "fraction", fraction, most);
  const base = seedOf(at, seed);
  const drawn = withReplacement === true ? drawCopies(share, base) : drawRange(0, share, base);
  return at.narrow({ op: "mapPartitionsWithIndex", fn: at.capture("fraction", drawn) }, true);
}

/** One RDD a weight: each record is in exactly one of them. Weights are divided by their sum. */
export function randomSplit(at: Operand, weights: unknown, seed: unknown): NodeHandle[] {
  if (!Array.isArray(weights) || weights.length === 0)
    throw invalidArgument(at.method, "weights", "an array of at least one number", weights);
  const all = weights.map((weight, i) => requireShare(at, `weights[${i}]`, weight, Number.POSITIVE_INFINITY));
  const sum = all.reduce((a, b) => a + b, 0);
  if (!(sum > 0)) throw invalidArgument(at.method, "weights", "numbers of which one is above 0", weights);
  const base = seedOf(at, seed);
  let from = 0;
  return all.map((weight, i) => {
    const begin = from;
    // The last one ends at 1 whatever rounding did.
    from = i === all.length - 1 ? 1 : Math.min(1, from + weight / sum);
    const drawn = drawRange(begin, from, base);
    return at.narrow({ op: "mapPartitionsWithIndex", fn: at.capture("weights", drawn) }, true);
  });
}

/** `fractions`: a Map, or a plain object for text keys; a key that is not there gives no records. */
export function sampleByKey(at: Operand, withReplacement: unknown, fractions: unknown, seed: unknown): NodeHandle {
  requireFlag(at, "withReplacement", withReplacement);
  const most = withReplacement === true ? Number.POSITIVE_INFINITY : 1;
  const entries = fractionsOf(at, fractions).map(
    ([key, share]) => [key, requireShare(at, `fractions of ${String(key)}`, share, most)] as const,
  );
  const drawn = drawByKey(entries, withReplacement === true, seedOf(at, seed));
  return at.narrow({ op: "mapPartitionsWithIndex", fn: at.capture("fractions", drawn) }, true);
}

/** The seed that was given, else one by the RDD's place in the program. */
export function seedOf(at: Operand, seed: unknown): number {
  if (seed === undefined) return at.node.node.id;
  if (typeof seed !== "number" || !Number.isSafeInteger(seed))
    throw invalidArgument(at.method, "seed", "an integer", seed);
  // Both halves of a large seed count.
  return (seed ^ Math.floor(seed / 4294967296)) >>> 0;
}

/** Records whose draw falls into [from, to). */
function drawRange(from: number, to: number, seed: number) {
  return function* (partition: number, records: Records): Generator<unknown> {
    const random = randomFrom(partitionSeed(seed, partition));
    for (const record of records) {
      const draw = random();
      if (draw >= from && draw < to) yield record;
    }
  };
}

function drawCopies(mean: number, seed: number) {
  return function* (partition: number, records: Records): Generator<unknown> {
    const random = randomFrom(partitionSeed(seed, partition));
    for (const record of records) for (let left = poisson(mean, random); left > 0; left--) yield record;
  };
}

function drawByKey(entries: readonly (readonly [unknown, number])[], copies: boolean, seed: number) {
  return function* (partition: number, records: Records): Generator<unknown> {
    const fractions = new KeyMap<number>();
    for (const [key, share] of entries) fractions.set(key, share);
    const random = randomFrom(partitionSeed(seed, partition));
    for (const record of records) {
      const share = fractions.get((record as readonly [unknown, unknown])[0]) ?? 0;
      const times = copies ? poisson(share, random) : random() < share ? 1 : 0;
      for (let left = times; left > 0; left--) yield record;
    }
  };
}

export function requireFlag(at: Operand, argument: string, value: unknown): void {
  if (typeof value !== "boolean") throw invalidArgument(at.method, argument, "true or false", value);
}

function requireShare(at: Operand, argument: string, value: unknown, most: number): number {
  if (typeof value === "number" && value >= 0 && value <= most && Number.isFinite(value)) return value;
  const expected = most === 1 ? "a number from 0 to 1" : "a finite number of at least 0";
  throw invalidArgument(at.method, argument, expected, value);
}

function fractionsOf(at: Operand, fractions: unknown): [unknown, unknown][] {
  if (fractions instanceof Map) return [...fractions];
  if (typeof fractions === "object" && fractions !== null && !Array.isArray(fractions))
    return Object.entries(fractions);
  throw invalidArgument(at.method, "fractions", "a Map or an object of numbers by key", fractions);
}
