// A worker process ended by SIGKILL at a named point of a job. The fault is proved to have fired, the result equals the calm
// one or the job fails with the cause, nothing hangs, and the session serves the next job.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";
import { pidsBehind } from "../support/worker-pids.js";

const engine = sessions();
const TASKS = 8;
const RECORDS = 4_000;
let session: Session | null = null;
let faults = 0;

afterEach(async () => {
  await session?.stop();
  session = null;
});

async function open(options: SessionOptions = {}, master = "local-cluster[2,1,512m]"): Promise<Session> {
  session = await engine.open(master, options);
  return session;
}

/** A path that marks a fault as fired: its file holds the pid that died. */
const freshFault = () => join(engine.directory, `fault-${++faults}`);

async function workerPids(s: Session, workers: number): Promise<number[]> {
  const pids = await pidsBehind(`${freshFault()}-pids`, s, workers);
  expect(new Set(pids).size).toBe(workers);
  return pids;
}

/** Numbers in TASKS partitions; `fault`: the attempt that comes to the middle of partition 3 first takes its process with it. */
function numbers(s: Session, fault: string | null) {
  return s.range(0, RECORDS, 1, TASKS).map((n) => {
    if (fault !== null && n === (3.5 * RECORDS) / TASKS && !existsSync(fault)) {
      writeFileSync(fault, String(process.pid));
      process.kill(process.pid, "SIGKILL");
    }
    return n;
  });
}

const expectedSums = () =>
  Array.from({ length: 10 }, (_, key) => [key, (RECORDS / 10) * (RECORDS / 2 - 5 + key)] as const);

async function serves(s: Session): Promise<void> {
  const sums = s
    .range(0, RECORDS, 1, TASKS)
    .map((n) => [n % 10, n])
    .reduceByKey((a, b) => a + b)
    .sortByKey();
  expect(await sums.collect()).toEqual(expectedSums());
}

test("in a map task: the others finish the job", async () => {
  const s = await open();
  const fault = freshFault();
  const sums = numbers(s, fault)
    .map((n) => [n % 10, n])
    .reduceByKey((a, b) => a + b, 4);
  expect((await sums.collect()).sort(([a], [b]) => a - b)).toEqual(expectedSums());
  expect(existsSync(fault)).toBe(true);
  expect(s.lastJob?.failedAttempts).toBeGreaterThan(0);
  await serves(s);
});

test("in a result task, after others have given theirs: every record comes once, in order", async () => {
  const s = await open();
  const fault = freshFault();
  const seen = s.longAccumulator("seen");
  const all = numbers(s, fault).map((n) => {
    seen.add(1);
    return n;
  });
  expect(await all.collect()).toEqual(Array.from({ length: RECORDS }, (_, n) => n));
  expect(existsSync(fault)).toBe(true);
  expect(seen.value).toBe(RECORDS);
  await serves(s);
});

test("between two jobs: the map outputs that went with it are computed again, and only those", async () => {
  const s = await open();
  const pids = await workerPids(s, 2);
  const mapped = s.longAccumulator("mapped");
  const sums = s
    .range(0, RECORDS, 1, TASKS)
    .map((n) => {
      mapped.add(1);
      return [n % 10, n];
    })
    .reduceByKey((a, b) => a + b, 4)
    .sortByKey();
  expect(await sums.collect()).toEqual(expectedSums());
  process.kill(pids[0] as number, "SIGKILL");
  expect(await sums.collect()).toEqual(expectedSums());
  // Accumulators in transformations count what is computed again.
  expect(mapped.value).toBeLessThan(2 * RECORDS);
  await serves(s);
});

test.each([true, false])("while a task is about to fetch from it (shuffle.localReads %s)", async (localReads) => {
  const s = await open({ "shuffle.localReads": localReads });
  const pids = await workerPids(s, 2);
  const fault = freshFault();
  const shuffled = s
    .range(0, RECORDS, 1, TASKS)
    .map((n) => [n % 10, n])
    .groupByKey(3)
    .mapValues((all) => [...all].length);
  expect(await shuffled.count()).toBe(10);
  // One task that first runs this function and then reads the shuffle.
  const first = s.range(0, 1, 1, 1).flatMap((): (readonly [number, number])[] => {
    if (!existsSync(fault)) {
      const other = pids.find((pid) => pid !== process.pid) as number;
      writeFileSync(fault, String(other));
      process.kill(other, "SIGKILL");
    }
    return [];
  });
  const counts = await first.union(shuffled).coalesce(1).collect();
  expect(counts.sort(([a], [b]) => a - b)).toEqual(Array.from({ length: 10 }, (_, key) => [key, RECORDS / 10]));
  expect(existsSync(fault)).toBe(true);
  await serves(s);
});

test("that held cached partitions: they are computed again", async () => {
  const s = await open();
  const pids = await workerPids(s, 2);
  const kept = s
    .range(0, RECORDS, 1, TASKS)
    .map((n) => ({ n, text: `number ${n}` }))
    .persist("MEMORY_AND_DISK");
  const all = await kept.collect();
  process.kill(pids[1] as number, "SIGKILL");
  expect(await kept.collect()).toEqual(all);
  expect(await kept.count()).toBe(RECORDS);
  await serves(s);
});

test("that holds results which the driver has not read yet: they are computed again", async () => {
  const s = await open();
  const pids = await workerPids(s, 2);
  const blocks = s.range(0, 96, 1, 24).map((n) => new Uint8Array(2 ** 19).fill(n));
  let at = 0;
  for await (const block of blocks.toLocalIterator()) {
    expect(block[0]).toBe(at);
    if (++at === 5) process.kill(pids[0] as number, "SIGKILL");
  }
  expect(at).toBe(96);
  await serves(s);
});

test("while it writes part files: the output is whole and has nothing else in it", async () => {
  const s = await open();
  const fault = freshFault();
  const output = join(engine.directory, "killed-output");
  await numbers(s, fault).saveAsTextFile(output);
  expect(existsSync(fault)).toBe(true);
  const names = readdirSync(output, { recursive: true }).map(String).sort();
  expect(names).toEqual(["_SUCCESS", ...Array.from({ length: TASKS }, (_, n) => `part-0000${n}`)]);
  const lines = names.slice(1).flatMap((name) => readFileSync(join(output, name), "utf8").trimEnd().split("\n"));
  expect(lines.map(Number)).toEqual(Array.from({ length: RECORDS }, (_, n) => n));
  await serves(s);
});

test("every time a task runs: the job fails with the cause, and the last worker is spared", async () => {
  const s = await open({ "task.maxFailures": 2 }, "local-cluster[3,1,256m]");
  const kill = s.range(0, 4, 1, 2).map((n) => {
    if (n === 3) process.kill(process.pid, "SIGKILL");
    return n;
  });
  await expect(kill.collect()).rejects.toMatchObject({
    code: "JOB_FAILED",
    message: expect.stringContaining("was killed"),
  });
  await serves(s);
});

test("all of them, again and again: the job fails, and the processes that came back serve the next", async () => {
  const s = await open();
  const kill = s.range(0, 8, 1, 2).map((n) => {
    process.kill(process.pid, "SIGKILL");
    return n;
  });
  await expect(kill.collect()).rejects.toMatchObject({ code: "JOB_FAILED" });
  await serves(s);
});
