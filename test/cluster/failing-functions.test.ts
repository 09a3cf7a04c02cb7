// A function that throws, wherever in a job it runs: the error names the operator that the user called it in, carries the
// function's own error, and leaves the session usable.

import { beforeAll, expect, test } from "vitest";
import type { RDD } from "../../src/rdd/rdd.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let session: Session;
beforeAll(async () => {
  session = await engine.open("local[2]", { "task.maxFailures": 1 });
});

const boom = (): never => {
  throw new RangeError("boom");
};

/** Pairs of two keys, so that every function that combines is called on the map side. */
const pairs = (): RDD<readonly [number, number]> => session.range(0, 20, 1, 2).map((n) => [n % 2, n]);
/** Without a map side combine the functions are called by reducers first. */
const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  map: () => pairs().map(boom).count(),
  flatMap: () => pairs().flatMap(boom).count(),
  filter: () => pairs().filter(boom).count(),
  mapPartitions: () => pairs().mapPartitions(boom).count(),
  mapPartitionsWithIndex: () => pairs().mapPartitionsWithIndex(boom).count(),
  keyBy: () => pairs().keyBy(boom).count(),
  mapValues: () => pairs().mapValues(boom).count(),
  flatMapValues: () => pairs().flatMapValues(boom).count(),
  reduceByKey: () => pairs().reduceByKey(boom).count(),
  foldByKey: () => pairs().foldByKey(0, boom).count(),
  aggregateByKey: () => pairs().aggregateByKey(0, boom, boom).count(),
  combineByKey: () => pairs().combineByKey(boom, boom, boom, 2, false).count(),
  sortBy: () => pairs().sortBy(boom).count(),
  partitionBy: () => pairs().partitionBy({ partitions: 2, by: boom }).count(),
  reduce: () => pairs().reduce(boom),
  aggregate: () => pairs().aggregate(0, boom, boom),
  fold: () => pairs().keys().fold(0, boom),
  top: () => pairs().top(3, boom),
  takeOrdered: () => pairs().takeOrdered(3, boom),
  foreach: () => pairs().foreach(boom),
  foreachPartition: () => pairs().foreachPartition(boom),
};

test.each(Object.entries(programs))("%s names itself and the function's error", async (name, program) => {
  const error = await program().then(
    () => expect.unreachable(),
    (thrown: Error & { code?: string }) => thrown,
  );
  expect(error.code).toBe("JOB_FAILED");
  expect(error.message).toMatch(
    new RegExp(`^${name} at \\S*failing-functions\\.test\\.ts:\\d+:\\d+.*RangeError: boom`),
  );
  expect(error.cause).toMatchObject({ name: "RangeError", message: "boom" });
});

test("the session is usable afterwards", async () => {
  expect(
    await pairs()
      .reduceByKey((a, b) => a + b)
      .sortByKey()
      .values()
      .collect(),
  ).toEqual([90, 100]);
});
