// Map tasks that give other records each time they run, and a worker ended by SIGKILL after readers have taken what it held: the
// answer is made from one version of every map output, whoever reads it.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const MAPS = 6;
const REDUCERS = 8;
let session: Session | null = null;
let faults = 0;

afterEach(async () => {
  await session?.stop();
  session = null;
});

const freshFault = () => join(engine.directory, `indeterminate-${++faults}`);

/**
 * A shuffle of random keys and values, and what each reducer makes of it. The reducer of partition 3 of the first run kills its
 * own process, which holds map outputs that the reducers before it have read; nobody tells their number before `ready`.
 */
function unsteady(s: Session, fault: string) {
  const shuffled = s
    .range(0, 600, 1, MAPS)
    .map((n) => [Math.floor(Math.random() * 1_000_000), { n, salt: Math.random() }])
    .partitionBy(REDUCERS);
  return shuffled.mapPartitionsWithIndex((partition, records) => {
    const all = [...records];
    if (partition === 5 && !existsSync(fault)) {
      writeFileSync(fault, String(process.pid));
      process.kill(process.pid, "SIGKILL");
    }
    return all;
  });
}

/** Every record of the source exactly once: two versions of one map output put some twice and others nowhere. */
function expectOneVersion(
  records: readonly (readonly [number, { readonly n: number; readonly salt: number }])[],
): void {
  expect(records.map(([, { n }]) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n));
}

test("every record comes once, though reducers had finished when a map output was lost", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const fault = freshFault();
  const records = await unsteady(session, fault).collect();
  expect(existsSync(fault)).toBe(true);
  expectOneVersion(records);
  expect(session.lastJob?.failedAttempts).toBeGreaterThan(0);
});

test("two readers of one shuffle agree on every value", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const fault = freshFault();
  const read = unsteady(session, fault);
  // Another exchange over each half: both are made from the one shuffle, partly before the loss and partly after.
  const salts = read.mapValues(({ salt }) => salt).reduceByKey((a, b) => a + b, 3);
  const both = await salts
    .cogroup(
      read.mapValues(({ salt }) => salt),
      3,
    )
    .collect();
  expect(existsSync(fault)).toBe(true);
  expect(both.length).toBeGreaterThan(500);
  for (const [key, [left, right]] of both) {
    const sum = [...right].reduce((a, b) => a + b, 0);
    expect([key, [...left][0]]).toEqual([key, expect.closeTo(sum, 9)]);
  }
});

test("a fold in the driver starts over with the results", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const fault = freshFault();
  const read = unsteady(session, fault).map(([, { n }]) => n);
  expect(await read.reduce((a, b) => a + b)).toBe((599 * 600) / 2);
  expect(existsSync(fault)).toBe(true);
});

test("a saved output holds one version", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const fault = freshFault();
  const path = join(engine.directory, "one-version");
  await unsteady(session, fault)
    .map(([, { n }]) => n)
    .saveAsTextFile(path);
  expect(existsSync(fault)).toBe(true);
  const lines = await session.textFile(join(path, "part-*")).collect();
  expect(lines.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n));
});

test("records that a program has taken one by one cannot be taken back: the job says so", async () => {
  session = await engine.open("local-cluster[2,1,512m]");
  const fault = freshFault();
  const taken: number[] = [];
  const stream = async () => {
    for await (const [, { n }] of unsteady(session as Session, fault).toLocalIterator()) taken.push(n);
  };
  await expect(stream()).rejects.toMatchObject({
    code: "INDETERMINATE_RESULT",
    message: expect.stringMatching(/partitionBy at .*indeterminate\.test\.ts:\d+.*Seed the random numbers/s),
  });
  expect(existsSync(fault)).toBe(true);
});
