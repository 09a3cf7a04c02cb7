// What a session leaves in its event log, read back: on by default, one line an event.

import { join } from "node:path";
import { expect, test } from "vitest";
import { listEventLogs, readEventLog } from "../../src/events/event-log-reader.js";
import type { EventType, SessionEvent } from "../../src/events/event-types.js";
import { repository, runNode } from "../support/cli.js";
import { sessions } from "../support/engine.js";
import { writeTree } from "../support/scratch.js";

const engine = sessions();
const logs = join(engine.directory, "events");

async function eventsOf(appName: string): Promise<SessionEvent[]> {
  for await (const { path } of await listEventLogs(logs)) {
    const events: SessionEvent[] = [];
    await readEventLog(path, (event) => events.push(event));
    if (events[0]?.type === "sessionStarted" && events[0].appName === appName) return events;
  }
  throw new Error(`no event log of ${appName} in ${logs}`);
}

function of<T extends EventType>(events: readonly SessionEvent[], type: T): Extract<SessionEvent, { type: T }>[] {
  return events.filter((event) => event.type === type) as Extract<SessionEvent, { type: T }>[];
}

test("a session logs its jobs, stages and tasks, each with its end", async () => {
  const session = await engine.open("local[2]", {
    appName: "logged",
    "eventLog.enabled": true,
    "eventLog.dir": logs,
    "task.maxFailures": 2,
  });
  const pairs = session.range(0, 100, 1, 4).map((n) => [n % 3, 1]);
  await pairs.reduceByKey((a, b) => a + b, 2).collect();
  const failing = session.range(0, 4, 1, 1).map((n) => {
    if (n > 2) throw new Error("too large");
    return n;
  });
  await expect(failing.collect()).rejects.toThrow("too large");
  await session.stop();

  const events = await eventsOf("logged");
  expect(events.at(-1)?.type).toBe("sessionEnded");
  const times = events.map((event) => event.time);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(of(events, "workerAdded")).toMatchObject([{ slots: 2, role: "core" }]);

  const [counted, failed] = of(events, "jobStarted");
  expect(counted).toMatchObject({ action: "collect", callSite: expect.stringContaining("session-log.test.ts") });
  expect(of(events, "jobEnded")).toMatchObject([
    { job: counted?.job, error: null },
    { job: failed?.job, error: { code: "JOB_FAILED" } },
  ]);
  const started = of(events, "stageStarted");
  const ended = of(events, "stageEnded");
  expect(started.map(({ job, tasks }) => [job, tasks])).toEqual([
    [counted?.job, 4],
    [counted?.job, 2],
    [failed?.job, 1],
  ]);
  expect(started[1]?.parents).toEqual([started[0]?.stage]);
  expect(ended.map(({ stage, error }) => [stage, error === null])).toEqual([
    [started[0]?.stage, true],
    [started[1]?.stage, true],
    [started[2]?.stage, false],
  ]);

  const names = ({ job, stage, partition, attempt }: Extract<SessionEvent, { attempt: number }>) =>
    `${job}/${stage}/${partition}/${attempt}`;
  const tasks = of(events, "taskStarted");
  expect(tasks).toHaveLength(4 + 2 + 2);
  for (const task of tasks) expect([0, 1]).toContain(task.slot);
  const ends = of(events, "taskEnded");
  expect(ends.map(names).sort()).toEqual(tasks.map(names).sort());
  expect(ends.map(({ outcome }) => outcome)).toEqual([...Array(6).fill("succeeded"), "failed", "failed"]);
  expect(ends.slice(0, 4).reduce((sum, { metrics }) => sum + (metrics?.inputRecords ?? 0), 0)).toBe(100);
  // A task's line comes between those of its stage.
  const at = (event: SessionEvent | undefined) => events.indexOf(event as SessionEvent);
  for (const task of tasks.filter(({ stage }) => stage === started[0]?.stage)) {
    expect(at(task)).toBeGreaterThan(at(started[0]));
    expect(at(task)).toBeLessThan(at(ended[0]));
  }
});

test("a session that is told so keeps no log", async () => {
  const session = await engine.open("local[1]", { appName: "silent", "eventLog.enabled": false, "eventLog.dir": logs });
  await session.range(0, 3).count();
  await session.stop();
  await expect(eventsOf("silent")).rejects.toThrow("no event log");
});

test("a session whose log cannot be written runs on, and says so once", async () => {
  const program = `import { Session } from ${JSON.stringify(join(repository, "dist/index.js"))};
const session = await Session.open({ master: "local[2]", localDir: process.argv[2], "eventLog.dir": process.argv[3], "log.level": "info" });
for (let i = 0; i < 3; i++) console.log(await session.range(0, 10, 1, 2).count());
await session.stop();`;
  // A file stands where the directory should be.
  writeTree(engine.directory, { "program.mjs": program, "no-directory": "" });
  const { directory } = engine;
  const args = [join(directory, "program.mjs"), directory, join(directory, "no-directory")];
  const { code, stdout, stderr } = await runNode(args);
  expect([code, stdout]).toEqual([0, "10\n10\n10\n"]);
  expect(stderr.match(/the event log \S+no-directory\S+ ends here, it cannot be written/g)).toHaveLength(1);
});

test("a compressed log of several files is one log", async () => {
  const directory = join(engine.directory, "rolled");
  const session = await engine.open("local[2]", {
    appName: "rolled",
    "eventLog.enabled": true,
    "eventLog.dir": directory,
    "eventLog.compress": true,
    "eventLog.maxFileSize": "64k",
  });
  for (let i = 0; i < 3; i++) await session.range(0, 1000, 1, 1000).count();
  await session.stop();
  const [log] = await listEventLogs(directory);
  expect(log?.parts.length).toBeGreaterThan(1);
  expect(log?.parts.every(({ path }) => path.endsWith(".zst"))).toBe(true);
  const events: SessionEvent[] = [];
  const summary = await readEventLog(log?.path ?? "", (event) => events.push(event));
  expect(summary).toMatchObject({ cut: false, damaged: 0, missingParts: [] });
  expect(of(events, "taskEnded")).toHaveLength(3000);
  expect(of(events, "eventsDropped")).toEqual([]);
  const { totals, error } = of(events, "sessionEnded")[0] ?? {};
  expect(error).toBeNull();
  expect(totals).toMatchObject({ jobs: 3, failedJobs: 0, tasks: 3000, metrics: { inputRecords: 3000 } });
}, 60_000);
