// What waits for a slot is taken lazily: an entry may name a task that needs none any more.

import { expect, test } from "vitest";
import { sessionId, stageId, workerId } from "../../src/core/ids.js";
import { type Assignment, defaultTaskAssignerOptions, TaskAssigner } from "../../src/master/task-assigner/index.js";

const session = sessionId("s1");
const stage = stageId(1);

/** Partitions that are launched after `done` turned out to be there while they waited. */
function launched(choosy: boolean, done: ReadonlySet<number>): number[] {
  const assigner = new TaskAssigner(defaultTaskAssignerOptions);
  assigner.open(session);
  const gate = {
    isPending: (partition: number) => !done.has(partition),
    groups: false,
    mayFollow: () => false,
    allows: () => true,
    allowsTask: () => true,
    allowsCopy: () => false,
  };
  assigner.addStage(session, 1, stage, gate, 0);
  for (let partition = 0; partition < 4; partition++) assigner.add(session, stage, partition, [], choosy);
  const assignments: Assignment[] = [];
  const worker = { worker: workerId("w1"), node: "n1", slots: 4, inFlight: 0, stalled: true };
  assigner.assign([worker], true, 0, (assignment) => assignments.push(assignment));
  return assignments.map(({ partition }) => partition);
}

test.each([
  ["without a past", false],
  ["that failed before", true],
])("tasks %s are not launched when their outputs have come back", (_, choosy) => {
  expect(launched(choosy, new Set())).toEqual([0, 1, 2, 3]);
  expect(launched(choosy, new Set([0, 2]))).toEqual([1, 3]);
});
