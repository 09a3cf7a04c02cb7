// How many jobs, stages and tasks a program takes: transformations start none, shuffles and cached partitions are used again,
// a known partitioner saves an exchange. What ran is seen by accumulators and by the job's summary.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();

/** Names of the cached partitions that lie in files of any worker. */
function cacheFiles(): string[] {
  return readdirSync(engine.directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.includes("/cache/"))
    .map((entry) => join(entry.parentPath, entry.name));
}

const masters: readonly { master: string; options: SessionOptions }[] = [
  { master: "local", options: {} },
  { master: "local[3]", options: { memory: "512m" } },
  { master: "local-cluster[2,1,512m]", options: {} },
];

describe.each(masters)("on $master", ({ master, options }) => {
  let opened: Promise<Session> | null = null;
  const session = () => {
    opened ??= engine.open(master, options);
    return opened;
  };
  const ran = async () => {
    const last = (await session()).lastJob;
    return { stages: last?.stages, tasks: last?.tasks };
  };

  test("no transformation starts a job; every action is one", async () => {
    const s = await session();
    const before = s.statistics.jobs;
    const jobs = () => s.statistics.jobs - before;
    const pairs = s.range(0, 100, 1, 4).map((n) => [n % 7, n]);
    const all = pairs
      .reduceByKey((a, b) => a + b)
      .sortByKey(false)
      .union(pairs.distinct().sortBy(([, n]) => n))
      .repartition(3)
      .coalesce(2)
      .cache();
    const joined = all.join(pairs).cogroup(pairs.groupByKey());
    expect(await joined.numPartitions()).toBe(4);
    expect(jobs()).toBe(0);
    expect(await all.count()).toBe(107);
    expect(jobs()).toBe(1);
    expect(await pairs.sortBy(([, n]) => -n, true, 3).take(5)).toHaveLength(5);
    expect(jobs()).toBe(2);
    expect(await pairs.sortByKey().first()).toEqual([0, 0]);
    expect(jobs()).toBe(3);
    await all.top(3);
    await all.isEmpty();
    await joined.foreach(() => undefined);
    expect(jobs()).toBe(6);
  });

  test("take looks at few partitions, in one job that grows", async () => {
    const s = await session();
    const looked = s.longAccumulator("looked at");
    const rdd = s.range(0, 64, 1, 32).mapPartitionsWithIndex((index, numbers) => {
      looked.add(1);
      // Only partitions from 4 on have records.
      return index < 4 ? [] : numbers;
    });
    const before = s.statistics.jobs;
    expect(await rdd.take(1)).toEqual([8]);
    expect(s.statistics.jobs - before).toBe(1);
    expect(looked.value).toBeGreaterThanOrEqual(5);
    expect(looked.value).toBeLessThanOrEqual(21);
    expect(await rdd.take(1000)).toHaveLength(56);
    expect(await rdd.first()).toBe(8);
  });

  test("a shuffle that an earlier job computed is used again", async () => {
    const s = await session();
    const mapped = s.longAccumulator("mapped");
    const counts = s
      .range(0, 40, 1, 4)
      .map((n) => {
        mapped.add(1);
        return [n % 5, 1];
      })
      .reduceByKey((a, b) => a + b, 3);
    expect(await counts.count()).toBe(5);
    expect(await ran()).toEqual({ stages: 2, tasks: 7 });
    expect((await counts.collect()).map(([, n]) => n)).toEqual([8, 8, 8, 8, 8]);
    expect(await ran()).toEqual({ stages: 1, tasks: 3 });
    // Also below another exchange.
    expect(
      await counts
        .map(([, n]) => [n, 1])
        .reduceByKey((a, b) => a + b, 2)
        .collect(),
    ).toEqual([[8, 5]]);
    expect(await ran()).toEqual({ stages: 2, tasks: 5 });
    expect(await counts.sortByKey(true, 2).keys().collect()).toEqual([0, 1, 2, 3, 4]);
    expect(mapped.value).toBe(40);
  });

  test("a known partitioner saves an exchange", async () => {
    const s = await session();
    const placed = s
      .range(0, 40, 1, 4)
      .map((n) => [n % 10, n])
      .partitionBy(3);
    expect(await placed.count()).toBe(40);
    expect(
      await placed
        .reduceByKey((a, b) => a + b)
        .mapValues((n) => n + 1)
        .groupByKey(3)
        .count(),
    ).toBe(10);
    expect(await ran()).toEqual({ stages: 1, tasks: 3 });
    expect(await placed.join(placed.mapValues((n) => -n)).count()).toBe(160);
    expect(await ran()).toEqual({ stages: 1, tasks: 3 });
    // Another count of partitions, or keys that a map may have changed, need one.
    expect(await placed.reduceByKey((a, b) => a + b, 2).count()).toBe(10);
    expect(await ran()).toEqual({ stages: 2, tasks: 5 });
    expect(
      await placed
        .map(([key, n]) => [key, n])
        .reduceByKey((a, b) => a + b)
        .count(),
    ).toBe(10);
    expect(await ran()).toEqual({ stages: 2, tasks: 6 });
    const by = (key: number, count: number) => key % count;
    const own = placed.partitionBy({ partitions: 2, by });
    expect(await own.count()).toBe(40);
    const even = own.reduceByKey((a, b) => a + b, { partitions: 2, by }).keys();
    expect((await even.collect()).map((key) => key % 2)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    expect(await ran()).toEqual({ stages: 1, tasks: 2 });
  });

  test.each(["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"] as const)(
    "%s partitions are computed once",
    async (level) => {
      const s = await session();
      const computed = s.longAccumulator("computed");
      const source = s.range(0, 30, 1, 4).map((n) => {
        computed.add(1);
        return { n, text: `number ${n}` };
      });
      const kept = source.persist(level);
      expect(kept).toBe(source);
      const all = await kept.collect();
      expect(all).toHaveLength(30);
      expect(await kept.collect()).toEqual(all);
      expect(
        await kept
          .map(({ n }) => [n % 3, n])
          .reduceByKey((a, b) => a + b)
          .count(),
      ).toBe(3);
      expect(await kept.filter(({ n }) => n > 20).first()).toEqual({ n: 21, text: "number 21" });
      expect(computed.value).toBe(30);
      if (level === "DISK_ONLY") expect(cacheFiles()).toHaveLength(4);
      kept.unpersist();
      expect(kept.storageLevel).toBe("NONE");
      expect(await kept.count()).toBe(30);
      expect(computed.value).toBe(60);
      expect(cacheFiles()).toEqual([]);
    },
  );

  test("a cached partition above a shuffle cuts the stages below it", async () => {
    const s = await session();
    const counts = s
      .range(0, 40, 1, 4)
      .map((n) => [n % 5, 1])
      .reduceByKey((a, b) => a + b, 3)
      .mapValues((n) => n * 2)
      .cache();
    expect(await counts.count()).toBe(5);
    expect(
      await counts
        .map(([key, n]) => [n, key])
        .reduceByKey((a, b) => a + b, 2)
        .collect(),
    ).toEqual([[16, 10]]);
    expect(await ran()).toEqual({ stages: 2, tasks: 5 });
    counts.unpersist();
  });

  test("two jobs that cache the same partitions at the same time agree", async () => {
    const s = await session();
    const kept = s.range(0, 2000, 1, 4).map((n) => ({ n, text: `number ${n}` }));
    for (const level of ["DISK_ONLY", "MEMORY_AND_DISK"] as const) {
      kept.persist(level);
      const counts = await Promise.all([
        kept.count(),
        kept.count(),
        kept.map(({ n }) => n).reduce((a, b) => a + b),
        kept.count(),
      ]);
      expect(counts).toEqual([2000, 2000, 1_999_000, 2000]);
      expect(await kept.filter(({ n }) => n % 1000 === 1).collect()).toEqual([
        { n: 1, text: "number 1" },
        { n: 1001, text: "number 1001" },
      ]);
      kept.unpersist();
    }
  });
});

describe("a cache that is too small", () => {
  test.each(["local[2]", "local-cluster[2,1,160m]"])("on %s evicts, and every result stays right", async (master) => {
    const s = await engine.open(master, {
      memory: "160m",
      // A loaded machine collects garbage late: that is another test's subject.
      "memory.watch": false,
    });
    const computed = s.longAccumulator("computed");
    // About 4 MB a partition; the cache has about 10 MB (master local[2]), 2 x 10 MB on the cluster.
    const make = (seed: number) =>
      s.range(0, 4, 1, 4).mapPartitionsWithIndex(function* (partition) {
        for (let at = 0; at < 4_000; at++) {
          computed.add(1);
          yield `${seed}-${partition}-${at}-${"x".repeat(1_000)}`;
        }
      });
    const lengths = 4 * 4_000;
    for (const level of ["MEMORY_ONLY", "MEMORY_AND_DISK"] as const) {
      const kept = [1, 2, 3].map((seed) => make(seed).persist(level));
      for (const rdd of kept) expect(await rdd.count()).toBe(lengths);
      computed.reset();
      for (const [index, rdd] of kept.entries()) {
        expect(await rdd.filter((text) => text.startsWith(`${index + 1}-3-3999-`)).count()).toBe(1);
        expect(await rdd.distinct().count()).toBe(lengths);
      }
      // What found no room in memory alone is computed again; with the disk nothing is.
      if (level === "MEMORY_ONLY") expect(computed.value).toBeGreaterThan(0);
      else expect(computed.value).toBe(0);
      for (const rdd of kept) rdd.unpersist();
      await s.range(1).count();
    }
    expect(cacheFiles()).toEqual([]);
    await s.stop();
  });
});
