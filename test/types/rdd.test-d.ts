// What the compiler must infer for users of RDDs, and what it must refuse.

import { type RecordBatch, Table } from "apache-arrow";
import { describe, expectTypeOf, test } from "vitest";
import type { StorageLevel } from "../../src/plan/lineage.js";
import { hashPartitioner, type KeyPartitioner, rangePartitioner } from "../../src/rdd/partitioner.js";
import type { RDD } from "../../src/rdd/rdd.js";
import type { RddSession } from "../../src/rdd/session.js";

declare const session: RddSession;
declare const words: RDD<string>;
declare const pairs: RDD<readonly [string, number]>;

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

describe("pairs", () => {
  test("map with an array literal of two makes pairs", () => {
    expectTypeOf(words.map((word) => [word, 1])).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(words.map((word) => [word, 1] as const)).toEqualTypeOf<RDD<readonly [string, 1]>>();
    expectTypeOf(words.map((word): [string, Point] => [word, new Point(1, 2)])).toEqualTypeOf<
      RDD<readonly [string, Point]>
    >();
  });

  test("an async function's pairs are pairs too", () => {
    expectTypeOf(words.map(async (word) => [word, 1])).toEqualTypeOf<RDD<readonly [string, number]>>();
  });

  test("flatMap and mapPartitions make pairs", () => {
    expectTypeOf(words.flatMap((line) => line.split(" ").map((word) => [word, 1] as const))).toEqualTypeOf<
      RDD<readonly [string, 1]>
    >();
    expectTypeOf(words.flatMap((line) => [[line, 1]])).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(words.mapPartitions((all) => [...all].map((word): [string, number] => [word, 1]))).toEqualTypeOf<
      RDD<readonly [string, number]>
    >();
  });

  test("a word count has the types that it should", () => {
    const counts = session
      .textFile("x")
      .flatMap((line) => line.split(/\s+/))
      .map((word) => [word, 1])
      .reduceByKey((a, b) => a + b);
    expectTypeOf(counts).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(counts.top(10, ([, n]) => n)).resolves.toEqualTypeOf<(readonly [string, number])[]>();
    expectTypeOf(counts.countByKey()).resolves.toEqualTypeOf<Map<string, number>>();
  });

  test("operations of pairs keep key and value apart", () => {
    expectTypeOf(pairs.keys()).toEqualTypeOf<RDD<string>>();
    expectTypeOf(pairs.values()).toEqualTypeOf<RDD<number>>();
    expectTypeOf(pairs.mapValues((n) => new Point(n, n))).toEqualTypeOf<RDD<readonly [string, Point]>>();
    expectTypeOf(pairs.mapValues(async (n) => n > 1)).toEqualTypeOf<RDD<readonly [string, boolean]>>();
    expectTypeOf(pairs.flatMapValues((n) => [n, n])).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(pairs.groupByKey()).toEqualTypeOf<RDD<readonly [string, Iterable<number>]>>();
    expectTypeOf(pairs.sortByKey()).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(pairs.partitionBy({ partitions: 2, by: (key, n) => key.length % n })).toEqualTypeOf<
      RDD<readonly [string, number]>
    >();
    expectTypeOf(words.keyBy((word) => word.length)).toEqualTypeOf<RDD<readonly [number, string]>>();
  });

  test("join and cogroup put the values of both sides together", () => {
    const points = pairs.mapValues((n) => new Point(n, n));
    expectTypeOf(pairs.join(points)).toEqualTypeOf<RDD<readonly [string, readonly [number, Point]]>>();
    expectTypeOf(pairs.cogroup(points)).toEqualTypeOf<
      RDD<readonly [string, readonly [Iterable<number>, Iterable<Point>]]>
    >();
    expectTypeOf(pairs.cogroup([points, pairs])).toEqualTypeOf<
      RDD<readonly [string, readonly [Iterable<number>, Iterable<Point>, Iterable<number>]]>
    >();
  });

  test("the combineByKey family types its combiner", () => {
    expectTypeOf(
      pairs.aggregateByKey(
        0,
        (total, n) => total + n,
        (a, b) => a + b,
      ),
    ).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(
      pairs.aggregateByKey(
        [] as number[],
        (all, n) => [...all, n],
        (a, b) => [...a, ...b],
      ),
    ).toEqualTypeOf<RDD<readonly [string, number[]]>>();
    expectTypeOf(
      pairs.combineByKey(
        (n) => [n],
        (all, n) => [...all, n],
        (a, b) => [...a, ...b],
      ),
    ).toEqualTypeOf<RDD<readonly [string, number[]]>>();
    expectTypeOf(pairs.foldByKey(0, (a, b) => a + b)).toEqualTypeOf<RDD<readonly [string, number]>>();
  });

  test("a pair operation on other records is refused", () => {
    // @ts-expect-error: words are no pairs
    words.reduceByKey((a, b) => a + b);
    // @ts-expect-error: words are no pairs
    words.join(pairs);
    // @ts-expect-error: the keys differ in type
    pairs.join(session.range(3).keyBy((n) => n));
  });

  test("mutable tuples are pairs", () => {
    const mutable = session.parallelize([["a", 1]] as [string, number][]);
    expectTypeOf(mutable.reduceByKey((a, b) => a + b)).toEqualTypeOf<RDD<readonly [string, number]>>();
  });
});

describe("records", () => {
  test("map and flatMap", () => {
    expectTypeOf(words.map((word) => word.length)).toEqualTypeOf<RDD<number>>();
    expectTypeOf(words.map(async (word) => word.length)).toEqualTypeOf<RDD<number>>();
    // Any array literal becomes a tuple, because pairs are looked for first.
    expectTypeOf(words.map((word) => [word.length])).toEqualTypeOf<RDD<[number]>>();
    expectTypeOf(words.map((word) => word.split(" "))).toEqualTypeOf<RDD<string[]>>();
    // biome-ignore lint/suspicious/noExplicitAny: that JSON.parse gives any is what is tested
    expectTypeOf(words.map((word) => JSON.parse(word))).toEqualTypeOf<RDD<any>>();
    expectTypeOf(words.map<number[]>((word) => [1, word.length])).toEqualTypeOf<RDD<number[]>>();
    expectTypeOf(words.map((word) => ({ word, n: 1 }))).toEqualTypeOf<RDD<{ word: string; n: number }>>();
    expectTypeOf(words.map(() => new Point(1, 2))).toEqualTypeOf<RDD<Point>>();
    expectTypeOf(words.flatMap((word) => word.split(""))).toEqualTypeOf<RDD<string>>();
    expectTypeOf(
      words.flatMap(function* (word) {
        yield word.length;
      }),
    ).toEqualTypeOf<RDD<number>>();
    // @ts-expect-error: a number is not iterable
    words.flatMap((word) => word.length);
  });

  test("filter narrows by a type guard", () => {
    const mixed = session.parallelize<string | number>(["a", 1]);
    expectTypeOf(mixed.filter((record) => typeof record === "string")).toEqualTypeOf<RDD<string>>();
    expectTypeOf(words.filter((word) => word.length)).toEqualTypeOf<RDD<string>>();
  });

  test("mapPartitions takes generators, arrays and async generators", () => {
    expectTypeOf(
      words.mapPartitions(function* (all) {
        for (const word of all) yield word.length;
      }),
    ).toEqualTypeOf<RDD<number>>();
    expectTypeOf(
      words.mapPartitions(async function* (all) {
        for (const word of all) yield word.length;
      }),
    ).toEqualTypeOf<RDD<number>>();
    expectTypeOf(words.mapPartitionsWithIndex((partition, all) => [`${partition}:${[...all].length}`])).toEqualTypeOf<
      RDD<string>
    >();
  });

  test("union of different types", () => {
    expectTypeOf(words.union(session.range(3))).toEqualTypeOf<RDD<string | number>>();
    expectTypeOf(words.union(words)).toEqualTypeOf<RDD<string>>();
  });

  test("mapBatches takes batches, tables and several of them; records are what the user says", () => {
    expectTypeOf(words.mapBatches((batch) => batch)).toEqualTypeOf<RDD<Record<string, unknown>>>();
    expectTypeOf(words.mapBatches<Point>((batch) => new Table(batch))).toEqualTypeOf<RDD<Point>>();
    words.mapBatches((batch, signal) => {
      expectTypeOf(batch).toEqualTypeOf<RecordBatch>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      return [batch, new Table(batch)];
    });
    words.mapBatches(async (batch) => batch, { batchSize: 10, columns: { a: "number", b: "date" } });
    words.mapBatches(async function* (batch) {
      yield batch;
    });
    // @ts-expect-error: records are no batch
    words.mapBatches((batch) => batch.toArray());
    // @ts-expect-error: no kind of column
    words.mapBatches((batch) => batch, { columns: { a: "float" } });
  });

  test("partitioners are taken where a count is, and asked of an RDD", () => {
    expectTypeOf(pairs.partitionBy(hashPartitioner(2))).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(pairs.reduceByKey((a, b) => a + b, rangePartitioner(["m"]))).toEqualTypeOf<
      RDD<readonly [string, number]>
    >();
    expectTypeOf(pairs.join(pairs, rangePartitioner(2, pairs, false))).toEqualTypeOf<
      RDD<readonly [string, readonly [number, number]]>
    >();
    expectTypeOf(pairs.countApproxDistinctByKey(0.1, 2)).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(pairs.reduceByKeyLocally((a, b) => a + b)).resolves.toEqualTypeOf<Map<string, number>>();
    expectTypeOf(
      words.zipPartitions([words, pairs, pairs.values()], (a, b, c, d) => [[...a, ...b].length, [...c][0]?.[1], ...d]),
    ).toEqualTypeOf<RDD<number | undefined>>();
    expectTypeOf(pairs.partitioner).toEqualTypeOf<KeyPartitioner | null>();
    // @ts-expect-error: there may be none
    pairs.partitionBy(pairs.partitioner);
    // @ts-expect-error: an RDD's keys are sampled, not an array's
    rangePartitioner(2, ["a"]);
  });

  test("persist gives the same type back", () => {
    pairs.persist("MEMORY_AND_DISK_SER");
    // @ts-expect-error: one copy is kept
    pairs.persist("MEMORY_ONLY_2");
    expectTypeOf(pairs.localCheckpoint()).toEqualTypeOf<RDD<readonly [string, number]>>();
    expectTypeOf(pairs.checkpoint()).toEqualTypeOf<void>();
    expectTypeOf(pairs.getStorageLevel()).toEqualTypeOf<StorageLevel>();
    expectTypeOf(pairs.toDebugString()).resolves.toEqualTypeOf<string>();
    expectTypeOf(pairs.cache().setName("x").persist("DISK_ONLY")).toEqualTypeOf<RDD<readonly [string, number]>>();
  });

  test("an RDD of a narrower type is one of a wider type", () => {
    expectTypeOf<RDD<string>>().toExtend<RDD<string | number>>();
    expectTypeOf<RDD<string | number>>().not.toExtend<RDD<string>>();
  });
});

describe("sources and actions", () => {
  test("sources", () => {
    expectTypeOf(session.parallelize([1, 2])).toEqualTypeOf<RDD<number>>();
    expectTypeOf(session.parallelize(new Map([["a", 1]]))).toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf(session.parallelize("abc")).toEqualTypeOf<RDD<string>>();
    expectTypeOf(session.range(3)).toEqualTypeOf<RDD<number>>();
    expectTypeOf(session.binaryRecords("x", 100)).toEqualTypeOf<RDD<Uint8Array>>();
    expectTypeOf(session.emptyRDD<Point>()).toEqualTypeOf<RDD<Point>>();
    expectTypeOf(session.union([words, words])).toEqualTypeOf<RDD<string>>();
  });

  test("actions", () => {
    expectTypeOf(words.collect()).resolves.toEqualTypeOf<string[]>();
    expectTypeOf(words.first()).resolves.toEqualTypeOf<string>();
    expectTypeOf(words.reduce((a, b) => a + b)).resolves.toEqualTypeOf<string>();
    expectTypeOf(
      words.aggregate(
        0,
        (n, word) => n + word.length,
        (a, b) => a + b,
      ),
    ).resolves.toEqualTypeOf<number>();
    expectTypeOf(session.range(3).fold(0, (a, b) => a + b)).resolves.toEqualTypeOf<number>();
    for (const iterator of [words.toLocalIterator()]) expectTypeOf(iterator).toExtend<AsyncIterable<string>>();
  });

  test("shared values", () => {
    expectTypeOf(session.broadcast(new Point(1, 2)).value).toEqualTypeOf<Point>();
    const list = session.accumulator("list", {
      zero: [] as string[],
      add: (all, one: string) => [...all, one],
      merge: (a, b) => [...a, ...b],
    });
    expectTypeOf(list.value).toEqualTypeOf<string[]>();
    expectTypeOf(list.add).parameter(0).toEqualTypeOf<string>();
    expectTypeOf(session.longAccumulator("n").value).toEqualTypeOf<number>();
  });
});
