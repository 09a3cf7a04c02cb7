// Tasks that are slow on one worker process only: with speculation a second attempt on another worker ends the job, while the
// first still waits for a file that nobody writes. The first is told to stop, and nothing of it is seen.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const TASKS = 24;
let session: Session | null = null;
let names = 0;

afterEach(async () => {
  await session?.stop();
  session = null;
});

async function open(options: SessionOptions = {}): Promise<Session> {
  session = await engine.open("local-cluster[3,1,256m]", { speculation: true, ...options });
  return session;
}

const freshPath = (what: string) => join(engine.directory, `${what}-${++names}`);

/** Numbers, one a task; the task that comes first to the slow place holds its process there until `release` is written. */
function numbers(s: Session, slow: string, release: string) {
  return s.range(0, TASKS, 1, TASKS).map((n) => {
    if (!existsSync(slow)) {
      try {
        writeFileSync(slow, String(process.pid), { flag: "wx" });
      } catch {
        // Another process was first.
      }
    }
    if (readFileSync(slow, "utf8") === String(process.pid)) {
      const waiting = new Int32Array(new SharedArrayBuffer(4));
      const deadline = Date.now() + 60_000;
      while (!existsSync(release) && Date.now() < deadline) Atomics.wait(waiting, 0, 0, 5);
    }
    return n;
  });
}

const all = Array.from({ length: TASKS }, (_, n) => n);

async function serves(s: Session): Promise<void> {
  expect(await s.range(0, 9, 1, 9).reduce((a, b) => a + b)).toBe(36);
}

test("a job ends by second attempts while a worker holds its tasks; what counts comes from one attempt each", async () => {
  const s = await open();
  const [slow, release] = [freshPath("slow"), freshPath("release")];
  const seen = s.longAccumulator("seen");
  const counted = numbers(s, slow, release).map((n) => {
    seen.add(1);
    return n;
  });
  expect(await counted.collect()).toEqual(all);
  expect(existsSync(slow)).toBe(true);
  expect(existsSync(release)).toBe(false);
  expect(seen.value).toBe(TASKS);
  expect(s.lastJob?.failedAttempts).toBe(0);
  await serves(s);
});

test("a map stage: reducers read the outputs of the attempts that won", async () => {
  const s = await open();
  const sums = numbers(s, freshPath("slow"), freshPath("release"))
    .map((n) => [n % 3, n])
    .reduceByKey((a, b) => a + b, 3);
  expect((await sums.collect()).sort(([a], [b]) => a - b)).toEqual([
    [0, 84],
    [1, 92],
    [2, 100],
  ]);
  await serves(s);
});

test("part files of the attempt that lost are never seen", async () => {
  const s = await open();
  const output = freshPath("output");
  await numbers(s, freshPath("slow"), freshPath("release")).saveAsTextFile(output);
  const files = readdirSync(output, { recursive: true }).map(String).sort();
  expect(files).toEqual(["_SUCCESS", ...all.map((n) => `part-${String(n).padStart(5, "0")}`)]);
  expect(files.slice(1).map((name) => Number(readFileSync(join(output, name), "utf8")))).toEqual(all);
  await serves(s);
});

test("foreach is not run twice at once: it waits for its slow task", async () => {
  const s = await open();
  const [slow, release] = [freshPath("slow"), freshPath("release")];
  const ran = freshPath("ran");
  const done = numbers(s, slow, release).foreach((n) => writeFileSync(`${ran}-${n}`, "", { flag: "wx" }));
  const marks = () =>
    readdirSync(engine.directory).filter((name) => join(engine.directory, name).startsWith(`${ran}-`));
  const deadline = Date.now() + 30_000;
  while (marks().length < TASKS - 1 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(marks()).toHaveLength(TASKS - 1);
  // Long enough for any look at slow tasks; a second attempt would make the last mark.
  for (let jobs = 0; jobs < 5; jobs++) await serves(s);
  expect(marks()).toHaveLength(TASKS - 1);
  writeFileSync(release, "");
  await done;
  expect(marks()).toHaveLength(TASKS);
});
