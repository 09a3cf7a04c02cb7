// What the API makes of calls: nodes of lineage, where they say they come from, and what the master is told of them.

import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LineageNode } from "../../src/plan/lineage.js";
import type { RddSession } from "../../src/rdd/session.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
let master: FakeMaster;

beforeEach(async () => {
  ({ session, master } = await openFakeSession());
});
afterEach(() => session.stop());

const nodesSent = (): LineageNode[] => master.jobs.flatMap((job) => [...job.nodes]);

test("transformations, sortBy among them, start no job; every action starts one", async () => {
  const sorted = session
    .parallelize(["b", "a", "b"])
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .sortBy(([word]) => word, false, 2);
  expect(session.statistics.jobs).toBe(0);
  expect(master.jobs).toEqual([]);
  await sorted.take(1);
  expect(session.statistics.jobs).toBe(1);
  await sorted.first();
  await sorted.count();
  expect(session.statistics.jobs).toBe(3);
  expect(master.jobs).toHaveLength(3);
});

test("take(0) and top(0) start no job at all", async () => {
  const rdd = session.range(5);
  expect(await rdd.take(0)).toEqual([]);
  expect(await rdd.top(0)).toEqual([]);
  expect(session.statistics.jobs).toBe(0);
});

test("a node is sent once, parents before children, with the first job that needs it", async () => {
  const base = session.range(4).map((n) => n + 1);
  const left = base.filter((n) => n > 1);
  await left.count();
  expect(master.jobs[0]!.nodes.map((node) => node.kind)).toEqual(["source", "narrow", "narrow"]);
  await base.union(left).count();
  expect(master.jobs[1]!.nodes.map((node) => node.kind)).toEqual(["union"]);
  await left.count();
  expect(master.jobs[2]!.nodes).toEqual([]);
});

test("a lineage of 10,000 nodes is walked without overflowing the stack", async () => {
  let rdd = session.range(3);
  for (let i = 0; i < 10_000; i++) rdd = rdd.filter(() => true);
  master.hold();
  const submitted = rdd.collect().catch(() => undefined);
  expect(master.jobs[0]!.nodes).toHaveLength(10_001);
  await session.stop();
  await submitted;
});

test("every node of one method names the user's call", async () => {
  await session
    .parallelize([3, 1])
    .distinct(2)
    .sortBy((n) => n)
    .collect();
  const sites = nodesSent().map((node) => `${node.callSite.method} ${node.callSite.file.split("/").at(-1)}`);
  expect(sites).toEqual([
    "parallelize lineage.test.ts",
    ...Array(3).fill("distinct lineage.test.ts"),
    ...Array(3).fill("sortBy lineage.test.ts"),
  ]);
  // Nodes of one method share its place.
  expect(new Set(nodesSent().map((node) => `${node.callSite.line}:${node.callSite.column}`)).size).toBe(3);
  expect(master.jobs[0]!.callSite.method).toBe("collect");
});

test("each operation makes the nodes that it should", async () => {
  const pairs = session.parallelize([["a", 1]] as [string, number][]);
  const kinds = async (rdd: { count(): Promise<number> }) => {
    const before = nodesSent().length;
    await rdd.count();
    return nodesSent().slice(before);
  };
  await pairs.count();
  expect(await kinds(pairs.join(pairs, 3))).toMatchObject([
    { kind: "cogroup", partitioner: { kind: "hash", partitions: 3 } },
    { kind: "narrow", operator: { op: "joinPairs" }, preservesPartitioning: true },
  ]);
  expect(await kinds(pairs.groupByKey())).toMatchObject([
    {
      kind: "combine",
      mapSideCombine: false,
      aggregator: { kind: "group" },
      partitioner: { kind: "hash", partitions: null },
    },
  ]);
  expect(await kinds(pairs.sortByKey(false, 4))).toMatchObject([
    {
      kind: "exchange",
      sort: "descending",
      pairs: true,
      partitioner: { kind: "range", partitions: 4, ascending: false },
    },
  ]);
  expect(await kinds(pairs.partitionBy({ partitions: 2, by: (key, n) => key.length % n }))).toMatchObject([
    { kind: "exchange", sort: null, pairs: true, partitioner: { kind: "custom", partitions: 2 } },
  ]);
  expect(await kinds(pairs.repartition(5))).toMatchObject([
    { kind: "exchange", sort: null, pairs: false, partitioner: { kind: "roundRobin", partitions: 5 } },
  ]);
  expect(await kinds(pairs.coalesce(1))).toMatchObject([{ kind: "coalesce", partitions: 1 }]);
  expect(await kinds(pairs.mapValues((n) => n + 1))).toMatchObject([{ kind: "narrow", preservesPartitioning: true }]);
  expect(await kinds(pairs.map((pair) => pair))).toMatchObject([{ kind: "narrow", preservesPartitioning: false }]);
});

describe("sources", () => {
  test("paths become absolute URLs at the call", async () => {
    await session.textFile(["logs/*.txt", "/abs/a b.txt"], 3).count();
    expect(nodesSent()[0]).toMatchObject({
      source: { kind: "text", paths: ["file:///data/logs/*.txt", "file:///abs/a%20b.txt"], minPartitions: 3 },
    });
  });

  test("parallelize cuts as Spark does and defaults to at most eight slices", async () => {
    const sizes = async (n: number, slices?: number) => {
      const rdd = session.parallelize(
        Array.from({ length: n }, (_, i) => i),
        slices,
      );
      return rdd.mapPartitions((records) => [[...records].length]).collect();
    };
    expect(await sizes(10, 3)).toEqual([3, 3, 4]);
    expect(await sizes(3)).toEqual([1, 1, 1]);
    expect(await sizes(100)).toEqual([12, 13, 12, 13, 12, 13, 12, 13]);
    expect(await sizes(0)).toEqual([0]);
    expect(await session.emptyRDD().numPartitions()).toBe(0);
  });

  test("parallelize copies: a later change of the array is not seen", async () => {
    const array = [1, 2];
    const rdd = session.parallelize(array);
    array.push(3);
    expect(await rdd.collect()).toEqual([1, 2]);
  });

  test("range counts up and down, and fractions", async () => {
    expect(await session.range(4).collect()).toEqual([0, 1, 2, 3]);
    expect(await session.range(5, 1, -2).collect()).toEqual([5, 3]);
    expect(await session.range(0, 1, 0.25).collect()).toEqual([0, 0.25, 0.5, 0.75]);
    expect(await session.range(3, 3).collect()).toEqual([]);
  });
});

describe("persist", () => {
  test("is told before the first submit that carries the node, and at once afterwards", async () => {
    const rdd = session.range(3).cache();
    expect(master.of("persist")).toEqual([]);
    await rdd.count();
    expect(master.received.slice(0, 3).map((message) => message.kind)).toEqual(["open", "persist", "submit"]);
    rdd.unpersist();
    expect(master.of("persist").map((message) => message.level)).toEqual(["MEMORY_ONLY", "NONE"]);
    expect(rdd.storageLevel).toBe("NONE");
  });

  test("gives the same RDD, which keeps its name", () => {
    const rdd = session.range(3);
    expect(rdd.persist("DISK_ONLY").setName("numbers")).toBe(rdd);
    expect(rdd.name).toBe("numbers");
  });
});

test("numPartitions asks the master and starts no job", async () => {
  expect(await session.range(100).repartition(7).numPartitions()).toBe(7);
  expect(session.statistics.jobs).toBe(0);
});

test("an RDD prints as what made it", () => {
  expect(inspect(session.range(3).map((n) => n))).toMatch(/^RDD 2, map at lineage\.test\.ts:\d+:\d+$/);
  expect(`${session.range(3).setName("numbers")}`).toMatch(/^RDD 3 "numbers", range at /);
  expect(inspect(session)).toBe('Session s1 "test"');
});
