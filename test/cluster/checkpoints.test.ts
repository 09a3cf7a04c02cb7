// Checkpoints on real workers: written once, read by everybody after, whatever becomes of the workers that made them; a local
// one is lost with its worker, and says so.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import type { RDD } from "../../src/rdd/rdd.js";
import { type Session, sessions } from "../support/engine.js";
import { pidsBehind } from "../support/worker-pids.js";

const engine = sessions();
const SIZE = 1_000;
const PARTS = 4;
const CLUSTER = "local-cluster[2,1,256m]";
let session: Session | null = null;
let names = 0;

afterEach(async () => {
  await session?.stop();
  session = null;
});

async function open(master = CLUSTER): Promise<Session> {
  session = await engine.open(master);
  return session;
}

const freshPath = (name: string) => join(engine.directory, `${name}-${++names}`);
/** Of all checkpoints below a directory. */
const written = (directory: string) =>
  existsSync(directory) ? readdirSync(directory, { recursive: true }).sort() : [];
const filesOf = (rdd: RDD<unknown>) => readdirSync(fileURLToPath(rdd.getCheckpointFile() as string)).sort();

async function kill(s: Session, workers: number): Promise<void> {
  const pids = await pidsBehind(freshPath("gate"), s, 2);
  for (const pid of pids.slice(0, workers)) process.kill(pid, "SIGKILL");
}

const sums = (s: Session, calls?: { add(n: number): void }) =>
  s
    .range(0, SIZE, 1, PARTS)
    .map((n) => {
      calls?.add(1);
      return [n % 10, n];
    })
    .reduceByKey((a, b) => a + b, PARTS);
const expected = Array.from({ length: 10 }, (_, key) => [key, (SIZE / 10) * (SIZE / 2 - 5 + key)]);
const sorted = async (rdd: RDD<readonly [number, number]>) => (await rdd.collect()).sort(([a], [b]) => a - b);

test.each(["local", "local[2]", CLUSTER])(
  "on %s functions run once, and the files are whole",
  async (master) => {
    const s = await open(master);
    const directory = freshPath("checkpoints");
    s.setCheckpointDir(directory);
    const calls = s.longAccumulator("calls");
    const kept = sums(s, calls);
    kept.checkpoint();
    expect(await sorted(kept)).toEqual(expected);
    expect(calls.value).toBe(SIZE);
    expect(filesOf(kept)).toEqual(["_SUCCESS", "part-00000", "part-00001", "part-00002", "part-00003"]);
    expect(written(directory)).toHaveLength(7);
    const above = kept.mapValues((n) => -n);
    expect(await sorted(above.mapValues((n) => -n))).toEqual(expected);
    // Where its records lie is known still: the reduceByKey reads them in the same stage.
    expect(await sorted(kept.reduceByKey((a, b) => a + b))).toEqual(expected);
    expect(s.lastJob?.stages).toBe(1);
    expect(calls.value).toBe(SIZE);
    expect(await kept.toDebugString()).toContain("ReliableCheckpointRDD");
  },
  60_000,
);

test("survives the loss of every worker that made it, and the shuffle below it goes", async () => {
  const s = await open();
  s.setCheckpointDir(freshPath("checkpoints"));
  const calls = s.longAccumulator("calls");
  const kept = sums(s, calls);
  const shuffles = () =>
    readdirSync(engine.directory, { recursive: true }).filter((name) => /shuffle\/.*\.data$/.test(String(name)));
  expect(await kept.count()).toBe(10);
  expect(shuffles().length).toBeGreaterThan(0);
  kept.checkpoint();
  expect(await kept.count()).toBe(10);
  await vi.waitFor(() => expect(shuffles()).toEqual([]), { timeout: 20_000 });
  await kill(s, 2);
  expect(await sorted(kept.mapValues((n) => n))).toEqual(expected);
  expect(calls.value).toBe(SIZE);
}, 60_000);

test("a worker that dies while it writes leaves nothing of its own", async () => {
  const s = await open();
  const directory = freshPath("checkpoints");
  s.setCheckpointDir(directory);
  const fault = freshPath("fault");
  const kept = sums(s).mapPartitionsWithIndex(function* (partition, records) {
    for (const record of records) {
      yield record;
      if (partition !== 2 || existsSync(fault)) continue;
      writeFileSync(fault, String(process.pid));
      process.kill(process.pid, "SIGKILL");
    }
  });
  kept.checkpoint();
  expect(await sorted(kept)).toEqual(expected);
  expect(existsSync(fault)).toBe(true);
  expect(filesOf(kept)).toEqual(["_SUCCESS", "part-00000", "part-00001", "part-00002", "part-00003"]);
}, 60_000);

test("that fails rejects the action and leaves no file; the next action writes it", async () => {
  const s = await open("local[2]");
  const directory = freshPath("checkpoints");
  s.setCheckpointDir(directory);
  const ready = freshPath("ready");
  const kept = s.range(0, SIZE, 1, PARTS).map((n) => {
    if (n === SIZE - 1 && !existsSync(ready)) throw new Error("not ready yet");
    return n;
  });
  kept.checkpoint();
  await expect(kept.first()).rejects.toMatchObject({
    code: "JOB_FAILED",
    cause: { message: "not ready yet" },
  });
  expect(written(directory).filter((name) => String(name).includes("rdd-"))).toEqual([]);
  expect(kept.isCheckpointed).toBe(false);
  writeFileSync(ready, "");
  expect(await kept.first()).toBe(0);
  expect(kept.isCheckpointed).toBe(true);
});

test("files that are removed are an error, not fewer records", async () => {
  const s = await open("local[2]");
  s.setCheckpointDir(freshPath("checkpoints"));
  const kept = sums(s);
  kept.checkpoint();
  await kept.count();
  const directory = fileURLToPath(kept.getCheckpointFile() as string);
  rmSync(join(directory, "part-00002"));
  await expect(kept.count()).rejects.toMatchObject({
    code: "CHECKPOINT_LOST",
    message: expect.stringContaining("has 3 files where 4 were written"),
  });
  rmSync(directory, { recursive: true });
  await expect(kept.count()).rejects.toMatchObject({ code: "CHECKPOINT_LOST" });
});

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  get sum() {
    return this.x + this.y;
  }
}

test.each(["checkpoint", "localCheckpoint"] as const)(
  "%s keeps instances of classes, and RDDs without a record",
  async (kind) => {
    const s = await open(CLUSTER);
    s.setCheckpointDir(freshPath("checkpoints"));
    const points = s.parallelize([new Point(1, 2), new Point(3, 4)], 2).repartition(2);
    const none = s.emptyRDD<number>();
    points[kind]();
    none[kind]();
    const [first] = await points.collect();
    expect(first).toBeInstanceOf(Point);
    expect((await points.map((point) => point.sum).collect()).sort()).toEqual([3, 7]);
    expect([await none.count(), await none.union(none).count()]).toEqual([0, 0]);
  },
  60_000,
);

test("a loop that checkpoints as it goes keeps its lineage short, and jobs that run meanwhile give the same", async () => {
  const s = await open();
  s.setCheckpointDir(freshPath("checkpoints"));
  let at: RDD<readonly [number, number]> = s.range(0, 100, 1, PARTS).map((n) => [n % 7, n]);
  const others: Promise<unknown>[] = [];
  for (let i = 1; i <= 12; i++) {
    at = at
      .reduceByKey((a, b) => (a + b) % 10_007, PARTS)
      .flatMap(([key, n]) => [[key, n] as const, [(key + 1) % 7, n + 1] as const]);
    if (i % 4 === 0) at.checkpoint();
    if (i % 4 === 0) others.push(at.count(), at.keys().distinct(2).count());
    if (i % 6 === 0) await at.count();
  }
  const sets = await Promise.all(others);
  expect(sets).toEqual([14, 7, 14, 7, 14, 7]);
  expect((await at.toDebugString()).split("\n")).toHaveLength(1);
}, 60_000);

test.each(["checkpoint", "localCheckpoint"] as const)(
  "%s of a sorted RDD: what was partitioned as it lies still is, by ranges of its own keys",
  async (kind) => {
    const s = await open("local[2]");
    s.setCheckpointDir(freshPath("checkpoints"));
    const kept = sums(s).sortByKey(true, 3);
    const partitioner = kept.partitioner ?? 1;
    const joined = kept.join(sums(s), partitioner);
    const moved = sums(s).partitionBy(partitioner).keys().glom();
    const before = [await joined.count(), (await moved.collect()).map((keys) => keys.sort())];
    kept[kind]();
    expect([await joined.count(), (await moved.collect()).map((keys) => keys.sort())]).toEqual(before);
    expect([kept.isCheckpointed, before[0]]).toEqual([true, 10]);
    expect(await kept.keys().collect()).toEqual(Array.from({ length: 10 }, (_, key) => key));
  },
  60_000,
);

test("a local one cuts the lineage at the workers' caches; a block that goes with its worker is an error that says why", async () => {
  const s = await open();
  const calls = s.longAccumulator("calls");
  const kept = sums(s, calls).localCheckpoint();
  expect(await sorted(kept)).toEqual(expected);
  expect(await sorted(kept.mapValues((n) => n))).toEqual(expected);
  expect(calls.value).toBe(SIZE);
  await kill(s, 2);
  const failed = await kept.collect().catch((error: unknown) => error);
  expect(failed).toMatchObject({
    code: "JOB_FAILED",
    cause: {
      code: "CHECKPOINT_LOST",
      message: expect.stringMatching(
        /partition \d of the RDD of reduceByKey at checkpoints\.test\.ts:\d+:\d+, locally checkpointed, is gone.*checkpoint\(\) keeps it in files/,
      ),
    },
  });
  // The session serves on, and so does the RDD when it is made anew.
  expect(await sorted(sums(s))).toEqual(expected);
}, 60_000);

test("a local one that is unpersisted is lost, too", async () => {
  const s = await open("local[2]");
  const kept = sums(s).localCheckpoint();
  await kept.count();
  kept.unpersist();
  await expect(kept.count()).rejects.toMatchObject({ code: "JOB_FAILED", cause: { code: "CHECKPOINT_LOST" } });
});

test("the directory may be an option, and two sessions may share it", async () => {
  const directory = freshPath("checkpoints");
  const both = await Promise.all([0, 1].map(() => engine.open("local", { "checkpoint.dir": directory })));
  const kept = both.map((s) => sums(s));
  for (const rdd of kept) rdd.checkpoint();
  for (const rdd of kept) expect(await sorted(rdd)).toEqual(expected);
  expect(readdirSync(directory)).toHaveLength(2);
  expect(
    readFileSync(join(fileURLToPath(kept[0]?.getCheckpointFile() as string), "part-00000")).byteLength,
  ).toBeGreaterThan(8);
  await Promise.all(both.map((s) => s.stop()));
});
