// What a history makes of a session's events, and how a directory of logs is listed.

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.js";
import { sessionId } from "../../src/core/ids.js";
import { noMetrics } from "../../src/core/task-metrics.js";
import { EventLogWriter } from "../../src/events/event-log-writer.js";
import { eventLogVersion, type SessionEvent } from "../../src/events/event-types.js";
import { HistoryBuilder } from "../../src/events/history.js";
import { listHistory, readHistory } from "../../src/events/history-list.js";
import { scratchDirectory } from "../support/scratch.js";

const root = scratchDirectory();

type Body = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, "time"> : never) : never;
const at = (time: number, body: Body) => ({ time, ...body }) as SessionEvent;

const started = (session: string, time = 1000) =>
  at(time, {
    type: "sessionStarted",
    version: eventLogVersion,
    session,
    appName: "counts",
    millrace: "0.1.0",
    master: "local[2]",
    options: {},
    environment: { node: "v20" },
  });
const worker = at(1001, { type: "workerAdded", worker: "w1", role: "core", node: "n1", slots: 2, memoryBytes: 1 });
const job = at(1002, {
  type: "jobStarted",
  job: 1,
  action: "collect",
  callSite: "collect at a.ts:1:1",
  stages: [1],
  group: "nightly",
});
const stage = at(1003, {
  type: "stageStarted",
  ...{ job: 1, stage: 1, name: "map at a.ts:1:1", kind: "result", tasks: 10, parents: [] },
});
const task = (partition: number, attempt = 0) => ({ job: 1, stage: 1, partition, attempt, worker: "w1" });
const begins = (partition: number, attempt = 0) =>
  at(1004, { type: "taskStarted", ...task(partition, attempt), slot: 0, locality: "NODE_LOCAL", speculative: false });
const ends = (partition: number, executorRunTime: number, attempt = 0) =>
  at(1005, {
    type: "taskEnded",
    ...task(partition, attempt),
    outcome: "succeeded",
    error: null,
    metrics: { executorRunTime, inputRecords: 5, peakExecutionMemory: partition },
  });
const error = { code: "TASK_FAILED", message: "it threw", fields: {} } as const;
const fails = at(1005, { type: "taskEnded", ...task(3), outcome: "failed", error, metrics: null });
const jobEnds = at(1100, {
  type: "jobEnded",
  ...{ job: 1, error: null, elapsedMs: 98, tasks: 10, failedAttempts: 1, metrics: { inputRecords: 50 } },
  accumulators: [{ id: 4, name: "names", kind: "custom", value: "2 updates" }],
});
const sessionEnds = at(1200, {
  type: "sessionEnded",
  error: null,
  elapsedMs: 200,
  totals: { jobs: 1, failedJobs: 0, tasks: 10, failedAttempts: 1, metrics: { inputRecords: 50 } },
});
const times = [10, 10, 10, 40, 10, 10, 10, 10, 10, 90];
const story = (session: string) => [
  ...[started(session), worker, job, stage],
  ...[begins(3), fails],
  ...times.flatMap((ms, partition) => [begins(partition, 1), ends(partition, ms, 1)]),
  at(1050, { type: "cached", node: 7, partition: 0, worker: "w1", sizeBytes: 100 }),
  at(1050, { type: "cached", node: 7, partition: 1, worker: "w1", sizeBytes: 50 }),
  at(1051, { type: "uncached", node: 7, partition: 0, worker: "w1" }),
  at(1090, {
    type: "stageEnded",
    ...{ job: 1, stage: 1, error: null, elapsedMs: 87, failedAttempts: 1, metrics: {}, accumulators: [] },
  }),
  jobEnds,
  at(1101, { type: "accumulatorValues", job: 1, values: [{ id: 4, name: "names", kind: "custom", value: "[ 'a' ]" }] }),
  at(1150, { type: "workerExcluded", scope: "stage", worker: null, node: "n1", reason: "too often", forMs: null }),
  at(1160, { type: "workerLost", worker: "w1", reason: "its heartbeats stopped" }),
];

const write = async (directory: string, session: string, events: readonly SessionEvent[], compress = false) => {
  const writer = new EventLogWriter({
    directory,
    session: sessionId(session),
    clock: systemClock,
    compress,
    onError: (error) => {
      throw error;
    },
  });
  for (const event of events) writer.write(event);
  await writer.close();
  return writer.path;
};

describe("a history", () => {
  const builder = new HistoryBuilder();
  for (const event of [...story("s1"), sessionEnds]) builder.add(event);
  const history = builder.build();

  it("has the job with its group, its sums and what its accumulators came to", () => {
    expect(history).toMatchObject({ session: "s1", appName: "counts", startedMs: 1000, endedMs: 1200, error: null });
    expect(history.jobs).toMatchObject([{ job: 1, group: "nightly", elapsedMs: 98, tasks: 10, failedAttempts: 1 }]);
    expect(history.jobs[0]?.metrics).toEqual({ ...noMetrics, inputRecords: 50 });
    expect(history.jobs[0]?.accumulators).toMatchObject([{ name: "names", value: "[ 'a' ]" }]);
  });

  it("has each stage with the spread of its times and its slowest tasks", () => {
    const [one] = history.stages;
    expect(one).toMatchObject({ succeeded: 10, failed: 1, fetchFailed: 0, cancelled: 0, endedMs: 1090 });
    expect(one?.metrics).toMatchObject({ executorRunTime: 210, inputRecords: 50, peakExecutionMemory: 9 });
    expect(one?.runTime).toEqual({ min: 10, p25: 10, median: 10, p75: 10, max: 90, skew: 9 });
    const slowest = one?.slowest.map(({ partition, metrics, locality }) => [
      partition,
      metrics.executorRunTime,
      locality,
    ]);
    expect(slowest?.slice(0, 2)).toEqual([
      [9, 90, "NODE_LOCAL"],
      [3, 40, "NODE_LOCAL"],
    ]);
    expect(slowest).toHaveLength(5);
  });

  it("has failures, workers and what was cached at the end", () => {
    expect(history.failures).toEqual([{ time: 1005, ...task(3), outcome: "failed", error }]);
    expect(history.workers).toMatchObject([
      { worker: "w1", tasks: 10, runMs: 210, lostMs: 1160, reason: "its heartbeats stopped" },
    ]);
    expect(history.workers[0]?.excluded).toEqual([{ time: 1150, scope: "stage", reason: "too often" }]);
    expect(history.cached).toEqual({ partitions: 1, bytes: 50 });
  });

  it("of a log of version 1, which said less, is read all the same", () => {
    const old = new HistoryBuilder();
    old.add(started("s0"));
    old.add({ time: 1, type: "jobStarted", job: 1, action: "count", callSite: "x", stages: [1] } as never);
    old.add({ time: 2, type: "jobEnded", job: 1, error: null, elapsedMs: 1 } as never);
    expect(old.build().jobs).toMatchObject([{ job: 1, group: null, tasks: 0, metrics: noMetrics }]);
  });
});

describe.each([false, true])("a directory of logs, compressed: %s", (compress) => {
  const directory = join(root, String(compress));

  it("is listed newest first, by the ends of each log or, without an end, by all of it", async () => {
    await write(directory, "s1-a", [...story("s1-a"), sessionEnds], compress);
    await write(directory, "s2-b", [started("s2-b", 5000), ...story("s2-b").slice(1)], compress);
    const broken = await write(directory, "s3-c", [worker], compress);
    const { sessions, unreadable } = await listHistory(directory);
    expect(sessions.map(({ session, endedMs }) => [session, endedMs])).toEqual([
      ["s2-b", null],
      ["s1-a", 1200],
    ]);
    for (const row of sessions)
      expect(row).toMatchObject({
        jobs: 1,
        failedJobs: 0,
        tasks: 10,
        failedAttempts: 1,
        metrics: { inputRecords: 50 },
      });
    expect(unreadable).toMatchObject([{ path: broken }]);
    expect((await listHistory(join(root, "nowhere"))).sessions).toEqual([]);
  });

  it("gives a session by its id, by the beginning of it alone, and with damage told", async () => {
    expect(await readHistory(directory, "s1")).toMatchObject({ session: "s1-a", log: { cut: false, damaged: 0 } });
    await expect(readHistory(directory, "s")).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
      message: expect.stringContaining("3 sessions s"),
    });
    await expect(readHistory(directory, "s9")).rejects.toThrow(/no session s9: e\.g\. s/);
    const { log } = await readHistory(directory, "s1-a");
    appendFileSync(log.path, compress ? Buffer.alloc(30, 7) : "no event\n{");
    const damaged = await readHistory(directory, "s1-a");
    expect(damaged.jobs).toHaveLength(1);
    expect(damaged.log).toMatchObject(compress ? { cut: true } : { cut: true, damaged: 1 });
  });
});
