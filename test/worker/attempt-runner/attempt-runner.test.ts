// The worker's machine, event by event: exact commands, and every row of the table of a slot's moves seen in some test below.

import { afterAll, describe, expect, test } from "vitest";
import { blobHash, jobId, sessionId, shuffleId, stageId, workerId } from "../../../src/core/ids.js";
import { type MapOutputLocations, noMetrics, type TaskLaunch, type TaskOutcome } from "../../../src/protocol/tasks.js";
import {
  AttemptRunner,
  allSlotRows,
  defaultAttemptRunnerOptions,
  type RunnerCommand,
} from "../../../src/worker/attempt-runner/index.js";

const seen = new Set<string>();
const onMove = (row: string) => seen.add(row);
const s1 = sessionId("s1");
const s2 = sessionId("s2");
const hash = blobHash("f");
const died = { code: "SLOT_DIED", message: "gone", fields: {} } as const;
const cancelled: TaskOutcome = { kind: "cancelled" };

function launch(partition: number, more: Partial<TaskLaunch> = {}, session = s1): TaskLaunch {
  const key = { session, job: jobId(1), stage: stageId(1), partition, attempt: 0 };
  return { key, fragment: hash, splits: [], values: [], cached: [], shuffles: [], locality: "ANY", ...more };
}

function locations(version: number): MapOutputLocations {
  return {
    session: s1,
    shuffle: shuffleId(7),
    version,
    outputs: [],
    workers: [{ worker: workerId("w"), machine: "m", blocks: "", directory: "" }],
  };
}

function runner(slots = 1, taskTimeoutMs: number | null = null): AttemptRunner {
  const made = new AttemptRunner({ ...defaultAttemptRunnerOptions, slots, taskTimeoutMs, onMove });
  made.handle({ kind: "registered", liveSessions: [s1, s2] }, 0);
  return made;
}

/** One with the fragment there and one attempt running. */
function busy(taskTimeoutMs: number | null = null): AttemptRunner {
  const made = runner(1, taskTimeoutMs);
  made.handle({ kind: "launches", launches: [launch(0)] }, 0);
  made.handle({ kind: "blobArrived", hash }, 0);
  return made;
}

const kinds = (commands: readonly RunnerCommand[]) => commands.map((command) => command.kind);
const report = (partition: number, outcome: TaskOutcome, session = s1) => ({
  kind: "report",
  statuses: [{ kind: "ended", key: launch(partition, {}, session).key, outcome }],
});

describe("starting an attempt", () => {
  test("fetches its fragment once, then runs what is queued in order", () => {
    const made = runner();
    expect(made.handle({ kind: "launches", launches: [launch(0), launch(1)] }, 0)).toEqual([
      { kind: "fetchBlob", hash },
    ]);
    expect(made.handle({ kind: "blobArrived", hash }, 0)).toEqual([
      { kind: "run", slot: 0, launch: launch(0), rest: [], locations: [] },
      { kind: "report", statuses: [{ kind: "running", key: launch(0).key, slot: 0 }] },
    ]);
    expect(kinds(made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 1))).toEqual([
      "run",
      "report",
    ]);
  });

  test("waits for locations of the version that it needs, and lets others go first", () => {
    const made = busy();
    const needy = launch(1, { shuffles: [{ shuffle: shuffleId(7), version: 3 }] });
    made.handle({ kind: "launches", launches: [needy, launch(2)] }, 0);
    const next = made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 0);
    expect(next[0]).toMatchObject({ kind: "run", launch: { key: { partition: 2 } } });
    made.handle({ kind: "slotEnded", slot: 0, key: launch(2).key, outcome: cancelled }, 0);
    expect(made.handle({ kind: "mapOutputs", locations: locations(2) }, 0)).toEqual([]);
    expect(made.handle({ kind: "mapOutputs", locations: locations(3) }, 0)[0]).toEqual({
      kind: "run",
      slot: 0,
      launch: needy,
      rest: [],
      locations: [locations(3)],
    });
  });

  test("an attempt that must be alone waits for the slots to empty, lets nothing overtake it, and has nothing beside it", () => {
    const made = runner(2);
    const alone = launch(1, { alone: true });
    made.handle({ kind: "launches", launches: [launch(0), alone, launch(2)] }, 0);
    const started = (commands: readonly RunnerCommand[]) =>
      commands.flatMap((command) => (command.kind === "run" ? [command.launch.key.partition] : []));
    expect(started(made.handle({ kind: "blobArrived", hash }, 0))).toEqual([0]);
    made.handle({ kind: "launches", launches: [launch(3), launch(4)] }, 0);
    const end = (slot: number, partition: number) =>
      started(made.handle({ kind: "slotEnded", slot, key: launch(partition).key, outcome: cancelled }, 1));
    expect(end(0, 0)).toEqual([1]);
    expect(started(made.handle({ kind: "launches", launches: [launch(5)] }, 1))).toEqual([]);
    expect(end(0, 1)).toEqual([2, 3]);
    expect(end(0, 2)).toEqual([4]);
  });

  test("one that must be alone and cannot start yet holds nobody up; two of them run one after the other", () => {
    const made = runner(2);
    const needy = launch(0, { alone: true, shuffles: [{ shuffle: shuffleId(7), version: 1 }] });
    made.handle({ kind: "launches", launches: [needy, launch(1), launch(2, { alone: true })] }, 0);
    const runs = (commands: readonly RunnerCommand[]) =>
      commands.flatMap((command) => (command.kind === "run" ? [command.launch.key.partition] : []));
    expect(runs(made.handle({ kind: "blobArrived", hash }, 0))).toEqual([1]);
    expect(runs(made.handle({ kind: "mapOutputs", locations: locations(1) }, 0))).toEqual([]);
    expect(runs(made.handle({ kind: "slotDied", slot: 0, error: died }, 0))).toEqual([0]);
    expect(runs(made.handle({ kind: "cancel", keys: [needy.key], reason: "" }, 0))).toEqual([]);
    made.handle({ kind: "slotReady", slot: 0 }, 0);
    expect(runs(made.handle({ kind: "slotEnded", slot: 1, key: needy.key, outcome: cancelled }, 0))).toEqual([2]);
  });

  test("a blob that is released and named by what waits is fetched again", () => {
    const made = runner();
    made.handle({ kind: "launches", launches: [launch(0)] }, 0);
    expect(made.handle({ kind: "blobsReleased", hashes: [hash] }, 0)).toEqual([{ kind: "fetchBlob", hash }]);
    expect(kinds(made.handle({ kind: "blobArrived", hash }, 0))).toEqual(["run", "report"]);
  });

  test("a blob that cannot be had fails what needs it, and is asked for again by the next", () => {
    const made = runner();
    made.handle({ kind: "launches", launches: [launch(0)] }, 0);
    expect(made.handle({ kind: "blobFailed", hash, error: died }, 0)).toEqual([
      report(0, { kind: "failed", error: died, metrics: null }),
    ]);
    expect(made.handle({ kind: "launches", launches: [launch(1)] }, 0)).toEqual([{ kind: "fetchBlob", hash }]);
  });

  test("a blob that another job has let go of is fetched again for an attempt that waits for its slot", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [launch(1)] }, 0);
    expect(made.handle({ kind: "blobsReleased", hashes: [hash] }, 0)).toEqual([{ kind: "fetchBlob", hash }]);
    made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 0);
    expect(kinds(made.handle({ kind: "blobArrived", hash }, 0))).toEqual(["run", "report"]);
  });

  test("a slot is made fresh before it serves another session", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [launch(5, {}, s2)] }, 0);
    const commands = made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 0);
    expect(kinds(commands)).toEqual(["startSlot", "report"]);
    expect(made.handle({ kind: "slotReady", slot: 0 }, 0)[0]).toMatchObject({
      kind: "run",
      launch: { key: { session: "s2" } },
    });
  });

  test("a doubled launch is one", () => {
    const made = busy();
    expect(made.handle({ kind: "launches", launches: [launch(0)] }, 0)).toEqual([]);
  });
});

describe("cancelling", () => {
  test("a queued attempt is reported at once", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [launch(1)] }, 0);
    expect(made.handle({ kind: "cancel", keys: [launch(1).key], reason: "" }, 0)).toEqual([report(1, cancelled)]);
  });

  test("word first, termination after 500 ms, written off after 10 s", () => {
    const made = busy();
    expect(made.handle({ kind: "cancel", keys: [launch(0).key], reason: "" }, 100)).toEqual([
      { kind: "cancelWord", slot: 0, key: launch(0).key },
    ]);
    expect(made.handle({ kind: "tick" }, 599)).toEqual([]);
    expect(made.handle({ kind: "tick" }, 600)).toEqual([{ kind: "killSlot", slot: 0 }]);
    expect(made.handle({ kind: "tick" }, 10_599)).toEqual([]);
    expect(made.handle({ kind: "tick" }, 10_600)).toEqual([{ kind: "slotWrittenOff", slot: 0 }, report(0, cancelled)]);
    expect(made.handle({ kind: "slotDied", slot: 0, error: died }, 11_000)).toEqual([]);
  });

  test("a killed slot is started anew and its attempt reported as cancelled", () => {
    const made = busy();
    made.handle({ kind: "cancel", keys: [launch(0).key], reason: "" }, 0);
    made.handle({ kind: "tick" }, 500);
    expect(made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 501)).toEqual([]);
    expect(made.handle({ kind: "slotDied", slot: 0, error: died }, 510)).toEqual([
      { kind: "startSlot", slot: 0 },
      report(0, cancelled),
    ]);
  });

  test("a task that runs too long fails with TASK_TIMEOUT", () => {
    const made = busy(1_000);
    expect(kinds(made.handle({ kind: "tick" }, 1_000))).toEqual(["cancelWord"]);
    const commands = made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 1_001);
    expect(commands).toMatchObject([{ statuses: [{ outcome: { kind: "failed", error: { code: "TASK_TIMEOUT" } } }] }]);
  });
});

describe("losses", () => {
  test("a slot that dies fails its attempt alone", () => {
    const made = busy();
    expect(made.handle({ kind: "slotDied", slot: 0, error: died }, 1)).toEqual([
      { kind: "startSlot", slot: 0 },
      report(0, { kind: "failed", error: died, metrics: null }),
    ]);
  });

  test("after a broken stream it tells again what ended, and what it holds", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [launch(1)] }, 0);
    made.handle({ kind: "connectionLost" }, 1);
    const silent = made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 2);
    expect(kinds(silent)).toEqual(["run"]);
    expect(made.handle({ kind: "registered", liveSessions: [s1] }, 3)).toEqual([
      {
        kind: "report",
        statuses: [
          { kind: "ended", key: launch(0).key, outcome: cancelled },
          { kind: "running", key: launch(1).key, slot: 0 },
        ],
      },
      { kind: "heartbeat", running: [launch(1).key] },
    ]);
  });

  test("a result that is here is told again however old it is, until the master lets go of it", () => {
    const made = busy();
    const outcome: TaskOutcome = {
      kind: "succeeded",
      result: { kind: "block", sizeBytes: 9, records: 1 },
      metrics: noMetrics,
      accumulators: [],
      cached: [],
    };
    made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome }, 1);
    const late = defaultAttemptRunnerOptions.retellMs * 10;
    const back = { kind: "registered", liveSessions: [s1] } as const;
    expect(made.handle(back, late)).toEqual([report(0, outcome), { kind: "heartbeat", running: [] }]);
    made.handle({ kind: "resultsReleased", keys: [launch(0).key] }, late);
    expect(kinds(made.handle(back, late + 1))).toEqual(["heartbeat"]);
  });

  test("what ended long ago, or for a session that lives no more, is not told again", () => {
    const made = busy();
    made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 1);
    const { retellMs } = defaultAttemptRunnerOptions;
    const back = (liveSessions: (typeof s1)[], now: number) =>
      kinds(made.handle({ kind: "registered", liveSessions }, now));
    expect(back([s1], retellMs)).toEqual(["report", "heartbeat"]);
    expect(back([s1], retellMs + 2)).toEqual(["heartbeat"]);
    made.handle({ kind: "launches", launches: [launch(1)] }, retellMs + 2);
    made.handle({ kind: "slotEnded", slot: 0, key: launch(1).key, outcome: cancelled }, retellMs + 3);
    expect(back([s2], retellMs + 4)).not.toContain("report");
  });

  test("a session that lives no more is dropped with its attempts", () => {
    const made = busy();
    expect(kinds(made.handle({ kind: "registered", liveSessions: [s2] }, 1))).toEqual(["cancelWord", "heartbeat"]);
    // Only now does nothing of it write any more; the slot forgets it too.
    const ended = made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 2);
    expect(kinds(ended)).toEqual(["startSlot", "dropSession", "report"]);
  });

  test("a session without attempts is dropped at once, and idle slots forget it", () => {
    const made = busy();
    made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 1);
    expect(made.handle({ kind: "sessionReleased", session: s1 }, 2)).toEqual([
      { kind: "startSlot", slot: 0 },
      { kind: "dropSession", session: s1 },
    ]);
  });

  test("an idle slot that dies is started anew", () => {
    expect(runner().handle({ kind: "slotDied", slot: 0, error: died }, 1)).toEqual([{ kind: "startSlot", slot: 0 }]);
  });

  test("a slot that dies while it is cancelled reports what it was cancelled for", () => {
    const made = busy(1_000);
    made.handle({ kind: "tick" }, 1_000);
    expect(made.handle({ kind: "slotDied", slot: 0, error: died }, 1_001)).toMatchObject([
      { kind: "startSlot", slot: 0 },
      { statuses: [{ outcome: { kind: "failed", error: { code: "TASK_TIMEOUT" } } }] },
    ]);
  });

  test("what has not started is handed back, and what still comes; what runs goes on", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [launch(1)] }, 0);
    expect(made.handle({ kind: "handBack" }, 1)).toEqual([report(1, cancelled)]);
    expect(made.handle({ kind: "launches", launches: [launch(2)] }, 2)).toEqual([report(2, cancelled)]);
    expect(made.held).toEqual([launch(0).key]);
    expect(kinds(made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 3))).toEqual([
      "report",
    ]);
  });

  test("shutdown cancels everything and says when it is drained", () => {
    const made = busy();
    expect(kinds(made.handle({ kind: "shutdown", reason: "SIGTERM" }, 0))).toEqual(["cancelWord"]);
    expect(kinds(made.handle({ kind: "slotEnded", slot: 0, key: launch(0).key, outcome: cancelled }, 1))).toEqual([
      "report",
      "drained",
    ]);
    expect(made.handle({ kind: "launches", launches: [launch(3)] }, 2)).toEqual([report(3, cancelled)]);
  });
});

describe("a launch of several tasks", () => {
  const succeeded: TaskOutcome = {
    kind: "succeeded",
    result: { kind: "inline", bytes: new Uint8Array(0), records: 0 },
    accumulators: [],
    metrics: noMetrics,
    cached: [],
  };
  /** Partitions 0 to 3, one after the other. */
  const group = launch(0, { more: [1, 2, 3].map((partition) => ({ partition, attempt: 0 })) });
  const ended = (partition: number, outcome: TaskOutcome = cancelled) =>
    ({ kind: "ended", key: launch(partition).key, outcome }) as const;
  const end = (made: AttemptRunner, partition: number, outcome: TaskOutcome = succeeded, now = 1) =>
    made.handle({ kind: "slotEnded", slot: 0, key: launch(partition).key, outcome }, now);
  const started = (taskTimeoutMs: number | null = null) => {
    const made = runner(1, taskTimeoutMs);
    made.handle({ kind: "launches", launches: [group] }, 0);
    return { made, commands: made.handle({ kind: "blobArrived", hash }, 0) };
  };
  const statusesOf = (commands: readonly RunnerCommand[]) =>
    commands.flatMap((command) => (command.kind === "report" ? command.statuses : []));
  const held = (made: AttemptRunner) => made.held.map(({ partition }) => partition);

  test("is one run of a slot, and each task of it is told when it begins and ends", () => {
    const { made, commands } = started();
    expect(commands[0]).toEqual({
      kind: "run",
      slot: 0,
      launch: launch(0),
      rest: [launch(1), launch(2), launch(3)],
      locations: [],
    });
    expect(held(made)).toEqual([0, 1, 2, 3]);
    for (const partition of [0, 1, 2]) {
      const next = { kind: "running", key: launch(partition + 1).key, slot: 0 };
      expect(statusesOf(end(made, partition))).toEqual([ended(partition, succeeded), next]);
    }
    expect(statusesOf(end(made, 3))).toEqual([ended(3, succeeded)]);
    expect(made.slots).toEqual([{ kind: "idle", session: s1 }]);
  });

  test("what follows one that does not end well is handed back", () => {
    const failed: TaskOutcome = { kind: "failed", error: died, metrics: null };
    const { made } = started();
    end(made, 0);
    expect(statusesOf(end(made, 1, failed))).toEqual([ended(1, failed), ended(2), ended(3)]);
    expect(held(made)).toEqual([]);
  });

  test("what follows one whose thread dies is handed back, and nobody is to blame for it", () => {
    const { made } = started();
    end(made, 0);
    const commands = made.handle({ kind: "slotDied", slot: 0, error: died }, 2);
    expect(statusesOf(commands)).toEqual([
      ended(1, { kind: "failed", error: died, metrics: null }),
      ended(2),
      ended(3),
    ]);
  });

  test("while it waits, some of it may be called back", () => {
    const made = busy();
    made.handle({ kind: "launches", launches: [{ ...group, key: launch(4).key }] }, 0);
    const keys = [launch(4).key, launch(2).key];
    expect(statusesOf(made.handle({ kind: "cancel", keys, reason: "", onlyWaiting: true }, 1))).toEqual([
      ended(4),
      ended(2),
    ]);
    expect(held(made)).toEqual([1, 3, 0]);
    expect(end(made, 0)[0]).toMatchObject({ kind: "run", launch: launch(1), rest: [launch(3)] });
  });

  test("while it runs, what the slot has not begun may be called back", () => {
    const { made } = started();
    end(made, 0);
    const called = made.handle({ kind: "cancel", keys: [launch(3).key], reason: "", onlyWaiting: true }, 2);
    expect(called).toEqual([{ kind: "takeBack", slot: 0 }]);
    // It has ended 0 and 1, unheard, and is at 2.
    expect(statusesOf(made.handle({ kind: "tookBack", slot: 0, begun: 3 }, 2))).toEqual([ended(3)]);
    expect(held(made)).toEqual([1, 2]);
    end(made, 1);
    expect(statusesOf(end(made, 2))).toEqual([ended(2, succeeded)]);
  });

  test("the slot may have begun nothing more than what has ended", () => {
    const { made } = started();
    end(made, 0);
    made.handle({ kind: "cancel", keys: [launch(2).key], reason: "", onlyWaiting: true }, 2);
    expect(statusesOf(made.handle({ kind: "tookBack", slot: 0, begun: 1 }, 2))).toEqual([ended(2), ended(3), ended(1)]);
    expect(made.slots).toEqual([{ kind: "idle", session: s1 }]);
  });

  test("cancelled with its job it stops where it is, also in a task that nobody has heard of yet", () => {
    const { made } = started();
    const commands = made.handle({ kind: "cancel", keys: [0, 1, 2, 3].map((at) => launch(at).key), reason: "" }, 1);
    expect(commands).toEqual([
      { kind: "takeBack", slot: 0 },
      { kind: "cancelWord", slot: 0, key: launch(0).key },
    ]);
    // Task 0 had ended well when the word came, and the slot is at 1.
    expect(statusesOf(made.handle({ kind: "tookBack", slot: 0, begun: 2 }, 1))).toEqual([ended(2), ended(3)]);
    expect(kinds(end(made, 0))).toEqual(["cancelWord", "report"]);
    expect(statusesOf(end(made, 1, cancelled))).toEqual([ended(1)]);
    expect(held(made)).toEqual([]);
  });

  test("a task that runs too long takes nothing else with it", () => {
    const { made } = started(100);
    end(made, 0, succeeded, 90);
    expect(made.handle({ kind: "tick" }, 180)).toEqual([]);
    expect(made.handle({ kind: "tick" }, 200)).toEqual([{ kind: "cancelWord", slot: 0, key: launch(1).key }]);
    const statuses = statusesOf(end(made, 1, cancelled, 210));
    expect(statuses).toMatchObject([
      { outcome: { kind: "failed", error: { code: "TASK_TIMEOUT" } } },
      ended(2),
      ended(3),
    ]);
  });

  test("a worker that is to go hands back what its slots have not begun", () => {
    const { made } = started();
    expect(made.handle({ kind: "handBack" }, 1)).toEqual([{ kind: "takeBack", slot: 0 }]);
    expect(statusesOf(made.handle({ kind: "tookBack", slot: 0, begun: 1 }, 1))).toEqual([ended(1), ended(2), ended(3)]);
    expect(statusesOf(end(made, 0))).toEqual([ended(0, succeeded)]);
  });
});

afterAll(() => {
  expect(allSlotRows().filter((row) => !seen.has(row))).toEqual([]);
});

describe("when memory is short", () => {
  const started = (commands: readonly RunnerCommand[]) =>
    commands.flatMap((command) => (command.kind === "run" ? [command.launch.key.partition] : []));
  const end = (slot: number, partition: number) =>
    ({ kind: "slotEnded", slot, key: launch(partition).key, outcome: cancelled }) as const;

  test("above 90 % half of the slots run, above 95 % none starts beside another, and one always does", () => {
    const made = runner(4);
    made.handle({ kind: "blobArrived", hash }, 0);
    made.handle({ kind: "pressure", level: "high" }, 0);
    const launches = [0, 1, 2, 3, 4, 5].map((partition) => launch(partition));
    made.handle({ kind: "launches", launches }, 0);
    expect(started(made.handle({ kind: "blobArrived", hash }, 0))).toEqual([0, 1]);
    expect(started(made.handle({ kind: "pressure", level: "critical" }, 1))).toEqual([]);
    expect(started(made.handle(end(0, 0), 2))).toEqual([]);
    expect(started(made.handle(end(1, 1), 3))).toEqual([2]);
    expect(started(made.handle({ kind: "pressure", level: "warm" }, 4))).toEqual([3, 4, 5]);
  });

  test("a worker with one slot goes on one task after the other", () => {
    const made = runner(1);
    made.handle({ kind: "pressure", level: "critical" }, 0);
    made.handle({ kind: "launches", launches: [launch(0), launch(1)] }, 0);
    expect(started(made.handle({ kind: "blobArrived", hash }, 0))).toEqual([0]);
    expect(started(made.handle(end(0, 0), 1))).toEqual([1]);
  });
});
