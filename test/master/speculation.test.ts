// Which tasks are slow, and where their second attempts go: the rule of Spark 4, number by number.

import { expect, test } from "vitest";
import { jobId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import { type SpeculationPolicy, usualSpeculation } from "../../src/master/job-scheduler/index.js";
import { StagePace } from "../../src/master/job-scheduler/stage-pace.js";
import type { ActionSpec } from "../../src/plan/lineage.js";
import { noMetrics } from "../../src/protocol/tasks.js";
import { inline, lower, rangeSource, succeeded } from "./support.js";
import { session, TestMaster } from "./test-master.js";

const RECORDS = 1_000;

/** Ten tasks on ten workers, all running since 0; nine end at 100 ms, having read 1,000 records each. The tenth goes on. */
function straggler(policy: Partial<SpeculationPolicy> = {}, action?: ActionSpec, savesFiles = false, ended = 9) {
  const names = Array.from({ length: 11 }, (_, n) => `w${n}`);
  const master = new TestMaster({ speculation: { ...usualSpeculation, ...policy } }, ...names);
  master.submit(
    lower({ job: jobId(1), nodes: [rangeSource(1)], root: 1, sources: { 1: 10 }, ...(action ? { action } : {}) }),
    { savesFiles },
  );
  const running = Array.from({ length: 10 }, () => master.next());
  master.now = 100;
  for (const { worker, key } of running.slice(0, ended)) {
    const result = savesFiles
      ? ({ kind: "file", pending: "p", final: "f", sizeBytes: 1, records: 1 } as const)
      : inline();
    const metrics = { ...noMetrics, executorRunTime: 100, inputRecords: RECORDS };
    master.end(worker, key, { kind: "succeeded", result, accumulators: [], metrics, cached: [] });
  }
  const last = running[9] as (typeof running)[number];
  const at = (now: number, read = 0) => {
    master.now = now;
    const beat = { kind: "heartbeat", worker: workerId(last.worker), incarnation: 1 } as const;
    master.handle({ ...beat, running: [last.key], records: [read] });
    return master.launches.splice(0).map(({ worker, launch }) => ({ worker, key: launch.key }));
  };
  return { master, last, at };
}

test("a task is slow after three times the median of those that ended, once nine tenths of them have", () => {
  const { at, last } = straggler({ intervalMs: 1 });
  expect(at(300)).toEqual([]);
  const [copy] = at(301);
  expect(copy?.key).toEqual({ ...last.key, attempt: 1 } satisfies TaskKey);
  expect(copy?.worker).not.toBe(last.worker);
  expect(at(10_000)).toEqual([]);
  expect(straggler({}, undefined, false, 8).at(5_000)).toEqual([]);
});

test("one that reads its records at three quarters of the mean rate is left alone, up to twice the time of a slow one", () => {
  // The mean is ten records a millisecond.
  expect(straggler().at(400, 3_000)).toEqual([]);
  expect(straggler().at(400, 2_999)).toHaveLength(1);
  expect(straggler().at(600, 6_000)).toEqual([]);
  expect(straggler().at(601, 6_010)).toHaveLength(1);
});

test("a task that ran shorter than speculation.minTaskRuntime is not slow", () => {
  expect(straggler({ minTaskRuntimeMs: 900 }).at(900)).toEqual([]);
  expect(straggler({ minTaskRuntimeMs: 900 }).at(901)).toHaveLength(1);
});

test("running tasks are looked at once in speculation.interval", () => {
  const { at } = straggler({ intervalMs: 1_000 });
  // The last look was at the ends of the others.
  expect(at(301)).toEqual([]);
  expect(at(1_100)).toHaveLength(1);
});

test("tasks of foreach get no second attempt; those that save files do, and one of the two is committed", () => {
  const each: ActionSpec = {
    kind: "foreach",
    fn: { hash: "f", bytes: new Uint8Array(0), async: false, name: "f" },
  } as never;
  expect(straggler({}, each).at(5_000)).toEqual([]);
  const save: ActionSpec = { kind: "saveAsTextFile", url: "file:///out", compression: "none" };
  const { master, last, at } = straggler({}, save, true);
  const [copy] = at(5_000);
  const file = (pending: string) => ({ kind: "file", pending, final: "f", sizeBytes: 1, records: 1 }) as const;
  const won = master.handle({
    kind: "statuses",
    worker: workerId(copy?.worker ?? ""),
    incarnation: 1,
    statuses: [succeeded(copy?.key as TaskKey, file("copy"))],
  });
  const commit = won.find((command) => command.kind === "commitOutput");
  expect(commit?.files.map(({ pending }) => pending)).toEqual([...Array(9).fill("p"), "copy"]);
  const late = { kind: "statuses", worker: workerId(last.worker), incarnation: 1 } as const;
  expect(master.handle({ ...late, statuses: [succeeded(last.key, file("late"))] })).toEqual([]);
});

test("a stage of one task has no slow one", () => {
  const master = new TestMaster({ speculation: { ...usualSpeculation, quantile: 0 } }, "a", "b");
  master.submit(lower({ job: jobId(1), nodes: [rangeSource(1)], root: 1, sources: { 1: 1 } }));
  master.next();
  master.now = 60_000;
  master.handle({ kind: "tick" });
  expect(master.launches).toEqual([]);
});

test("a second attempt goes to another node, and to another worker of the same one only where there is no other", () => {
  for (const far of [true, false]) {
    const master = new TestMaster({ speculation: { ...usualSpeculation, quantile: 0.5 } });
    master.join("a", 1, 1, "near");
    master.join("b", 1, 1, "near");
    master.submit(lower({ job: jobId(1), nodes: [rangeSource(1)], root: 1, sources: { 1: 2 } }));
    const [first, main] = [master.next(), master.next()];
    const done = { kind: "succeeded", result: inline(), accumulators: [], metrics: noMetrics, cached: [] } as const;
    master.end(first.worker, first.key, done);
    if (far) master.join("c", 1, 1, "far");
    master.now = 1_000;
    master.handle({ kind: "tick" });
    expect(master.launches.map(({ worker }) => worker)).toEqual([far ? "c" : first.worker]);
    expect(main.worker).not.toBe(master.launches[0]?.worker);
  }
});

test("a slot is a task's before it is a second attempt's", () => {
  const { master, last, at } = straggler();
  const other = sessionId("t");
  master.handle({ kind: "sessionOpened", session: other });
  master.handle({
    kind: "submitted",
    session: other,
    graph: lower({ job: jobId(1), nodes: [rangeSource(1)], root: 1, sources: { 1: 10 } }),
    savesFiles: false,
    maxResultBytes: null,
  });
  const launched = at(5_000).map(({ key }) => key.session);
  expect(launched).toEqual(Array(10).fill(other));
  expect(last.key.session).toBe(session);
});

test("the median of a stage's durations is exact, whatever their order", () => {
  const pace = new StagePace();
  const durations: number[] = [];
  let next = 7;
  for (let n = 0; n < 500; n++) {
    next = (next * 48_271) % 2_147_483_647;
    durations.push(next % 97);
    pace.finish(next % 97, 2, 10);
    const sorted = [...durations].sort((a, b) => a - b);
    expect(pace.medianMs).toBe(sorted[Math.floor(sorted.length / 2)]);
  }
  expect(pace.recordsPerMs).toBe(5);
  expect(pace.finished).toBe(500);
});
