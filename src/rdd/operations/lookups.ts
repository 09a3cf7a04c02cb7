// Actions that bring something small of an RDD to the driver: values of a key, counts of values, a map, a random few.

import { KeyMap } from "../../codec/key-map.js";
import { keysEqual } from "../../codec/keys.js";
import { partitionSeed, randomFrom } from "../../core/seeded-random.js";
import { requireCount } from "../../session/arguments.js";
import type { Operand } from "../operand.js";
import { collect } from "./collect.js";
import { reduceByKey } from "./combine.js";
import { count, countByKey } from "./count.js";
import type { ActionOptions } from "./run-action.js";
import { requireFlag, sample, seedOf } from "./sampling.js";

/** More draws than wanted, so that one round is nearly always enough: Spark's numStdev. */
const MARGIN_STDEV = 12;

export function countByValue(at: Operand, options: ActionOptions | undefined): Promise<Map<unknown, number>> {
  return countByKey(at.on(at.narrow({ op: "asKey" })), options);
}

export async function collectAsMap(at: Operand, options: ActionOptions | undefined): Promise<Map<unknown, unknown>> {
  const pairs = (await collect(at, options)) as [unknown, unknown][];
  // Of equal keys the last value stays, under the first key's object.
  const last = new KeyMap<unknown>();
  for (const [key, value] of pairs) last.set(key, value);
  return new Map(last.entries());
}

export function reduceByKeyLocally(
  at: Operand,
  fn: unknown,
  options: ActionOptions | undefined,
): Promise<Map<unknown, unknown>> {
  return collectAsMap(at.on(reduceByKey(at, fn, undefined)), options);
}

/** The values of one key, in order. */
export async function lookup(at: Operand, key: unknown, options: ActionOptions | undefined): Promise<unknown[]> {
  const { bytes } = at.session.values.value(key, at.method);
  const wanted = at.session.values.decode(bytes);
  const found = at.narrow({ op: "filter", fn: at.capture("key", isOfKey(wanted)) });
  return collect(at.on(at.on(found).narrow({ op: "values" })), options);
}

function isOfKey(key: unknown) {
  return ([other]: readonly [unknown, unknown]) => keysEqual(other, key);
}

/** Exactly n records (fewer only when there are not so many and none may come twice), in random order. */
export async function takeSample(
  at: Operand,
  withReplacement: unknown,
  n: unknown,
  seed: unknown,
  options: ActionOptions | undefined,
): Promise<unknown[]> {
  requireFlag(at, "withReplacement", withReplacement);
  const wanted = requireCount(at.method, "n", n);
  const base = seedOf(at, seed);
  if (wanted === 0) return [];
  const all = await count(at, options);
  if (all === 0) return [];
  const random = randomFrom(partitionSeed(base, -1));
  if (withReplacement === false && wanted >= all) return shuffled(await collect(at, options), random);
  let drawn: unknown[] = [];
  for (let round = 0; drawn.length < wanted; round++) {
    const share = shareFor(wanted, all, withReplacement === true) * 2 ** round;
    const fraction = withReplacement === true ? share : Math.min(1, share);
    drawn = await collect(at.on(sample(at, withReplacement, fraction, base + round)), options);
  }
  return shuffled(drawn, random).slice(0, wanted);
}

/** A share with which fewer than `wanted` of `all` come in one of ten thousand draws at most (Spark's SamplingUtils). */
function shareFor(wanted: number, all: number, copies: boolean): number {
  const share = wanted / all;
  if (copies) return share + (wanted < MARGIN_STDEV ? 12 : 9) * Math.sqrt(share / all);
  const gamma = -Math.log(1e-4) / all;
  return Math.min(1, share + gamma + Math.sqrt(gamma * gamma + 2 * gamma * share));
}

/** Fisher and Yates. */
function shuffled(records: readonly unknown[], random: () => number): unknown[] {
  const all = [...records];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}
