// Who gets which task, on the pure machine alone: turns of workers and sessions, the order of jobs, waits for locality, what is
// queued ahead, copies, tasks that not every worker may run. What waits for a slot is taken lazily: an entry may name a task that
// needs none any more.

import { describe, expect, test } from "vitest";
import { jobId, type SessionId, sessionId, stageId, workerId } from "../../src/core/ids.js";
import {
  type Assignment,
  type Capacity,
  defaultTaskAssignerOptions,
  TaskAssigner,
} from "../../src/master/task-assigner/index.js";

const session = sessionId("s1");
const other = sessionId("s2");
const open = {
  isPending: (_partition: number) => true,
  groups: false,
  mayFollow: () => false,
  allows: (_worker: string) => true,
  allowsTask: (_partition: number, _worker: string) => true,
  allowsCopy: (_partition: number, _worker: string) => true,
};
type Gate = typeof open;
const options = { ...defaultTaskAssignerOptions, localityWaitMs: 100, queueAheadMs: 50, maxQueueAhead: 8 };

class Bench {
  readonly assigner = new TaskAssigner(options);
  readonly taken: Assignment[] = [];

  constructor(...sessions: SessionId[]) {
    for (const one of sessions.length === 0 ? [session] : sessions) this.assigner.open(one);
  }

  stage(stage: number, tasks: number, { job = 1, gate = {}, of = session }: StageGiven = {}): this {
    const isPending = (partition: number) =>
      !this.taken.some((one) => one.session === of && one.stage === stage && one.partition === partition);
    this.assigner.addStage(of, job, stageId(stage), { ...open, isPending, ...gate } as never, 0);
    for (let partition = 0; partition < tasks; partition++) this.assigner.add(of, stageId(stage), partition, []);
    return this;
  }

  /** What is handed out now, as `worker stage.partition locality`. */
  assign(workers: readonly Capacity[], { sharesNodes = true, now = 0 } = {}): string[] {
    const shown: string[] = [];
    this.assigner.assign(workers, sharesNodes, now, (one) => {
      this.taken.push(one);
      shown.push(`${one.worker} ${one.stage}.${one.partition} ${one.locality}`);
    });
    return shown;
  }
}
interface StageGiven {
  readonly job?: number;
  readonly gate?: Partial<Gate>;
  readonly of?: SessionId;
}

function worker(name: string, slots: number, more: Partial<Capacity> = {}): Capacity {
  return { worker: workerId(name), node: "n1", slots, inFlight: 0, stalled: true, ...more };
}

describe("what waits is counted", () => {
  test("with choosy tasks and copies, each once, until it is taken, dropped, or its stage or session goes", () => {
    const { assigner } = new Bench(session, other);
    assigner.addStage(session, 1, stageId(1), open, 0);
    assigner.addStage(session, 1, stageId(2), open, 0);
    assigner.addStage(other, 1, stageId(1), open, 0);
    assigner.add(session, stageId(1), 0, []);
    assigner.add(session, stageId(1), 1, [], true);
    assigner.add(session, stageId(2), 0, []);
    assigner.add(other, stageId(1), 0, []);
    assigner.add(session, stageId(9), 0, []);
    expect(assigner.pending).toBe(4);
    assigner.addCopy(session, stageId(1), 5);
    assigner.addCopy(session, stageId(1), 5);
    assigner.addCopy(session, stageId(9), 5);
    expect(assigner.pending).toBe(5);
    assigner.dropCopy(session, stageId(1), 6);
    assigner.dropCopy(session, stageId(9), 5);
    expect(assigner.pending).toBe(5);
    assigner.dropCopy(session, stageId(1), 5);
    assigner.dropCopy(session, stageId(1), 5);
    expect(assigner.pending).toBe(4);
    assigner.addCopy(session, stageId(1), 5);
    assigner.removeStage(session, stageId(7));
    expect(assigner.pending).toBe(5);
    assigner.removeStage(session, stageId(1));
    expect(assigner.pending).toBe(2);
    assigner.close(session);
    expect(assigner.pending).toBe(1);
    assigner.close(session);
    assigner.assign([worker("w1", 1)], true, 0, () => undefined);
    expect(assigner.pending).toBe(0);
  });

  test("of a stage that was removed nothing is handed out, of the one beside it everything", () => {
    const bench = new Bench().stage(1, 1).stage(2, 1).stage(3, 1);
    bench.assigner.removeStage(session, stageId(2));
    expect(bench.assign([worker("w1", 4)])).toEqual(["w1 1.0 NO_PREF", "w1 3.0 NO_PREF"]);
  });

  test.each([
    ["without a past", false],
    ["that failed before", true],
  ])("tasks %s are not launched when their outputs have come back", (_, choosy) => {
    const launched = (done: ReadonlySet<number>) => {
      const bench = new Bench().stage(1, 0, { gate: { isPending: (partition) => !done.has(partition) } });
      for (let partition = 0; partition < 4; partition++)
        bench.assigner.add(session, stageId(1), partition, [], choosy);
      bench.assign([worker("w1", 4)]);
      return bench.taken.map(({ partition }) => partition);
    };
    expect(launched(new Set())).toEqual([0, 1, 2, 3]);
    expect(launched(new Set([0, 2]))).toEqual([1, 3]);
  });
});

describe("turns", () => {
  test("every worker gets one task a turn, and none more than it has slots", () => {
    const bench = new Bench().stage(1, 9);
    const workers = [worker("w1", 2), worker("w2", 3, { inFlight: 1 }), worker("w3", 1, { inFlight: 1 })];
    expect(bench.assign(workers)).toEqual(["w1 1.0 NO_PREF", "w2 1.1 NO_PREF", "w1 1.2 NO_PREF", "w2 1.3 NO_PREF"]);
    expect(workers.map(({ inFlight }) => inFlight)).toEqual([2, 3, 1]);
  });

  test("the session that runs least goes first, as launches and ends are counted", () => {
    const bench = new Bench(session, other).stage(1, 9);
    bench.assign([worker("w0", 3)]);
    const key = { session, job: jobId(1), stage: stageId(1), partition: 0, attempt: 0 };
    bench.assigner.left(key);
    bench.assigner.left({ ...key, session: sessionId("gone") });
    bench.stage(2, 9, { of: other }).assign([worker("w1", 5)]);
    expect(bench.taken.slice(3).map((one) => one.session)).toEqual([other, other, session, other, session]);
  });

  test("a session without stages takes no turn, one whose tasks cannot go leaves its turn to the next", () => {
    const bench = new Bench(sessionId("s0"), session, other).stage(1, 2, { gate: { allows: () => false } });
    bench.stage(2, 1, { of: other });
    expect(bench.assign([worker("w1", 3)])).toEqual(["w1 2.0 NO_PREF"]);
  });

  test("of one session the earlier job goes first, of one job the earlier stage, in whatever order they open", () => {
    const bench = new Bench().stage(7, 1, { job: 2 }).stage(5, 1).stage(2, 1).stage(9, 1).stage(8, 1, { job: 3 });
    bench.assign([worker("w1", 9)]);
    expect(bench.taken.map((one) => one.stage)).toEqual([2, 5, 9, 7, 8]);
  });
});

describe("locality", () => {
  /** One task that w1 on n1 is best for. */
  function preferring(tasks = 1): Bench {
    const bench = new Bench().stage(1, 0);
    for (let partition = 0; partition < tasks; partition++)
      bench.assigner.add(session, stageId(1), partition, [{ worker: workerId("w1"), node: "n1" }]);
    return bench;
  }

  test("the worker itself is taken at once", () => {
    expect(preferring().assign([worker("w1", 1)])).toEqual(["w1 1.0 PROCESS_LOCAL"]);
  });

  test.each([
    ["its node", "n1", true, 99, []],
    ["its node", "n1", true, 100, ["w2 1.0 NODE_LOCAL"]],
    ["another node", "n2", true, 199, []],
    ["another node", "n2", true, 200, ["w2 1.0 ANY"]],
    ["another worker, where workers share no nodes", "n1", false, 99, []],
    ["another worker, where workers share no nodes", "n1", false, 100, ["w2 1.0 ANY"]],
  ])("%s is taken after its wait: %s, shared %s, after %d ms", (_what, node, sharesNodes, now, expected) => {
    expect(preferring().assign([worker("w2", 1, { node })], { sharesNodes, now })).toEqual(expected);
  });

  test("each local launch begins the wait anew", () => {
    const bench = preferring(2);
    expect(bench.assign([worker("w1", 1)], { now: 150 })).toEqual(["w1 1.0 PROCESS_LOCAL"]);
    expect(bench.assign([worker("w2", 1)], { now: 249 })).toEqual([]);
    expect(bench.assign([worker("w2", 1)], { now: 250 })).toEqual(["w2 1.1 NODE_LOCAL"]);
  });

  test("a session may have a wait of its own, and tasks without a preference have none", () => {
    const bench = new Bench(other);
    bench.assigner.open(session, { localityWaitMs: 0 });
    bench.stage(1, 1).assigner.add(session, stageId(1), 1, [{ worker: workerId("w1"), node: "n1" }]);
    expect(bench.assign([worker("w2", 2)])).toEqual(["w2 1.0 NO_PREF", "w2 1.1 NODE_LOCAL"]);
  });
});

describe("what is queued ahead", () => {
  const launched = (measured: readonly number[], one: Capacity, tasks = 40) => {
    const bench = new Bench().stage(1, tasks);
    for (const runMs of measured) bench.assigner.measured(session, stageId(1), runMs);
    bench.assigner.measured(session, stageId(9), 1e9);
    return bench.assign([one]).length;
  };
  const free = (more: Partial<Capacity> = {}) => worker("w1", 1, { stalled: false, ...more });

  test.each<[string, readonly number[], number]>([
    ["nothing before a task was measured", [], 0],
    ["nothing for tasks longer than the time", [51], 0],
    ["one task that just fits", [50], 1],
    ["as many as are done in the time", [10], 5],
    ["by a mean that follows slowly", [10, 20], 4],
    ["a step of it back", [20, 10], 2],
    ["no more than the limit for tasks that take no time", [0], 8],
  ])("%s", (_what, measured, ahead) => {
    expect(launched(measured, free())).toBe(1 + ahead);
  });

  test("is so much for each slot, up to the limit of the worker", () => {
    expect(launched([20], free({ slots: 3 }))).toBe(3 + 6);
    expect(launched([10], free({ slots: 3 }))).toBe(3 + 8);
  });

  test("is nothing on a worker that is stalled", () => {
    expect(launched([10], free({ stalled: true }))).toBe(1);
  });

  test("is filled up again when half of it is gone, not before", () => {
    // 5 ahead of 1 slot: half is 2.5.
    expect(launched([10], free({ inFlight: 4 }))).toBe(0);
    expect(launched([10], free({ inFlight: 3 }))).toBe(3);
  });

  test("follows the slowest of the stages that have tasks waiting", () => {
    const bench = new Bench().stage(1, 9).stage(2, 9).stage(3, 0);
    bench.assigner.measured(session, stageId(1), 10);
    bench.assigner.measured(session, stageId(2), 25);
    bench.assigner.measured(session, stageId(3), 1000);
    expect(bench.assign([free()])).toHaveLength(1 + 2);
  });
});

describe("copies", () => {
  test("take slots that no task wants, each once, where the gate allows them", () => {
    const bench = new Bench().stage(1, 1, { gate: { allowsCopy: (_partition, name) => name !== "w1" } });
    for (const partition of [5, 6, 7]) bench.assigner.addCopy(session, stageId(1), partition);
    const workers = [worker("w1", 3), worker("w2", 2, { inFlight: 1 }), worker("w3", 1)];
    expect(bench.assign(workers)).toEqual(["w1 1.0 NO_PREF", "w2 1.5 ANY", "w3 1.6 ANY"]);
    expect(workers.map(({ inFlight }) => inFlight)).toEqual([1, 2, 1]);
    expect(bench.assigner.pending).toBe(1);
    expect(bench.assign([worker("w4", 9)])).toEqual(["w4 1.7 ANY"]);
    expect(bench.assign([worker("w4", 9)])).toEqual([]);
  });

  test("count as running of their session", () => {
    const bench = new Bench(session, other).stage(1, 0).stage(2, 0, { of: other });
    bench.assigner.addCopy(session, stageId(1), 5);
    bench.assign([worker("w1", 1)]);
    bench.assigner.add(session, stageId(1), 0, []);
    bench.assigner.add(other, stageId(2), 0, []);
    expect(bench.assign([worker("w1", 1)])).toEqual(["w1 2.0 NO_PREF"]);
  });
});

describe("tasks that not every worker may run", () => {
  test("go to one that may, before all others, and past a gate that is shut for the stage", () => {
    const gate = { allowsTask: (_partition: number, name: string) => name === "w2", allows: () => false };
    const bench = new Bench().stage(1, 1, { gate });
    bench.assigner.add(session, stageId(1), 7, [], true);
    expect(bench.assign([worker("w1", 1)])).toEqual([]);
    expect(bench.assign([worker("w2", 1)])).toEqual(["w2 1.7 ANY"]);
    expect(bench.assign([worker("w2", 1)])).toEqual([]);
  });

  test.each([
    [63, 1],
    [64, 0],
  ])("behind %d that it may not run, a worker gets %d", (refused, expected) => {
    const bench = new Bench().stage(1, 0, { gate: { allowsTask: (partition) => partition >= refused } });
    for (let partition = 0; partition <= refused; partition++)
      bench.assigner.add(session, stageId(1), partition, [], true);
    expect(bench.assign([worker("w1", 1)])).toHaveLength(expected);
  });

  test("that wait no more cost no look", () => {
    const bench = new Bench().stage(1, 0, { gate: { isPending: (partition) => partition === 100 } });
    for (let partition = 0; partition <= 100; partition++) bench.assigner.add(session, stageId(1), partition, [], true);
    expect(bench.assign([worker("w1", 1)])).toEqual(["w1 1.100 ANY"]);
  });
});
