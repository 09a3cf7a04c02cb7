// Storage levels, names, partitioners, checkpoints and the printed lineage as the driver tells of them; what they do to jobs is
// tested on the engine (test/cluster/checkpoints.test.ts, test/properties).

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashPartitioner, rangePartitioner } from "../../src/rdd/partitioner.js";
import type { RddSession } from "../../src/rdd/session.js";
import type { PersistLevel } from "../../src/rdd/storage-levels.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
let master: FakeMaster;

beforeEach(async () => {
  ({ session, master } = await openFakeSession());
});
afterEach(() => session.stop());

const pairs = (slices = 3) => session.parallelize(["b", "a", "c"], slices).map((word) => [word, 1]);
const add = (a: number, b: number) => a + b;

describe("storage levels", () => {
  test.each([
    ["MEMORY_ONLY", "MEMORY_ONLY"],
    ["MEMORY_ONLY_SER", "MEMORY_ONLY"],
    ["MEMORY_AND_DISK", "MEMORY_AND_DISK"],
    ["MEMORY_AND_DISK_SER", "MEMORY_AND_DISK"],
    ["OFF_HEAP", "MEMORY_AND_DISK"],
    ["DISK_ONLY", "DISK_ONLY"],
  ] as const)("%s keeps partitions as %s", (level, kept) => {
    const rdd = session.range(3).persist(level);
    expect([rdd.getStorageLevel(), rdd.storageLevel]).toEqual([kept, kept]);
    expect(rdd.unpersist().getStorageLevel()).toBe("NONE");
  });

  test.each([
    ["MEMORY_ONLY_2", /use "MEMORY_ONLY", with which a lost partition is computed again, or checkpoint\(\)/],
    ["MEMORY_AND_DISK_SER_2", /use "MEMORY_AND_DISK_SER"/],
    ["DISK_ONLY_3", /use "DISK_ONLY"/],
    ["NONE", /unpersist\(\) drops it/],
    ["memory_only", /one of "MEMORY_ONLY", "MEMORY_AND_DISK"/],
  ])("%s is refused with what to use", (level, message) => {
    expect(() => session.range(3).persist(level as PersistLevel)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) }),
    );
  });
});

describe("partitioners", () => {
  const told = ({ partitioner }: { partitioner: { kind: string; partitions: number | null } | null }) =>
    partitioner === null ? null : `${partitioner.kind} ${partitioner.partitions}`;

  test("are known where records lie by their keys, through steps that keep them", () => {
    const sorted = pairs().sortByKey(true, 4);
    expect(told(pairs())).toBeNull();
    expect(told(pairs().reduceByKey(add, 5))).toBe("hash 5");
    expect(told(pairs().reduceByKey(add))).toBe("hash null");
    expect(told(pairs().partitionBy(hashPartitioner(5)))).toBe("hash 5");
    expect(told(pairs().partitionBy({ partitions: 2, by: (key, n) => key.length % n }))).toBe("custom 2");
    expect(told(pairs().partitionBy(rangePartitioner(["b", "x"])))).toBe("range 3");
    expect(told(pairs().partitionBy(rangePartitioner(2, pairs())))).toBe("range 2");
    expect(told(sorted.mapValues((n) => n).filter(() => true))).toBe("range 4");
    expect(told(sorted.map((pair) => pair))).toBeNull();
    expect(told(sorted.reduceByKey(add))).toBe("range 4");
    expect(told(sorted.join(pairs()))).toBe("hash null");
    expect(told(pairs().join(sorted, sorted.partitioner ?? 1))).toBe("range 4");
    expect(told(sorted.repartition(2))).toBeNull();
    expect(`${sorted.partitioner}`).toBe("range partitioner of 4");
  });

  test("of another session, bounds that do not rise and things that are none are refused", async () => {
    const other = await openFakeSession();
    const placed = other.session.parallelize([["a", 1]] as [string, number][]).groupByKey(2);
    const refused = (call: () => unknown, message: string) =>
      expect(call).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
      );
    refused(() => pairs().groupByKey(placed.partitioner as never), "an RDD of the same session");
    refused(() => rangePartitioner(["b", "a"]), "bounds[1] must be greater than the bound before it");
    refused(() => rangePartitioner(2, "words" as never), "rdd must be an RDD of pairs");
    refused(() => hashPartitioner(0), "partitions must be an integer from 1");
    refused(() => pairs().partitionBy({ partitions: 2 } as never), "{ partitions, by } or a partitioner");
    await other.session.stop();
  });

  test("in a task are an error at the call", () => {
    const { partitioner } = pairs().groupByKey(2);
    expect(partitioner).not.toBeNull();
    expect(Object.getOwnPropertySymbols(partitioner as object).map(String)).toContain("Symbol(millrace.driverOnly)");
  });

  test("keep the RDD that they refer to known to the master", async () => {
    const ranges = rangePartitioner(2, pairs(1));
    await pairs().partitionBy(ranges).count();
    const sent = master.jobs[0]?.nodes.map(({ id, kind }) => `${id} ${kind}`);
    expect(sent).toEqual(["3 source", "4 narrow", "1 source", "2 narrow", "5 exchange"]);
  });
});

describe("toDebugString", () => {
  const text = async (rdd: { toDebugString(): Promise<string> }) =>
    (await rdd.toDebugString()).replace(/ at [\w-]+\.test\.ts:\d+:\d+/g, "");

  test("prints stages, shuffles, names and levels as Spark does", async () => {
    const counts = pairs().setName("words").cache().reduceByKey(add, 2);
    expect(await text(counts.mapValues((n) => n + 1))).toBe(
      [
        "(2) MapPartitionsRDD[4] at mapValues []",
        " |  ShuffledRDD[3] at reduceByKey []",
        " +-(3) words MapPartitionsRDD[2] at map [Memory Serialized 1x Replicated]",
        "    |  ParallelCollectionRDD[1] at parallelize []",
      ].join("\n"),
    );
    expect(session.statistics.jobs).toBe(0);
  });

  test("of several parents draws a line to the last one", async () => {
    const left = pairs(12);
    const placed = left.reduceByKey(add, 2);
    expect(await text(left.cogroup(pairs(1), 2).union(placed.cogroup(placed, 2)))).toBe(
      [
        "(4) UnionRDD[8] at union []",
        " |  CoGroupedRDD[6] at cogroup []",
        " +-(12) MapPartitionsRDD[2] at map []",
        " |  |   ParallelCollectionRDD[1] at parallelize []",
        " +-(1) MapPartitionsRDD[5] at map []",
        "    |  ParallelCollectionRDD[4] at parallelize []",
        " |  CoGroupedRDD[7] at cogroup []",
        " |  ShuffledRDD[3] at reduceByKey []",
        " +-(12) MapPartitionsRDD[2] at map [] (see above)",
        " |  ShuffledRDD[3] at reduceByKey [] (see above)",
      ].join("\n"),
    );
  });

  test("of a cut lineage begins there", async () => {
    const kept = pairs().reduceByKey(add, 2).localCheckpoint();
    await kept.count();
    expect(await text(kept.mapValues((n) => n))).toBe(
      [
        "(2) MapPartitionsRDD[4] at mapValues []",
        " |  LocalCheckpointRDD[3] at reduceByKey [Disk Memory Serialized 1x Replicated]",
      ].join("\n"),
    );
  });

  test("of 10,000 steps, and of joins with itself, is neither deep nor long", async () => {
    let long = session.range(3);
    for (let i = 0; i < 10_000; i++) long = long.filter(() => true);
    expect((await long.toDebugString()).split("\n")).toHaveLength(10_001);
    let wide = pairs();
    for (let i = 0; i < 40; i++) wide = wide.join(wide).mapValues(([a, b]) => a + b);
    expect((await wide.toDebugString()).split("\n").length).toBeLessThan(200);
  });
});

describe("checkpoint", () => {
  test("without a directory is an error at the call that says how to name one", () => {
    expect(() => session.range(3).checkpoint()).toThrow(
      expect.objectContaining({ code: "NO_CHECKPOINT_DIR", message: expect.stringContaining("setCheckpointDir") }),
    );
  });

  test("is written by the first action that needs it, in a job of its own, and then never again", async () => {
    session.setCheckpointDir("checkpoints");
    const kept = pairs().reduceByKey(add, 2);
    kept.checkpoint();
    kept.checkpoint();
    expect([kept.isCheckpointed, kept.getCheckpointFile()]).toEqual([false, null]);
    await pairs().count();
    expect(master.jobs).toHaveLength(1);
    const above = kept.mapValues((n) => n + 1);
    const [collected, count] = await Promise.all([above.collect(), kept.count()]);
    expect([collected.length, count]).toEqual([3, 3]);
    expect(master.jobs.map(({ action }) => action.kind)).toEqual(["count", "saveAsObjectFile", "collect", "count"]);
    expect(kept.isCheckpointed).toBe(true);
    expect(kept.getCheckpointFile()).toMatch(/^file:\/\/\/data\/checkpoints\/[0-9a-f-]{36}\/rdd-3$/);
    expect(master.of("cutLineage")).toMatchObject([{ node: 3, url: kept.getCheckpointFile() }]);
    await above.count();
    expect(master.jobs).toHaveLength(5);
  });

  test("of what lies below another one is not written with it", async () => {
    session.setCheckpointDir("/c");
    const low = pairs().reduceByKey(add, 2);
    const high = low.mapValues((n) => n + 1).reduceByKey(add, 2);
    low.checkpoint();
    high.checkpoint();
    await high.count();
    expect([low.isCheckpointed, high.isCheckpointed]).toEqual([false, true]);
    await low.count();
    expect(low.isCheckpointed).toBe(true);
  });

  test("keeps a hash partitioner and forgets ranges", async () => {
    const placed = pairs().reduceByKey(add, 2).localCheckpoint();
    const sorted = pairs().sortByKey(true, 2).localCheckpoint();
    await Promise.all([placed.count(), sorted.count()]);
    expect(placed.partitioner).toMatchObject({ kind: "hash", partitions: 2 });
    expect(sorted.partitioner).toBeNull();
  });

  test("a local one for which the caches have no room leaves the lineage as it is, and is tried again", async () => {
    const full = await openFakeSession({ refuseCuts: true });
    const kept = full.session.parallelize(["a", "b"], 2).localCheckpoint();
    expect(await kept.count()).toBe(2);
    expect([kept.isCheckpointed, await kept.collect()]).toEqual([false, ["a", "b"]]);
    expect(full.master.jobs.map(({ action }) => action.kind)).toEqual(["count", "count", "count", "collect"]);
    await full.session.stop();
  });

  test("of an action that is aborted is given up, and tried again by the next one", async () => {
    session.setCheckpointDir("/c");
    const kept = pairs();
    kept.checkpoint();
    master.hold();
    const abort = new AbortController();
    const counted = kept.count({ signal: abort.signal });
    abort.abort();
    await expect(counted).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    expect(master.of("cancel")).toHaveLength(1);
    master.release();
    expect(await kept.count()).toBe(3);
    expect(kept.getCheckpointFile()).toMatch(/rdd-2-again-1$/);
  });

  test("goes on while somebody still waits", async () => {
    session.setCheckpointDir("/c");
    const kept = pairs();
    kept.checkpoint();
    master.hold();
    const abort = new AbortController();
    const [one, other] = [kept.count({ signal: abort.signal }), kept.collect()];
    abort.abort();
    await expect(one).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    expect(master.of("cancel")).toEqual([]);
    master.release();
    expect(await other).toHaveLength(3);
    expect(kept.getCheckpointFile()).toMatch(/rdd-2$/);
  });

  test("a local one keeps to disk what finds no room, on whatever level", () => {
    expect(pairs().localCheckpoint().persist("MEMORY_ONLY").storageLevel).toBe("MEMORY_AND_DISK");
    expect(pairs().persist("DISK_ONLY").localCheckpoint().storageLevel).toBe("DISK_ONLY");
    expect(pairs().cache().localCheckpoint().storageLevel).toBe("MEMORY_AND_DISK");
  });
});
