// One key with half of all records against keys that are all alike: reduceByKey, and a join whose other side has one row a key.
// Shown are the times of both and their ratios, which the engine's targets speak of: at most 1.5 and 2.5.

import type { Session } from "millrace";
import { scaled, type Workload } from "./workload.js";

const RECORDS = 20_000_000;
const KEYS = 1_000_000;
const PARTITIONS = 8;
/** So many a record of a join counts for in its sum: a record too many shows as well as a wrong one. */
const WEIGHT = 1_000;

interface Case {
  readonly records: number;
  readonly keys: number;
  /** Every other record has key 0. */
  readonly hot: boolean;
}

export const skew: Workload = {
  title: "20 M records, uniform keys against one key with half of them",
  input: null,
  async run(session, { size }) {
    const records = scaled(RECORDS, size);
    const keys = scaled(KEYS, size);
    const [reduceUniform, reduceUniformMs] = await timed(() => reduced(session, { records, keys, hot: false }));
    const [reduceHot, reduceHotMs] = await timed(() => reduced(session, { records, keys, hot: true }));
    const [joinUniform, joinUniformMs] = await timed(() => joined(session, { records, keys, hot: false }));
    const [joinHot, joinHotMs] = await timed(() => joined(session, { records, keys, hot: true }));
    return () => ({
      reduceUniform,
      reduceHot,
      joinUniform,
      joinHot,
      reduceUniformMs,
      reduceHotMs,
      joinUniformMs,
      joinHotMs,
      reduceRatio: reduceHotMs / reduceUniformMs,
      joinRatio: joinHotMs / joinUniformMs,
    });
  },
  plain({ size }) {
    const records = scaled(RECORDS, size);
    const keys = scaled(KEYS, size);
    const values: Record<string, number> = {};
    for (const hot of [false, true]) {
      let reduce = 0;
      let join = 0;
      const sums = new Float64Array(keys);
      for (let n = 0; n < records; n++) {
        const key = hot && n % 2 === 0 ? 0 : (n * 7_919) % keys;
        sums[key]! += n % 100;
        join += WEIGHT + (n % 100) * (key % 7);
      }
      for (let key = 0; key < keys; key++) reduce += sums[key]! * ((key % 5) + 1);
      values[hot ? "reduceHot" : "reduceUniform"] = reduce;
      values[hot ? "joinHot" : "joinUniform"] = join;
    }
    return () => values;
  },
};

function pairs(session: Session, { records, keys, hot }: Case) {
  const all = session.range(0, records, 1, PARTITIONS);
  return hot
    ? all.map((n) => [n % 2 === 0 ? 0 : (n * 7_919) % keys, n % 100] as const)
    : all.map((n) => [(n * 7_919) % keys, n % 100] as const);
}

function reduced(session: Session, one: Case): Promise<number> {
  return pairs(session, one)
    .reduceByKey((a, b) => a + b, PARTITIONS)
    .map(([key, sum]) => sum * ((key % 5) + 1))
    .reduce((a, b) => a + b);
}

function joined(session: Session, one: Case): Promise<number> {
  const others = session.range(0, one.keys, 1, PARTITIONS).map((key) => [key, key % 7] as const);
  return pairs(session, one)
    .join(others, PARTITIONS)
    .map(([, [value, factor]]) => WEIGHT + value * factor)
    .reduce((a, b) => a + b);
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const started = performance.now();
  const answer = await work();
  return [answer, performance.now() - started];
}
