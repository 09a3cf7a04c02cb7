// Where tasks are not launched again after failures, number by number; who is told; and that nobody starves.

import { expect, test } from "vitest";
import type { ErrorCode } from "../../src/core/errors.js";
import { type JobId, jobId, nodeId, type SessionId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import type { MasterCommand } from "../../src/master/events.js";
import type { TaskOutcome } from "../../src/protocol/tasks.js";
import { emptyJob, inline, registration as registrationOf, succeeded } from "./support.js";
import { session, TestMaster } from "./test-master.js";

const failed = (code: ErrorCode = "TASK_FAILED"): TaskOutcome => ({
  kind: "failed",
  error: { code, message: "broken disk", fields: {} },
  metrics: null,
});

const toldOf = (commands: readonly MasterCommand[]) =>
  commands.flatMap((one) => (one.kind === "workerExcluded" ? [one] : []));

/** Submits a job of `tasks` to a master and fails, or lets succeed, what is launched on each worker. */
function run(
  master: TestMaster,
  job: JobId,
  tasks: number,
  isBad: (worker: string, key: TaskKey) => boolean,
  of = session,
) {
  const told: MasterCommand[] = [];
  const where = new Map<string, string[]>();
  master.handle({
    kind: "submitted",
    session: of,
    graph: emptyJob(job, nodeId(1), tasks),
    savesFiles: false,
    maxResultBytes: null,
  });
  while (master.launches.length > 0) {
    const { worker, key } = master.next();
    where.set(worker, [...(where.get(worker) ?? []), `${key.partition}.${key.attempt}`]);
    const status = isBad(worker, key) ? ({ kind: "ended", key, outcome: failed() } as const) : succeeded(key, inline());
    told.push(...master.handle({ kind: "statuses", worker: workerId(worker), incarnation: 1, statuses: [status] }));
  }
  return { told: toldOf(told), where };
}

/** Workers a, b and c on node n, d on node m. */
function threeBesideOne(): TestMaster {
  const master = new TestMaster();
  for (const [name, node] of [
    ["a", "n"],
    ["b", "n"],
    ["c", "n"],
    ["d", "m"],
  ] as const)
    master.join(name, 1, 1, node);
  return master;
}

test("a task is not launched again where it failed, nor after two failures on its node", () => {
  const master = threeBesideOne();
  master.submit(emptyJob(jobId(1), nodeId(1), 1));
  const places: string[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const { worker, key } = master.next();
    places.push(worker);
    master.end(worker, key, failed());
  }
  expect(places).toEqual(["a", "b", "d"]);
});

test("errors of the program, cancelled attempts and failed fetches are held against nobody", () => {
  const master = new TestMaster("a", "b");
  master.submit(emptyJob(jobId(1), nodeId(1), 1));
  const first = master.next();
  master.end(first.worker, first.key, { kind: "cancelled" });
  expect(master.launches[0]?.worker).toBe(first.worker);
});

test("after two failed tasks a stage keeps away from a worker; after the stage the session does, for exclude.timeout", () => {
  const master = new TestMaster("a", "b");
  const bad = (worker: string) => worker === "a";
  const { told, where } = run(master, jobId(1), 12, bad);
  // The third had its slot already; what waited behind it was called back.
  expect(where.get("a")).toEqual(["0.0", "2.0", "3.0"]);
  expect(told).toMatchObject([
    { scope: "stage", worker: "a", node: "a", forMs: null, reason: expect.stringContaining("broken disk") },
    { scope: "session", worker: "a", node: "a", forMs: 3_600_000 },
  ]);
  const [record] = master.machine.view.workers;
  expect(master.machine.view.exclusionsOf(record as never, 600_000)).toMatchObject([
    { scope: "session", session: "s", worker: "a", forMs: 3_000_000 },
  ]);
  master.now = 3_599_000;
  for (const worker of ["a", "b"])
    master.handle({ kind: "heartbeat", worker: workerId(worker), incarnation: 1, running: [] });
  expect([...run(master, jobId(2), 6, () => false).where.keys()]).toEqual(["b"]);
  master.now = 3_600_000;
  expect([...run(master, jobId(3), 6, () => false).where.keys()].sort()).toEqual(["a", "b"]);
});

test("when two sessions keep away from a worker everybody does", () => {
  const master = new TestMaster("a", "b");
  const [t, u] = [sessionId("t"), sessionId("u")] as [SessionId, SessionId];
  for (const other of [t, u]) master.handle({ kind: "sessionOpened", session: other });
  const bad = (worker: string) => worker === "a";
  run(master, jobId(1), 8, bad);
  expect([...run(master, jobId(1), 4, () => false, u).where.keys()].sort()).toEqual(["a", "b"]);
  expect(run(master, jobId(1), 8, bad, t).told.map(({ scope }) => scope)).toEqual(["stage", "session", "cluster"]);
  expect([...run(master, jobId(2), 4, () => false, u).where.keys()]).toEqual(["b"]);
});

test("two excluded workers of a node exclude the node", () => {
  const master = threeBesideOne();
  const { told, where } = run(master, jobId(1), 30, (worker) => worker === "a" || worker === "b");
  expect(told.map(({ scope, worker, node }) => [scope, worker, node])).toEqual([
    ["stage", "a", "n"],
    ["stage", "b", "n"],
    ["stage", null, "n"],
    ["session", "a", "n"],
    ["session", "b", "n"],
    ["session", null, "n"],
  ]);
  expect(where.get("d")?.length).toBeGreaterThan(10);
  expect([...run(master, jobId(2), 9, () => false).where.keys()]).toEqual(["d"]);
});

test("where every worker is excluded a task goes where it failed least", () => {
  const master = new TestMaster({ maxTaskFailures: 6 }, "a", "b");
  master.submit(emptyJob(jobId(1), nodeId(1), 1));
  const places: string[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const { worker, key } = master.next();
    places.push(worker);
    master.end(worker, key, failed());
  }
  expect(places).toEqual(["a", "b", "a", "b", "a"]);
  const failedOnce = new Set<number>();
  const firstFails = (_: string, { partition }: TaskKey) => failedOnce.size < failedOnce.add(partition).size;
  expect(run(new TestMaster("only"), jobId(1), 6, firstFails).where.get("only")).toHaveLength(12);
});

test("a worker that is started anew begins with a clean slate", () => {
  const master = new TestMaster("a", "b");
  run(master, jobId(1), 8, (worker) => worker === "a");
  master.join("a", 2);
  const [record] = master.machine.view.workers.filter(({ id }) => id === "a");
  expect(master.machine.view.exclusionsOf(record as never, 0)).toEqual([]);
});

test("after it ran out of memory a task's attempts are launched to run alone", () => {
  const master = new TestMaster("a", "b");
  master.submit(emptyJob(jobId(1), nodeId(1), 1));
  const { worker, key, launch } = master.next();
  expect(launch.alone).toBeUndefined();
  master.end(worker, key, failed("OUT_OF_MEMORY"));
  expect(master.launches[0]).toMatchObject({ worker: "b", launch: { alone: true, key: { attempt: 1 } } });
});

test("what waits behind a task that turned out long is launched elsewhere, and its first worker told to forget it", () => {
  const master = new TestMaster();
  master.join("a", 1, 1);
  master.submit(emptyJob(jobId(1), nodeId(1), 40));
  for (let done = 0; done < 4; done++) {
    const { worker, key } = master.next();
    master.handle({ kind: "statuses", worker: workerId(worker), incarnation: 1, statuses: [succeeded(key)] });
  }
  master.next();
  const waiting = master.launches.splice(0).map(({ launch }) => launch.key);
  expect(waiting.length).toBeGreaterThan(1);
  master.join("b", 1, 1);
  master.launches = [];
  master.now = 201;
  const commands = master.handle({ kind: "tick" });
  const cancelled = commands.flatMap((one) =>
    one.kind === "send" && one.message.kind === "cancel" ? one.message.keys : [],
  );
  expect(cancelled).toEqual(expect.arrayContaining(waiting));
  expect(master.handle({ kind: "tick" })).toEqual([]);
  const statuses = waiting.map((key) => ({ kind: "ended", key, outcome: { kind: "cancelled" } }) as const);
  master.handle({ kind: "statuses", worker: workerId("a"), incarnation: 1, statuses });
  expect(new Set(master.launches.map(({ worker }) => worker))).toEqual(new Set(["b"]));
  expect(master.machine.view.workers.find(({ id }) => id === "a")?.attempts.size).toBe(1);
});

test("a failed job's story says of each attempt where, when and why; its siblings on other workers are cancelled", () => {
  const master = new TestMaster({ maxTaskFailures: 2 }, "a", "b");
  master.join("c", 1, 1, "attic");
  master.now = 1_000;
  master.submit(emptyJob(jobId(1), nodeId(1), 2));
  const [first, sibling] = [master.next(), master.next()];
  master.now = 1_500;
  master.end(first.worker, first.key, failed("TASK_TIMEOUT"));
  const second = master.next();
  master.now = 1_800;
  const commands = master.end(second.worker, second.key, failed());
  const end = commands.find((one) => one.kind === "jobEnded");
  const story = { stage: first.key.stage, partition: 0, message: "broken disk" };
  expect(end?.error?.fields.attempts).toEqual([
    { ...story, task: "s/1/1/0/0", attempt: 0, worker: "a", node: "a", code: "TASK_TIMEOUT", startedMs: 0, ranMs: 500 },
    {
      ...story,
      task: "s/1/1/0/1",
      attempt: 1,
      worker: "c",
      node: "attic",
      code: "TASK_FAILED",
      startedMs: 500,
      ranMs: 300,
    },
  ]);
  expect(commands).toContainEqual({
    kind: "send",
    worker: sibling.worker,
    message: { kind: "cancel", keys: [sibling.key], reason: expect.stringContaining("failed") },
  });
});

test("a worker that was given up and comes back is told to cancel what it still runs, and its reports count no more", () => {
  const master = new TestMaster("a");
  master.submit(emptyJob(jobId(1), nodeId(1), 1));
  const { key } = master.next();
  master.now = 30_000;
  expect(master.handle({ kind: "tick" })).toMatchObject([{ kind: "dropWorker", worker: "a" }]);
  const beat = { kind: "heartbeat", worker: workerId("a"), incarnation: 1, running: [key] } as const;
  expect(master.handle(beat)).toEqual([]);
  const back = master.join("a");
  expect(back.some((one) => one.kind === "send" && one.message.kind === "launch")).toBe(true);
  const again = new TestMaster("a");
  again.submit(emptyJob(jobId(1), nodeId(1), 1));
  const held = again.next();
  again.now = 30_000;
  again.handle({ kind: "tick" });
  const { registration } = again.machine.view.workers[0] ?? { registration: null };
  expect(registration).toBeNull();
  again.handle({ kind: "workerRegistered", registration: registrationOf("a") });
  again.handle({ kind: "statuses", worker: workerId("a"), incarnation: 1, statuses: [succeeded(held.key)] });
  const first = again.handle({ ...beat, running: [held.key] });
  expect(first[0]).toMatchObject({ kind: "send", message: { kind: "cancel", keys: [held.key] } });
});
