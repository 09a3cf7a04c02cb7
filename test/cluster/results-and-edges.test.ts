// Results larger than the driver wants, results read one by one, and RDDs of no partitions, no records or one.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const MIB = 2 ** 20;

function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

describe.each(["local", "local[2]", "local-cluster[2,1,512m]"])("on %s", (master) => {
  let opened: Promise<Session> | null = null;
  const session = () => {
    opened ??= engine.open(master, { "driver.maxResultSize": "1m" });
    return opened;
  };

  describe("results", () => {
    test("collect above driver.maxResultSize is RESULT_TOO_LARGE, and the session goes on", async () => {
      const s = await session();
      const texts = s.range(0, 40_000, 1, 8).map((n) => `${n} ${"abcdefghij".repeat(8)} ${n * 7919}`);
      await expect(texts.collect()).rejects.toMatchObject({ code: "RESULT_TOO_LARGE" });
      expect(await texts.take(3)).toHaveLength(3);
      expect(await texts.count()).toBe(40_000);
    });

    test("toLocalIterator reads more than driver.maxResultSize, in order and in bounded memory", async () => {
      const s = await session();
      // 96 MiB in 24 partitions: far more than may wait here.
      const blocks = s.range(0, 384, 1, 24).map((n) => new Uint8Array(MIB / 4).fill(n % 251));
      const collectGarbage = garbageCollector();
      collectGarbage();
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      let at = 0;
      for await (const block of blocks.toLocalIterator()) {
        if (block.byteLength !== MIB / 4 || block[0] !== at % 251) throw new Error(`record ${at} is wrong`);
        at++;
        if (at % 16 !== 0) continue;
        // What was read is garbage at once, but nobody hurries to collect it.
        collectGarbage();
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
      expect(at).toBe(384);
      expect(most).toBeLessThan(48 * MIB);
    });

    test("leaving the loop of toLocalIterator cancels the job", async () => {
      const s = await session();
      const seen: number[] = [];
      const end = new Promise((resolve) => {
        const remove = s.onJobEnd((job) => {
          remove();
          resolve(job);
        });
      });
      for await (const n of s.range(0, 1_000_000, 1, 50).toLocalIterator()) {
        seen.push(n);
        if (seen.length === 3) break;
      }
      await end;
      expect(seen).toEqual([0, 1, 2]);
      expect(await s.range(5).collect()).toEqual([0, 1, 2, 3, 4]);
    });

    test("records of several MiB, and one larger than a batch, come whole", async () => {
      const s = await engine.open(master, { "driver.maxResultSize": 0 });
      const large = await s
        .range(0, 3, 1, 2)
        .map((n) => [n % 2, "é".repeat(n * 3 * MIB)])
        .reduceByKey((a, b) => a + b)
        .sortByKey()
        .collect();
      expect(large.map(([key, text]) => [key, text.length])).toEqual([
        [0, 6 * MIB],
        [1, 3 * MIB],
      ]);
      expect(large[0]?.[1].endsWith("é")).toBe(true);
      await s.stop();
    });
  });

  describe("edges", () => {
    test("an RDD without partitions goes through everything", async () => {
      const s = await session();
      const none = s.emptyRDD<readonly [string, number]>();
      expect(await none.numPartitions()).toBe(0);
      expect(await none.collect()).toEqual([]);
      expect(await none.count()).toBe(0);
      expect(await none.take(5)).toEqual([]);
      expect(await none.isEmpty()).toBe(true);
      expect(await none.top(3)).toEqual([]);
      expect(await none.countByKey()).toEqual(new Map());
      expect(await none.fold(["zero", 1], (a) => a)).toEqual(["zero", 1]);
      expect(await none.reduceByKey((a, b) => a + b).collect()).toEqual([]);
      expect(await none.reduceByKey((a, b) => a + b, 3).numPartitions()).toBe(3);
      expect(await none.groupByKey().join(none).collect()).toEqual([]);
      expect(await none.sortByKey().collect()).toEqual([]);
      expect(await none.sortByKey(false, 4).collect()).toEqual([]);
      expect(await none.distinct().union(none).repartition(3).coalesce(2).collect()).toEqual([]);
      expect(await none.coalesce(3).numPartitions()).toBe(0);
      expect(
        await none
          .cache()
          .mapPartitions((all) => all)
          .count(),
      ).toBe(0);
      await none.foreach(() => undefined);
      for await (const _ of none.toLocalIterator()) expect.unreachable();
      await expect(none.reduce((a) => a)).rejects.toMatchObject({ code: "EMPTY_COLLECTION" });
      await expect(none.first()).rejects.toMatchObject({ code: "EMPTY_COLLECTION" });
      const path = join(engine.directory, `none-${master.replace(/\W/g, "")}`);
      await none.saveAsTextFile(path);
      expect(readdirSync(path)).toEqual(["_SUCCESS"]);
      expect(await none.union(s.parallelize([["a", 1] as const])).collect()).toEqual([["a", 1]]);
    });

    test("partitions without records, and more partitions than records", async () => {
      const s = await session();
      const one = s.parallelize<readonly [string, number]>([["only", 1]], 6);
      expect(await one.numPartitions()).toBe(6);
      expect(await one.collect()).toEqual([["only", 1]]);
      expect(await one.reduceByKey((a, b) => a + b, 5).collect()).toEqual([["only", 1]]);
      expect(await one.sortByKey(true, 4).collect()).toEqual([["only", 1]]);
      expect(await one.join(one.mapValues((n) => n + 1)).collect()).toEqual([["only", [1, 2]]]);
      expect(await one.reduce((a) => a)).toEqual(["only", 1]);
      expect(await one.take(4)).toEqual([["only", 1]]);
      expect(await one.top(4)).toEqual([["only", 1]]);
      expect(
        await one
          .repartition(7)
          .mapPartitions((all) => [[...all].length])
          .reduce((a, b) => a + b),
      ).toBe(1);
      expect(
        await one
          .filter(() => false)
          .sortByKey(false, 3)
          .collect(),
      ).toEqual([]);
      expect(
        await one
          .filter(() => false)
          .repartition(2)
          .numPartitions(),
      ).toBe(2);
      const path = join(engine.directory, `one-${master.replace(/\W/g, "")}`);
      await one.coalesce(2).saveAsTextFile(path);
      expect(readdirSync(path).sort()).toEqual(["_SUCCESS", "part-00000", "part-00001"]);
      expect(["part-00000", "part-00001"].map((name) => readFileSync(join(path, name), "utf8")).join("")).toBe(
        "only\t1\n",
      );
    });

    test("coalesce, repartition and union count partitions as they promise", async () => {
      const s = await session();
      const rdd = s.range(0, 10, 1, 5);
      const sizes = (n: number) =>
        rdd
          .coalesce(n)
          .mapPartitions((all) => [[...all].length])
          .collect();
      expect(await sizes(1)).toEqual([10]);
      expect(await sizes(2)).toEqual([4, 6]);
      expect(await sizes(5)).toEqual([2, 2, 2, 2, 2]);
      expect(await sizes(50)).toEqual([2, 2, 2, 2, 2]);
      const nested = rdd.coalesce(3).union(rdd.coalesce(2), s.emptyRDD<number>(), rdd).coalesce(4);
      expect(await nested.numPartitions()).toBe(4);
      expect(await nested.collect()).toEqual([0, 1, 2].flatMap(() => Array.from({ length: 10 }, (_, n) => n)));
      expect(await s.union([rdd, rdd, rdd]).numPartitions()).toBe(15);
      for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => rdd.coalesce(bad)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
        expect(() => rdd.repartition(bad)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
        expect(() => s.range(0, 10, 1, bad)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      }
    });

    test("many partitions, a long chain, and one RDD used in many places", async () => {
      const s = await session();
      expect(await s.range(0, 10, 1, 300).count()).toBe(10);
      let chain = s.range(0, 20, 1, 2);
      for (let at = 0; at < 300; at++) chain = chain.map((n) => n + 1);
      expect((await chain.collect())[0]).toBe(300);
      let pairs = s.range(0, 20, 1, 2).map((n) => [n % 4, 1]);
      for (let at = 0; at < 12; at++) pairs = pairs.reduceByKey((a, b) => a + b, 2 + (at % 2)).mapValues((n) => n);
      expect(await pairs.values().collect()).toEqual([5, 5, 5, 5]);
      const base = s.range(0, 6, 1, 2).map((n) => [n, n]);
      const diamond = base.join(base.mapValues((n) => n * 2)).join(base.reduceByKey((a) => a));
      expect(
        await diamond
          .sortByKey()
          .values()
          .map(([[a, b], c]) => a + b + c)
          .collect(),
      ).toEqual([0, 4, 8, 12, 16, 20]);
    });
  });
});
