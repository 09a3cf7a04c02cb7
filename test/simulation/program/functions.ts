// The functions of simulated programs, by name: `map:17` is the map with the number 17. Records are pairs of small integers
// between operations; what a step in between makes of them (lists, objects with padding) the next one brings back to that.
// The model (model.ts) and the real operators, through world/reviver.ts, call the same ones.

import { type BlobHash, blobHash } from "../../../src/core/ids.js";
import { partitionSeed, randomFrom } from "../../../src/core/seeded-random.js";
import type { CallSite, FunctionRef } from "../../../src/plan/function.js";

export type Pair = readonly [key: number, value: number];
export type AnyFunction = (...args: never[]) => unknown;

export const PRIME = 10007;
export const KEYS = 23;
/** Of the padding that makes values large enough to spill. */
const PAD = "x".repeat(9_000);

export const site: CallSite = { file: "/simulated.ts", line: 1, column: 1, method: "simulated" };

/** Of the attempt that runs: an unsteady function gives every attempt other records. The model runs as 0. */
let salt = 0;

export function runAs(attempt: string | null): void {
  salt = 0;
  for (const character of attempt ?? "") salt = (salt * 31 + character.charCodeAt(0)) % PRIME;
}

const makers: Readonly<Record<string, (code: number) => AnyFunction>> = {
  map:
    (code) =>
    ([k, v]: Pair): Pair => [(k * 3 + code) % KEYS, (v * 7 + code) % PRIME],
  unsteadyMap:
    (code) =>
    ([k, v]: Pair): Pair => [(k * 3 + code + salt) % KEYS, (v * 7 + code + salt) % PRIME],
  filter:
    (code) =>
    ([k, v]: Pair) =>
      (k + v + code) % 3 !== 0,
  flatMap:
    (code) =>
    ([k, v]: Pair): Pair[] =>
      v % 2 === 0
        ? [
            [k, v],
            [(k + code) % KEYS, v + 1],
          ]
        : [],
  mapValues: (code) => (v: number) => (v + code) % PRIME,
  /** Of a sample, as rdd/operations/sampling.ts makes it: a partition's draws depend on the seed and its number alone. */
  sample: (seed) =>
    function* (partition: number, records: Iterable<Pair>) {
      const next = randomFrom(partitionSeed(seed, partition));
      for (const record of records) if (next() < 0.6) yield record;
    },
  /** What zip, cartesian and the indexes make, as pairs again. */
  joinTwo:
    () =>
    ([[k, v], [l, w]]: readonly [Pair, Pair]): Pair => [(k * 3 + l) % KEYS, (v * 31 + w) % PRIME],
  addIndex:
    () =>
    ([[k, v], at]: readonly [Pair, number]): Pair => [k, (v * 31 + at) % PRIME],
  /** Both sides one after the other, with how many each had. */
  sideBySide:
    (code) =>
    (left: Iterable<Pair>, right: Iterable<Pair>): Pair[] => {
      const [some, others] = [[...left], [...right]];
      return [[code % KEYS, (some.length * 31 + others.length) % PRIME], ...some, ...others];
    },
  reverse: () => (records: Iterable<Pair>) => [...records].reverse(),
  sum: () => (a: number, b: number) => (a + b) % PRIME,
  sumPairs:
    () =>
    (a: Pair, b: Pair): Pair => [(a[0] * 31 + b[0]) % KEYS, (a[1] * 31 + b[1]) % PRIME],
  /** One number for the lists of values of all parents, in which their order counts. */
  digest: () => (lists: readonly Iterable<number>[]) =>
    lists.reduce((all, list, parent) => digest(list, all + parent * 101), 1),
  digestOne: () => (list: Iterable<number>) => digest(list, 1),
  pairUp:
    () =>
    ([l, r]: readonly [number, number]) =>
      (l * 31 + r) % PRIME,
  fatten: () => (v: number) => ({ v, pad: PAD }),
  digestFat: () => (list: Iterable<{ readonly v: number; readonly pad: string }>) => {
    let all = 1;
    for (const { v, pad } of list) all = (all * 31 + v + pad.length) % PRIME;
    return all;
  },
};

export function fn(kind: keyof typeof makers & string, code = 0): FunctionRef {
  const name = `${kind}:${code}`;
  return { hash: hashOf(name), bytes: new Uint8Array(0), async: false, name };
}

const live = new Map<string, AnyFunction>();

export function liveFunction({ name }: { readonly name: string }): AnyFunction {
  let found = live.get(name);
  if (found === undefined) {
    const [kind, code] = name.split(":") as [string, string];
    found = (makers[kind] as (code: number) => AnyFunction)(Number(code));
    live.set(name, found);
  }
  return found;
}

const hashes = new Map<string, BlobHash>();

function hashOf(name: string): BlobHash {
  let hash = hashes.get(name);
  if (hash === undefined) {
    hash = blobHash(name);
    hashes.set(name, hash);
  }
  return hash;
}

function digest(list: Iterable<number>, from: number): number {
  let all = from;
  for (const v of list) all = (all * 31 + v) % PRIME;
  return all;
}
