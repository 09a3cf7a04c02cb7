// Bad arguments are told where they are written: which method, which argument, what was expected, what was found.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { MillraceError } from "../../src/core/errors.js";
import type { RDD } from "../../src/rdd/rdd.js";
import type { RddSession } from "../../src/rdd/session.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
let rdd: RDD<readonly [string, number]>;
beforeAll(async () => {
  ({ session } = await openFakeSession());
  rdd = session.parallelize([["a", 1]] as const);
});
afterAll(() => session.stop());

const bad = (value: unknown) => value as never;

test.each<[string, () => unknown, string]>([
  ["map without a function", () => rdd.map(bad(undefined)), "map: fn must be a function, found undefined"],
  ["map of a class", () => rdd.map(bad(class Foo {})), "map: fn must be a function, found class Foo"],
  [
    "reduceByKey into 0 partitions",
    () => rdd.reduceByKey((a) => a, 0),
    "reduceByKey: partitions must be an integer from 1 to 1000000, found the number 0",
  ],
  ["reduceByKey into NaN partitions", () => rdd.reduceByKey((a) => a, NaN), "found the number NaN"],
  [
    "join into 1.5 partitions",
    () => rdd.join(rdd, 1.5),
    "join: partitions must be an integer from 1 to 1000000, found the number 1.5",
  ],
  ["repartition into nothing", () => rdd.repartition(bad(undefined)), "repartition: partitions must be an integer"],
  ["partitionBy without a count", () => rdd.partitionBy(bad(undefined)), "partitionBy: partitions must be an integer"],
  [
    "partitionBy by no function",
    () => rdd.partitionBy({ partitions: 2, by: bad(1) }),
    "partitionBy: by must be a function, found the number 1",
  ],
  [
    "coalesce by a text",
    () => rdd.coalesce(bad("2")),
    'coalesce: partitions must be an integer from 1 to 1000000, found the string "2"',
  ],
  ["join with an array", () => rdd.join(bad([])), "join: other must be an RDD, found an array of length 0"],
  ["take of a negative number", () => rdd.take(-1), "take: n must be an integer of at least 0, found the number -1"],
  ["top of Infinity", () => rdd.top(Infinity), "top: n must be an integer of at least 0"],
  ["persist at an unknown level", () => rdd.persist(bad("MEMORY")), 'persist: level must be one of "MEMORY_ONLY"'],
  [
    "a signal that is none",
    () => rdd.count({ signal: bad(1) }),
    "count: options.signal must be an AbortSignal, found the number 1",
  ],
  ["an empty path", () => rdd.saveAsTextFile(""), "saveAsTextFile: path must be a text that is not empty"],
  [
    "an unknown compression",
    () => rdd.saveAsTextFile("x", { compression: bad("zip") }),
    'options.compression must be "none" or "gzip", found the string "zip"',
  ],
  [
    "textFile of nothing",
    () => session.textFile([]),
    "textFile: paths must be at least one path, found an array of length 0",
  ],
  [
    "textFile of a number",
    () => session.textFile(bad(3)),
    "textFile: paths must be a text that is not empty, found the number 3",
  ],
  ["records of length 0", () => session.binaryRecords("x", 0), "binaryRecords: recordLength must be an integer"],
  [
    "parallelize of a number",
    () => session.parallelize(bad(3)),
    "parallelize: elements must be an iterable, found the number 3",
  ],
  ["parallelize into -1 slices", () => session.parallelize([], -1), "parallelize: slices must be an integer"],
  ["a range by steps of 0", () => session.range(0, 9, 0), "range: step must be a number other than 0"],
  ["a range to NaN", () => session.range(NaN), "range: end must be a finite number, found the number NaN"],
  [
    "an accumulator without functions",
    () => session.accumulator("x", bad({ zero: 1 })),
    "accumulator: add must be a function, found undefined",
  ],
  ["an accumulator without a name", () => session.longAccumulator(""), "accumulator: name must be a text"],
  ["union of no RDDs", () => session.union(bad([1])), "union: rdds must be an array of RDDs, found the number 1"],
])("%s", (_title, call, message) => {
  expect(call).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
  );
});

test("the facts stand in the error's fields too", () => {
  const error = (() => {
    try {
      rdd.repartition(0);
    } catch (thrown) {
      return thrown as MillraceError;
    }
  })();
  expect(error?.fields).toEqual({
    method: "repartition",
    argument: "partitions",
    expected: "an integer from 1 to 1000000",
    found: "the number 0",
  });
});

test.each<[string, () => unknown]>([
  ["reduceByKey", () => rdd.reduceByKey(bad(async (a: number) => a))],
  [
    "aggregateByKey",
    () =>
      rdd.aggregateByKey(
        0,
        bad(async () => 0),
        (a) => a,
      ),
  ],
  [
    "combineByKey",
    () =>
      rdd.combineByKey(
        bad(async () => 0),
        (a) => a,
        (a) => a,
      ),
  ],
  ["sortBy", () => rdd.sortBy(bad(async () => 0))],
  [
    "top",
    () =>
      rdd.top(
        1,
        bad(async () => 0),
      ),
  ],
  ["reduce", () => rdd.reduce(bad(async (a: unknown) => a))],
  [
    "aggregate",
    () =>
      rdd.aggregate(
        0,
        (a) => a,
        bad(async () => 0),
      ),
  ],
  ["partitionBy", () => rdd.partitionBy({ partitions: 2, by: bad(async () => 0) })],
  ["accumulator", () => session.accumulator("x", { zero: 0, add: bad(async () => 0), merge: (a) => a })],
])("%s refuses an async function", (_method, call) => {
  expect(call).toThrow(expect.objectContaining({ code: "SYNC_FUNCTION_REQUIRED" }));
});
