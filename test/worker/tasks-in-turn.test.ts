// The tasks of one run, and the word by which the main thread takes back those that have not begun.

import { expect, test } from "vitest";
import { jobId, sessionId, stageId } from "../../src/core/ids.js";
import { noMetrics, type TaskLaunch } from "../../src/protocol/tasks.js";
import { ControlRow } from "../../src/worker/slot/control-row.js";
import type { SlotOutcome, SlotRun } from "../../src/worker/slot/messages.js";
import { runInTurn } from "../../src/worker/slot/tasks-in-turn.js";

const key = { session: sessionId("s"), job: jobId(1), stage: stageId(1), partition: 4, attempt: 0 };
const launch = { key, splits: [], shuffles: [] } as unknown as TaskLaunch;
const call: SlotRun = {
  kind: "run",
  run: 10,
  launch,
  rest: [
    { partition: 5, attempt: 2 },
    { partition: 6, attempt: 0 },
  ],
  fragment: new Uint8Array(1),
  locations: [],
  forget: null,
  cached: [],
};
const well: SlotOutcome = {
  kind: "succeeded",
  result: { kind: "inline", bytes: new Uint8Array(0), records: 0 },
  accumulators: [],
  metrics: noMetrics,
  offers: [],
};

/** Runs of single tasks, and the ends that were told. */
async function ran(control: ControlRow, outcomeOf: (partition: number) => SlotOutcome) {
  control.beginTasks(call.run);
  const runs: SlotRun[] = [];
  const ends: number[] = [];
  const runOne = async (one: SlotRun) => {
    runs.push(one);
    return outcomeOf(one.launch.key.partition);
  };
  await runInTurn(call, control, runOne, (at, outcome) => {
    ends.push(at);
    return outcome;
  });
  return { runs, ends };
}

test("tasks run one after the other, each under its own key and number", async () => {
  const { runs, ends } = await ran(new ControlRow(), () => well);
  expect(runs.map((one) => [one.run, one.launch.key.partition, one.launch.key.attempt])).toEqual([
    [10, 4, 0],
    [11, 5, 2],
    [12, 6, 0],
  ]);
  // The fragment is told once.
  expect(runs.map(({ fragment }) => fragment !== null)).toEqual([true, false, false]);
  expect(ends).toEqual([0, 1, 2]);
});

test("the first that does not end well is the last", async () => {
  const { runs } = await ran(new ControlRow(), (partition) => (partition === 5 ? { kind: "cancelled" } : well));
  expect(runs.map(({ run }) => run)).toEqual([10, 11]);
});

test("what is taken back does not begin, and how many have begun is told again and again", async () => {
  const control = new ControlRow();
  const { runs } = await ran(control, (partition) => {
    if (partition === 5) expect(control.takeBack()).toBe(2);
    return well;
  });
  expect(runs.map(({ run }) => run)).toEqual([10, 11]);
  expect(control.takeBack()).toBe(2);
  expect(control.takenBackAt).toBe(2);
  control.beginTasks(13);
  expect(control.takenBackAt).toBeNull();
});

test("taken back before it was given it runs the first task alone", async () => {
  const control = new ControlRow();
  control.beginTasks(10);
  expect(control.takeBack()).toBe(1);
  expect(control.beginNext(10, 1)).toBe(false);
});

test("the next run may be given before the slot has seen that the rest of this one was taken back", async () => {
  const control = new ControlRow();
  control.beginTasks(10);
  expect(control.takeBack()).toBe(1);
  control.beginTasks(13);
  expect(control.beginNext(10, 1)).toBe(false);
  expect(control.beginNext(13, 1)).toBe(true);
  expect(control.takeBack()).toBe(2);
});
