// The plans of sample programs, as written with the API, held against approved texts in test/golden/plans.
// MILLRACE_UPDATE_GOLDEN=1 writes them anew: look at the difference before you keep it.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { NodeId } from "../../src/core/ids.js";
import type { LineageNode, StorageLevel } from "../../src/plan/lineage.js";
import { lowerJob } from "../../src/plan/lower.js";
import { sourcesOf } from "../../src/plan/resolve.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { Split } from "../../src/plan/stages.js";
import { type KeyPartitioner, rangePartitioner } from "../../src/rdd/partitioner.js";
import type { RddSession } from "../../src/rdd/session.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";
import { planText } from "../support/plan-text.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../golden/plans");
const update = process.env.MILLRACE_UPDATE_GOLDEN === "1";

const word = (line: string) => line.split(" ");
const one = (text: string): readonly [string, number] => [text, 1];
const bySize = (text: string, partitions: number) => text.length % partitions;
const add = (a: number, b: number) => a + b;

/** Each runs its actions; the plan of every job is written down, in order. */
const programs: Record<string, (session: RddSession) => Promise<unknown>> = {
  "word-count": (session) =>
    session.textFile("/data/book.txt").flatMap(word).map(one).reduceByKey(add, 3).saveAsTextFile("/out"),
  join: async (session) => {
    const left = session.parallelize(["a", "b"], 2).map(one);
    const right = session.parallelize(["a", "c"], 3).map(one);
    await left.join(right, 2).collect();
    // Both sides are where the join wants them already: no shuffle of their own.
    const placed = left.reduceByKey(add, 2);
    await placed.join(right.reduceByKey(add, 2), 2).count();
  },
  "sort-by-key": async (session) => {
    const sorted = session.parallelize(["b", "a", "c"], 3).map(one).sortByKey(true, 2);
    await sorted.collect();
    await sorted.take(2);
  },
  partitioners: async (session) => {
    const pairs = session.parallelize(["b", "a", "c"], 3).map(one);
    const others = session.parallelize(["a", "c"], 2).map(one);
    const sorted = pairs.sortByKey(true, 2);
    // One exchange, that of the sort.
    await sorted
      .reduceByKey(add)
      .mapValues((n) => n + 1)
      .groupByKey(sorted.partitioner as KeyPartitioner)
      .count();
    // Two: the other side is moved to the sort's ranges, and nothing after that.
    await sorted
      .join(others.reduceByKey(add, sorted.partitioner as KeyPartitioner), sorted.partitioner as KeyPartitioner)
      .count();
    // Two, by ranges that a third RDD has given.
    const ranges = rangePartitioner(2, session.parallelize(["x"], 1).map(one));
    await pairs.partitionBy(ranges).cogroup(others, ranges).count();
    // One, by the user's function.
    const placed = pairs.partitionBy({ partitions: 2, by: bySize });
    await placed
      .reduceByKey(add)
      .join(placed, placed.partitioner as KeyPartitioner)
      .count();
  },
  "cached-reuse": async (session) => {
    const counts = session.parallelize(["b", "a", "c"], 2).map(one).reduceByKey(add, 2).cache();
    await counts.count();
    await counts.mapValues((n) => n + 1).collect();
  },
  coalesce: (session) => session.range(0, 10, 1, 5).coalesce(2).collect(),
  "union-of-shuffled-and-narrow": async (session) => {
    const narrow = session.parallelize(["x", "y"], 2).map(one);
    const shuffled = session.parallelize(["z"], 1).map(one).reduceByKey(add, 2);
    await shuffled.union(narrow).collect();
  },
};

for (const [name, program] of Object.entries(programs)) {
  test(`the plan of ${name}`, async () => {
    const { session, master } = await openFakeSession();
    // What the fake master answers does not matter here.
    await program(session).catch(() => undefined);
    const text = plansOf(master);
    await session.stop();
    expect(text).not.toBe("");
    const path = join(folder, `${name}.txt`);
    if (update) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(path, text);
    }
    expect(existsSync(path), `${path} is missing; MILLRACE_UPDATE_GOLDEN=1 writes it`).toBe(true);
    expect(text).toBe(readFileSync(path, "utf8"));
  });
}

test("every approved plan has a program", () => {
  expect(readdirSync(folder).sort()).toEqual(
    Object.keys(programs)
      .map((name) => `${name}.txt`)
      .sort(),
  );
});

function plansOf(master: FakeMaster): string {
  const nodes = new Map<NodeId, LineageNode>();
  const storage = new Map<NodeId, StorageLevel>();
  const table = new ShuffleTable();
  const plans: string[] = [];
  for (const message of master.received) {
    if (message.kind === "persist") storage.set(message.node, message.level);
    if (message.kind !== "submit") continue;
    for (const node of message.nodes) nodes.set(node.id, node);
    const { job, root, action, callSite, accumulators } = message;
    const resolvedSources = new Map(sourcesOf(nodes, root).map(({ id, source }) => [id, splitsOf(source)]));
    const graph = lowerJob({ job, nodes, root, action, callSite, resolvedSources, storage, accumulators, table });
    plans.push(planText(graph));
  }
  return plans.length === 0 ? "" : `${plans.join("\n\n")}\n`;
}

/** A file is two splits; everything else is what the program says. */
function splitsOf(source: (LineageNode & { kind: "source" })["source"]): Split[] {
  switch (source.kind) {
    case "collection":
      return source.slices.map((bytes) => ({ kind: "bytes", bytes }));
    case "range":
      return Array.from({ length: source.slices }, (_, start) => ({ kind: "range", start, step: 1, count: 1 }));
    case "localCheckpoint":
      return Array.from({ length: source.checkpoint.partitions }, () => ({
        kind: "range",
        start: 0,
        step: 1,
        count: 0,
      }));
    case "wholeFiles":
    case "object": {
      const file = { url: "file:///data/one.txt", fileSize: 200, modifiedMs: 0, compression: "none" } as const;
      return [{ kind: "files", files: [file] }];
    }
    case "text":
    case "binaryRecords":
      return [0, 1].map((i) => ({
        kind: "file",
        url: "file:///data/book.txt",
        start: i * 100,
        length: 100,
        fileSize: 200,
        modifiedMs: 0,
        compression: "none",
      }));
  }
}
