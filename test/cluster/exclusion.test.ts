// Functions that fail on one worker process and nowhere else: the job ends well, what failed is not tried there again, and after
// that stage the session keeps away from the worker. Where there is no other, its tasks run there all the same.

import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const TASKS = 12;
let names = 0;
const freshPath = (what: string) => join(engine.directory, `${what}-${++names}`);

/** One number a task. Every task that runs in the process that came first to `bad` fails; each attempt is noted in `ran`. */
function numbers(s: Session, bad: string, ran: string) {
  return s.range(0, TASKS, 1, TASKS).map((n) => {
    if (!existsSync(bad)) {
      try {
        writeFileSync(bad, String(process.pid), { flag: "wx" });
      } catch {
        // Another process was first.
      }
    }
    const isBad = readFileSync(bad, "utf8") === String(process.pid);
    appendFileSync(ran, `${n} ${isBad ? "bad" : "good"} ${process.pid}\n`);
    if (isBad) throw new Error("this disk is broken");
    // Long enough for the bad worker to come for more.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
    return n;
  });
}

const linesOf = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");

test("a task is not tried again where it failed, a stage leaves the worker after two, a session after the stage", async () => {
  const events = freshPath("events");
  const s = await engine.open("local-cluster[2,1,256m]", { "eventLog.enabled": true, "eventLog.dir": events });
  const [bad, ran] = [freshPath("bad"), freshPath("ran")];
  expect(await numbers(s, bad, ran).collect()).toEqual(Array.from({ length: TASKS }, (_, n) => n));
  const failed = linesOf(ran).filter((line) => line.includes("bad"));
  expect(failed).toHaveLength(2);
  expect(new Set(failed).size).toBe(2);
  expect(s.lastJob?.failedAttempts).toBe(2);
  const badPid = Number(readFileSync(bad, "utf8"));
  const pids = await s
    .range(0, 8, 1, 8)
    .map(() => process.pid)
    .collect();
  expect(pids).not.toContain(badPid);
  await s.stop();
  const log = readdirSync(events, { recursive: true })
    .map(String)
    .filter((name) => name.includes("."))
    .map((name) => readFileSync(join(events, name), "utf8"))
    .join("");
  const told = log
    .split("\n")
    .filter((line) => line.includes('"workerExcluded"'))
    .map(
      (line) => JSON.parse(line) as { readonly scope: string; readonly reason: string; readonly forMs: number | null },
    );
  expect(told).toMatchObject([
    { scope: "stage", reason: expect.stringContaining("this disk is broken"), forMs: null },
    { scope: "session", forMs: 3_600_000 },
  ]);
});

test("where every worker is excluded tasks run all the same", async () => {
  const s = await engine.open("local-cluster[1,1,256m]");
  const marks = freshPath("mark");
  const sometimes = s.range(0, 6, 1, 6).map((n) => {
    if (!existsSync(`${marks}-${n}`)) {
      writeFileSync(`${marks}-${n}`, "");
      throw new Error("the first time fails");
    }
    return n;
  });
  expect(await sometimes.collect()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(s.lastJob?.failedAttempts).toBe(6);
  expect(await s.range(0, 4, 1, 4).count()).toBe(4);
});

test("with exclude.enabled=false a task is tried again anywhere", async () => {
  const s = await engine.open("local-cluster[2,1,256m]", { "exclude.enabled": false, "task.maxFailures": 3 });
  const ran = freshPath("ran");
  const job = s.range(0, 1, 1, 1).map((n) => {
    appendFileSync(ran, `${n}\n`);
    throw new Error("always");
  });
  await expect(job.collect()).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(linesOf(ran)).toHaveLength(3);
});
