// Every operation against plain arrays, through the whole driver: lineage, codec, result assembly, driver-side folds.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RddSession } from "../../src/rdd/session.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
beforeAll(async () => {
  ({ session } = await openFakeSession({ pieceBytes: 100 }));
});
afterAll(() => session.stop());

const numbers = fc.array(fc.integer({ min: -20, max: 20 }));
const slices = fc.integer({ min: 1, max: 5 });
const pairs = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 0, max: 9 })));
const ordered = <T>(records: readonly T[]): T[] =>
  [...records].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const grouped = (records: readonly (readonly [string, number])[]): Map<string, number[]> => {
  const groups = new Map<string, number[]>();
  for (const [key, value] of records) groups.set(key, [...(groups.get(key) ?? []), value]);
  return groups;
};
const check = (property: fc.IAsyncProperty<unknown>) =>
  fc.assert(property as fc.IAsyncProperty<never>, { numRuns: 30 });

describe("records", () => {
  test("map, filter, flatMap and collect", () =>
    check(
      fc.asyncProperty(numbers, slices, async (all, n) => {
        const rdd = session.parallelize(all, n);
        expect(await rdd.map((x) => x * 2).collect()).toEqual(all.map((x) => x * 2));
        expect(await rdd.filter((x) => x % 2 === 0).collect()).toEqual(all.filter((x) => x % 2 === 0));
        expect(await rdd.flatMap((x) => [x, x]).collect()).toEqual(all.flatMap((x) => [x, x]));
      }),
    ));

  test("async functions keep the order", async () => {
    const rdd = session.parallelize([3, 1, 2], 2);
    expect(await rdd.map(async (x) => x + 1).collect()).toEqual([4, 2, 3]);
    expect(await rdd.filter(async (x) => x > 1).collect()).toEqual([3, 2]);
    expect(await rdd.flatMap(async (x) => [x]).collect()).toEqual([3, 1, 2]);
  });

  test("mapPartitions and mapPartitionsWithIndex", async () => {
    const rdd = session.parallelize([1, 2, 3, 4, 5], 2);
    expect(await rdd.mapPartitions((records) => [[...records].join()]).collect()).toEqual(["1,2", "3,4,5"]);
    const tagged = rdd.mapPartitionsWithIndex(function* (partition, records) {
      for (const record of records) yield `${partition}:${record}`;
    });
    expect(await tagged.collect()).toEqual(["0:1", "0:2", "1:3", "1:4", "1:5"]);
  });

  test("union, distinct and sortBy", () =>
    check(
      fc.asyncProperty(numbers, numbers, slices, async (left, right, n) => {
        const both = session.parallelize(left, n).union(session.parallelize(right));
        expect(await both.collect()).toEqual([...left, ...right]);
        expect(ordered(await both.distinct(n).collect())).toEqual(ordered([...new Set([...left, ...right])]));
        expect(await both.sortBy((x) => x, true, n).collect()).toEqual([...left, ...right].sort((a, b) => a - b));
        expect(await both.sortBy((x) => x, false).collect()).toEqual([...left, ...right].sort((a, b) => b - a));
      }),
    ));

  test("repartition and coalesce keep all records", () =>
    check(
      fc.asyncProperty(numbers, slices, slices, async (all, n, m) => {
        const rdd = session.parallelize(all, n);
        expect(ordered(await rdd.repartition(m).collect())).toEqual(ordered(all));
        expect(await rdd.coalesce(m).collect()).toEqual(all);
        expect(await rdd.coalesce(m).numPartitions()).toBe(Math.min(n, m));
        expect(await rdd.coalesce(m, true).numPartitions()).toBe(m);
      }),
    ));
});

describe("pairs", () => {
  test("keyBy, keys, values, mapValues and flatMapValues", async () => {
    const rdd = session.parallelize(["x", "yy"]).keyBy((word) => word.length);
    expect(await rdd.collect()).toEqual([
      [1, "x"],
      [2, "yy"],
    ]);
    expect(await rdd.keys().collect()).toEqual([1, 2]);
    expect(await rdd.values().collect()).toEqual(["x", "yy"]);
    expect(await rdd.mapValues((word) => word.toUpperCase()).collect()).toEqual([
      [1, "X"],
      [2, "YY"],
    ]);
    expect(await rdd.flatMapValues((word) => [...word]).collect()).toEqual([
      [1, "x"],
      [2, "y"],
      [2, "y"],
    ]);
  });

  test("the combineByKey family", () =>
    check(
      fc.asyncProperty(pairs, slices, slices, async (all, n, m) => {
        const rdd = session.parallelize(all, n);
        const sums = [...grouped(all)].map(([key, values]) => [key, values.reduce((a, b) => a + b, 0)]);
        expect(ordered(await rdd.reduceByKey((a, b) => a + b, m).collect())).toEqual(ordered(sums));
        expect(ordered(await rdd.foldByKey(0, (a, b) => a + b).collect())).toEqual(ordered(sums));
        const lists = [...grouped(all)];
        const append = (list: number[], value: number) => [...list, value];
        const concat = (left: number[], right: number[]) => [...left, ...right];
        expect(ordered(await rdd.aggregateByKey([] as number[], append, concat, m).collect())).toEqual(ordered(lists));
        expect(ordered(await rdd.combineByKey((v) => [v], append, concat).collect())).toEqual(ordered(lists));
        expect(ordered(await rdd.groupByKey(m).collect())).toEqual(ordered(lists));
      }),
    ));

  test("cogroup and join", () =>
    check(
      fc.asyncProperty(pairs, pairs, slices, async (left, right, n) => {
        const [l, r] = [session.parallelize(left, n), session.parallelize(right)];
        const joined = left.flatMap(([key, a]) =>
          right.filter(([other]) => other === key).map(([, b]) => [key, [a, b]]),
        );
        expect(ordered(await l.join(r).collect())).toEqual(ordered(joined));
        const keys = [...new Set([...left, ...right].map(([key]) => key))];
        const expected = keys.map((key) => [key, [grouped(left).get(key) ?? [], grouped(right).get(key) ?? []]]);
        expect(ordered(await l.cogroup(r, n).collect())).toEqual(ordered(expected));
        expect(await l.cogroup([r, l]).count()).toBe(keys.length);
      }),
    ));

  test("sortByKey is stable", async () => {
    const rdd = session.parallelize(
      [
        ["b", 1],
        ["a", 2],
        ["b", 0],
        ["a", 1],
      ] as [string, number][],
      2,
    );
    expect(await rdd.sortByKey().collect()).toEqual([
      ["a", 2],
      ["a", 1],
      ["b", 1],
      ["b", 0],
    ]);
    expect(await rdd.sortByKey(false, 3).keys().collect()).toEqual(["b", "b", "a", "a"]);
  });

  test("partitionBy with a function of the user's", async () => {
    const rdd = session
      .range(6)
      .keyBy((n) => n)
      .partitionBy({ partitions: 2, by: (key) => (key < 4 ? 1 : 0) });
    expect(
      await rdd
        .values()
        .mapPartitions((records) => [[...records].join()])
        .collect(),
    ).toEqual(["4,5", "0,1,2,3"]);
  });
});

describe("actions", () => {
  test("count, take, first, isEmpty, top and takeOrdered", () =>
    check(
      fc.asyncProperty(numbers, slices, fc.integer({ min: 0, max: 8 }), async (all, n, k) => {
        const rdd = session.parallelize(all, n);
        expect(await rdd.count()).toBe(all.length);
        expect(await rdd.take(k)).toEqual(all.slice(0, k));
        expect(await rdd.isEmpty()).toBe(all.length === 0);
        if (all.length > 0) expect(await rdd.first()).toBe(all[0]);
        expect(await rdd.top(k)).toEqual([...all].sort((a, b) => b - a).slice(0, k));
        expect(await rdd.top(k, (x) => -x)).toEqual([...all].sort((a, b) => a - b).slice(0, k));
        expect(await rdd.takeOrdered(k)).toEqual([...all].sort((a, b) => a - b).slice(0, k));
      }),
    ));

  test("top keeps the earlier of equals", async () => {
    const rdd = session.parallelize(
      [
        ["x", 1],
        ["y", 2],
        ["z", 1],
        ["w", 2],
      ] as [string, number][],
      3,
    );
    expect(await rdd.top(3, ([, n]) => n)).toEqual([
      ["y", 2],
      ["w", 2],
      ["x", 1],
    ]);
  });

  test("reduce, fold and aggregate go in the order of partitions", () =>
    check(
      fc.asyncProperty(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), slices, async (all, n) => {
        const rdd = session.parallelize(all, n);
        const text = all.map(String).join("");
        expect(await rdd.map(String).reduce((a, b) => a + b)).toBe(text);
        expect(await rdd.map(String).fold("", (a, b) => a + b)).toBe(text);
        const max = await rdd.aggregate(
          -Infinity,
          (a, b) => Math.max(a, b),
          (a, b) => Math.max(a, b),
        );
        expect(max).toBe(Math.max(...all));
      }),
    ));

  test("a zero that functions change is copied for each use", async () => {
    const zero: number[] = [];
    const rdd = session.range(0, 5, 1, 3);
    const push = (list: number[], n: number) => {
      list.push(n);
      return list;
    };
    const lists = () => rdd.aggregate(zero, push, (a, b) => b.reduce(push, a));
    expect(await lists()).toEqual([0, 1, 2, 3, 4]);
    expect(await lists()).toEqual([0, 1, 2, 3, 4]);
    expect(zero).toEqual([]);
  });

  test("countByKey tells keys by content", async () => {
    const rdd = session
      .parallelize(
        [
          [1, 2],
          [1, 2],
          [2, 1],
          [1, 2],
        ],
        3,
      )
      .keyBy((key) => key);
    expect([...(await rdd.countByKey())]).toEqual([
      [[1, 2], 3],
      [[2, 1], 1],
    ]);
    const mixed = session.parallelize([NaN, 0, -0, NaN, "0"]).keyBy((key) => key);
    expect(await mixed.countByKey()).toEqual(
      new Map<unknown, number>([
        [NaN, 2],
        [0, 2],
        ["0", 1],
      ]),
    );
  });

  test("foreach and foreachPartition see every record", async () => {
    const seen: number[] = [];
    await session.range(4).foreach((n) => void seen.push(n));
    await session.range(4).foreachPartition((records) => void seen.push(...records));
    expect(seen).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  test("reduce and first on nothing are EMPTY_COLLECTION", async () => {
    const empty = session.parallelize<number>([], 3);
    await expect(empty.reduce((a, b) => a + b)).rejects.toMatchObject({ code: "EMPTY_COLLECTION" });
    await expect(session.emptyRDD<number>().first()).rejects.toMatchObject({ code: "EMPTY_COLLECTION" });
    expect(await session.emptyRDD<number>().fold(7, (a, b) => a + b)).toBe(7);
  });

  test("accumulators and broadcast values", async () => {
    const seen = session.longAccumulator("seen");
    const factor = session.broadcast({ factor: 3 });
    const result = await session
      .range(4)
      .map((n) => {
        seen.add(1);
        return n * factor.value.factor;
      })
      .collect();
    expect(result).toEqual([0, 3, 6, 9]);
    expect(seen.value).toBe(4);
    seen.reset();
    expect(seen.value).toBe(0);
  });
});
