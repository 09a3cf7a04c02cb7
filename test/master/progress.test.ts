// How far jobs are, as `millrace status` shows it: stages and tasks that a job needs, done and running, and what shuffles take.

import { expect, test } from "vitest";
import { jobId, workerId } from "../../src/core/ids.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import { combined, lower, mapOutput, rangeSource } from "./support.js";
import { session, TestMaster } from "./test-master.js";

/** source(3 partitions) -> combine over 2: a map stage of three tasks, a result stage of two. */
const nodes: readonly LineageNode[] = [rangeSource(1), combined(2)];
const bytesOf = (result: typeof mapOutput) =>
  result.kind === "mapOutput" ? result.output.sizes.reduce((sum, size) => sum + size, 0) : expect.fail("no map output");

test("stages and tasks count up; a job that finds the shuffle made counts its own stage alone", () => {
  const master = new TestMaster();
  master.join("w1", 1, 3);
  const table = new ShuffleTable();
  const job = (id: number) => lower({ job: jobId(id), nodes, root: 2, sources: { 1: 3 }, table });
  const shown = () => master.machine.view.jobProgress(session);
  expect(shown()).toEqual([]);
  master.now = 5_000;
  master.submit(job(1));
  expect(shown()).toEqual([
    {
      ...{ job: 1, name: "collect at test.ts:1:1", startedMs: 5_000, stages: 2, stagesDone: 0, tasks: 5, tasksDone: 0 },
      ...{ running: 3, failedAttempts: 0, shuffleBytes: 0, spillBytes: 0 },
    },
  ]);
  master.succeed(mapOutput);
  const { worker, key } = master.next();
  master.end(worker, key, { kind: "failed", error: { code: "TASK_FAILED", message: "x", fields: {} }, metrics: null });
  expect(shown()).toMatchObject([{ stagesDone: 0, tasks: 5, tasksDone: 1, failedAttempts: 1 }]);
  expect(master.machine.view.shuffleBytes(session)).toBe(bytesOf(mapOutput));
  master.succeed(mapOutput);
  master.succeed(mapOutput);
  expect(shown()).toMatchObject([{ stages: 2, stagesDone: 1, tasks: 5, tasksDone: 3, running: 2 }]);
  expect(master.machine.view.shuffleBytes(session)).toBe(3 * bytesOf(mapOutput));
  master.submit(job(2));
  expect(shown()).toMatchObject([{ job: 1 }, { job: 2, stages: 1, stagesDone: 0, tasks: 2, tasksDone: 0 }]);
  for (let left = 4; left > 0; left--) master.succeed();
  expect(shown()).toEqual([]);
  // What its worker takes along is nobody's any more.
  master.handle({ kind: "workerLost", worker: workerId("w1"), incarnation: 1, reason: "killed" });
  expect(master.machine.view.shuffleBytes(session)).toBe(0);
});
