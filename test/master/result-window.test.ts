// A driver that takes nothing does not make the cluster compute all of a job's results.

import { expect, test } from "vitest";
import { jobId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterEvent } from "../../src/master/events.js";
import { ResultWindow } from "../../src/master/job-scheduler/result-window.js";
import { defaultMasterOptions } from "../../src/master/options.js";
import type { TaskResult } from "../../src/protocol/tasks.js";
import { chainOf, DrivenMaster, output } from "./driven-master.js";
import { emptyJob, lower, registration, succeeded } from "./support.js";

const MIB = 1024 * 1024;

test("partitions of known size are admitted while they fit with what waits, then one for one", () => {
  const window = new ResultWindow(10 * MIB, 1_000);
  for (let at = 0; window.waitingBytes < 9 * MIB; at++) window.made(at, MIB);
  const { admitted } = window;
  expect(admitted).toBeLessThan(60);
  let next = 9;
  for (let taken = 0; taken < 500; taken++) {
    window.delivered(taken);
    if (next < window.admitted) window.made(next++, MIB);
    expect(window.waitingBytes).toBeLessThanOrEqual(10 * MIB);
  }
  expect(next).toBeGreaterThan(500);
});

test("a partition larger than the limit comes alone, and small ones are not held", () => {
  const window = new ResultWindow(MIB, 100);
  const before = window.admitted;
  for (let at = 0; at < before; at++) window.made(at, 50 * MIB);
  expect(window.admitted).toBe(before);
  for (let at = 0; at < before - 1; at++) window.delivered(at);
  expect(window.admitted).toBe(before);
  window.delivered(before - 1);
  expect(window.admitted).toBe(before + 1);
  const small = new ResultWindow(128 * MIB, 100_000);
  for (let at = 0; at < 1_000; at++) small.made(at, 10);
  expect(small.admitted).toBeGreaterThan(10_000);
});

test("result tasks wait for a driver that takes nothing, a lost one does not, and all run once it takes", () => {
  const session = sessionId("s");
  const job = jobId(1);
  const partitions = 200;
  const limit = 20 * MIB;
  const machine = new MasterMachine({
    ...defaultMasterOptions,
    jobs: { ...defaultMasterOptions.jobs, maxResultsAheadBytes: limit },
  });
  const worker = workerId("w");
  const incarnation = 1;
  const queue: TaskKey[] = [];
  const ran = new Set<number>();
  const handle = (event: MasterEvent) => {
    for (const command of machine.handle(event, 0)) {
      if (command.kind === "send" && command.message.kind === "launch")
        queue.push(...command.message.launches.map(({ key }) => key));
    }
    expect(machine.validate()).toEqual([]);
  };
  const runAll = () => {
    for (let key = queue.shift(); key !== undefined; key = queue.shift()) {
      ran.add(key.partition);
      const result: TaskResult = { kind: "block", sizeBytes: MIB, records: 1 };
      handle({ kind: "statuses", worker, incarnation, statuses: [succeeded(key, result)] });
    }
  };
  handle({ kind: "sessionOpened", session });
  handle({ kind: "workerRegistered", registration: registration("w", incarnation, 2) });
  handle({ kind: "heartbeat", worker, incarnation, running: [] });
  const graph = emptyJob(job, 1 as never, partitions);
  handle({ kind: "submitted", session, graph, savesFiles: false, maxResultBytes: null });
  runAll();
  const ahead = ran.size;
  expect(ahead).toBeGreaterThan(1);
  // What was admitted before a size was known comes on top.
  expect(ahead * MIB).toBeLessThanOrEqual(limit + (limit / (2 * MIB)) * MIB);
  expect(ahead).toBeLessThan(partitions);
  handle({ kind: "resultLost", session, job, partition: 0 });
  expect(queue.map(({ partition }) => partition)).toEqual([0]);
  runAll();
  expect(ran.size).toBe(ahead);
  for (let taken = 0; taken < partitions; taken++) {
    handle({ kind: "resultDelivered", session, job, partition: taken });
    runAll();
  }
  expect(ran.size).toBe(partitions);
  expect(machine.view.liveJobs(session)).toEqual([]);
});

test("results that start over are admitted anew: no more wait than before, and none for ever", () => {
  const master = new DrivenMaster("a", "b");
  const partitions = 100;
  const large: TaskResult = { kind: "block", sizeBytes: 20 * MIB, records: 1 };
  const fit = defaultMasterOptions.jobs.maxResultsAheadBytes / (20 * MIB);
  const graph = lower({
    job: jobId(1),
    nodes: chainOf(1, partitions),
    root: 2,
    sources: { 1: 2 },
    action: { kind: "collect", limit: null },
  });
  const take = (partition: number) =>
    master.handle({ kind: "resultDelivered", session: master.session, job: jobId(1), partition });
  master.submit(graph);
  const holder = master.launchOf(graph, 0, 0).worker;
  for (const map of [0, 1]) master.succeed(master.launchOf(graph, 0, map), output(map + 1, partitions));
  for (let next = 0; next < 40; next++) {
    master.succeed(master.launchOf(graph, 1, next), large);
    take(next);
  }
  // Ten more wait for a driver that has stopped; then all is void.
  for (let next = 40; next < 50; next++) master.succeed(master.launchOf(graph, 1, next), large);
  master.lose(holder);
  master.join("c", 1, 4);
  master.look();
  master.succeed(master.launchOf(graph, 0, 0), output(99, partitions));
  expect(master.commandsOf("restartResults")).toHaveLength(1);
  master.finish(() => large);
  const made = master.commandsOf("deliver").map(({ partition }) => partition);
  expect(made.length).toBeGreaterThan(1);
  // What is expected of a partition lags behind what it makes.
  expect(made.length).toBeLessThanOrEqual(fit + 2);
  for (let next = 0; next < partitions; next++) {
    take(next);
    master.finish(() => large);
  }
  expect(master.ended(jobId(1))).toMatchObject({ error: null });
});

test("a window that grows before its stage starts admits what fits of the new partitions", () => {
  const window = new ResultWindow(10 * MIB, 2);
  expect(window.admitted).toBe(2);
  window.resize(100);
  expect(window.admitted).toBe(5);
  for (let taken = 0; taken < 100; taken++) {
    window.made(taken, MIB);
    window.delivered(taken);
  }
  window.restart();
  expect(window.admitted).toBeLessThanOrEqual(10);
  for (let taken = 0; taken < 100; taken++) {
    expect(window.admitted).toBeGreaterThan(taken);
    window.made(taken, MIB);
    window.delivered(taken);
  }
  expect(window.admitted).toBe(100);
});
