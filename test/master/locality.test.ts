// Where tasks go that read cached partitions: the worker that has them, then its node, then anywhere; each after a wait, which
// is the session's own.

import { expect, test } from "vitest";
import { jobId, nodeId, sessionId, type TaskKey, workerId } from "../../src/core/ids.js";
import { resolveOptions } from "../../src/core/options.js";
import { MasterMachine } from "../../src/master/core.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { defaultMasterOptions, masterOptionsOf, sessionPolicyOf } from "../../src/master/options.js";
import type { TaskLaunch } from "../../src/protocol/tasks.js";
import { noMetrics, tasksOf } from "../../src/protocol/tasks.js";
import { emptyJob, inline, lower, rangeSource, registration } from "./support.js";

const session = sessionId("s");
const WAIT_MS = 1000;

class Cluster {
  readonly machine = new MasterMachine();
  now = 0;
  launches: { readonly worker: string; readonly launch: TaskLaunch }[] = [];

  constructor(localityWaitMs = WAIT_MS) {
    const usual = { maxTaskFailures: 2, workerTimeoutMs: 5_000, maxResultsAheadBytes: 2 ** 27 };
    const { skew } = defaultMasterOptions.jobs;
    const policy = { ...usual, skew, speculation: null, exclusion: null, localityWaitMs };
    this.handle({ kind: "sessionOpened", session, policy });
  }

  join(name: string, node: string): void {
    this.handle({ kind: "workerRegistered", registration: registration(name, 1, 1, node) });
    this.handle({ kind: "heartbeat", worker: workerId(name), incarnation: 1, running: [] });
  }

  handle(event: MasterEvent): MasterCommand[] {
    const commands = this.machine.handle(event, this.now);
    expect(this.machine.validate()).toEqual([]);
    for (const command of commands) {
      if (command.kind !== "send" || command.message.kind !== "launch") continue;
      for (const launch of command.message.launches.flatMap(tasksOf))
        this.launches.push({ worker: command.worker, launch });
    }
    return commands;
  }

  /** A tick at `ms` from now; what it launched. */
  after(ms: number): string[] {
    this.now += ms;
    this.launches = [];
    this.handle({ kind: "tick" });
    return this.launches.map(({ worker, launch }) => `${launch.key.partition} on ${worker}: ${launch.locality}`);
  }

  succeed(worker: string, key: TaskKey, cached: readonly number[]): void {
    const blocks = cached.map((partition) => ({ node: nodeId(1), partition, sizeBytes: 1 }));
    const outcome = {
      kind: "succeeded",
      result: inline(),
      accumulators: [],
      metrics: noMetrics,
      cached: blocks,
    } as const;
    this.handle({
      kind: "statuses",
      worker: workerId(worker),
      incarnation: 1,
      statuses: [{ kind: "ended", key, outcome }],
    });
  }
}

/** A job over a persisted source of `partitions`, and again. */
function persisted(job: number, partitions: number) {
  return lower({
    job: jobId(job),
    nodes: [rangeSource(1)],
    root: 1,
    sources: { 1: partitions },
    storage: { 1: "MEMORY_ONLY" },
  });
}

function submit(cluster: Cluster, job: number, partitions: number): void {
  cluster.handle({
    kind: "submitted",
    session,
    graph: persisted(job, partitions),
    savesFiles: false,
    maxResultBytes: null,
  });
}

/** Both partitions lie on `a` of node n1; b is on its node, c on another one. All slots but those named are busy. */
function cachedOnA(localityWaitMs?: number): Cluster {
  const cluster = new Cluster(localityWaitMs);
  cluster.join("a", "n1");
  submit(cluster, 1, 2);
  for (let done = 0; done < 2; done++) {
    const { launch } = cluster.launches.shift() as (typeof cluster.launches)[number];
    cluster.succeed("a", launch.key, [launch.key.partition]);
  }
  return cluster;
}

test("a task goes to the worker that has its cached partition", () => {
  const cluster = cachedOnA();
  cluster.join("c", "n2");
  submit(cluster, 2, 2);
  expect(cluster.launches.map(({ worker, launch }) => `${worker} ${launch.locality}`)).toEqual(["a PROCESS_LOCAL"]);
  expect(cluster.launches[0]?.launch.cached).toEqual([{ node: 1, partition: 0, worker: "a" }]);
});

test("after the wait it goes to another worker of the node, after twice the wait to any", () => {
  const cluster = cachedOnA();
  cluster.join("b", "n1");
  cluster.join("c", "n2");
  submit(cluster, 2, 3);
  // Partition 2 was never cached: nothing is better anywhere.
  expect(cluster.launches.map(({ worker, launch }) => `${worker} ${launch.locality}`)).toEqual([
    "a PROCESS_LOCAL",
    "b NO_PREF",
  ]);
  const busy = cluster.launches.find(({ worker }) => worker === "b") as (typeof cluster.launches)[number];
  expect(cluster.after(WAIT_MS - 1)).toEqual([]);
  // c is free, but the node of the data comes first.
  expect(cluster.after(1)).toEqual([]);
  cluster.succeed("b", busy.launch.key, []);
  expect(cluster.launches.map(({ worker, launch }) => `${worker} ${launch.locality}`)).toEqual(["b NODE_LOCAL"]);
});

test("any worker takes it after the wait where no node has two workers, after twice the wait where one has", () => {
  const apart = cachedOnA();
  apart.join("c", "n2");
  submit(apart, 2, 2);
  expect(apart.after(WAIT_MS - 1)).toEqual([]);
  expect(apart.after(1)).toEqual(["1 on c: ANY"]);

  const sharing = cachedOnA();
  sharing.join("c", "n2");
  sharing.join("d", "n2");
  submit(sharing, 2, 2);
  expect(sharing.after(2 * WAIT_MS - 1)).toEqual([]);
  expect(sharing.after(1)).toEqual(["1 on c: ANY"]);
});

test("a session without a wait takes any worker at once", () => {
  const cluster = cachedOnA(0);
  cluster.join("c", "n2");
  cluster.launches = [];
  submit(cluster, 2, 2);
  expect(cluster.launches.map(({ worker, launch }) => `${worker} ${launch.locality}`)).toEqual([
    "a PROCESS_LOCAL",
    "c ANY",
  ]);
});

test("a session's own options decide on failures and on the wait for workers", () => {
  const cluster = new Cluster();
  const other = sessionId("t");
  cluster.handle({ kind: "sessionOpened", session: other });
  cluster.join("a", "n1");
  const outcome = {
    kind: "failed",
    error: { code: "TASK_FAILED", message: "boom", fields: {} },
    metrics: null,
  } as const;
  const failuresUntilEnd = (of: typeof session): number => {
    cluster.launches = [];
    cluster.handle({
      kind: "submitted",
      session: of,
      graph: emptyJob(jobId(1), nodeId(1), 1),
      savesFiles: false,
      maxResultBytes: null,
    });
    for (let failures = 1; ; failures++) {
      const { launch } = cluster.launches.shift() as (typeof cluster.launches)[number];
      const statuses = [{ kind: "ended", key: launch.key, outcome } as const];
      const commands = cluster.handle({ kind: "statuses", worker: workerId("a"), incarnation: 1, statuses });
      if (commands.some(({ kind }) => kind === "jobEnded")) return failures;
    }
  };
  expect(failuresUntilEnd(session)).toBe(2);
  expect(failuresUntilEnd(other)).toBe(4);

  cluster.handle({ kind: "workerLost", worker: workerId("a"), incarnation: 1, reason: "test" });
  for (const of of [session, other]) {
    const graph = emptyJob(jobId(2), nodeId(1), 1);
    cluster.handle({ kind: "submitted", session: of, graph, savesFiles: false, maxResultBytes: null });
  }
  const endedAt = (ms: number) => {
    cluster.now = ms;
    return cluster.handle({ kind: "tick" }).flatMap((command) => (command.kind === "jobEnded" ? command.session : []));
  };
  expect(endedAt(0)).toEqual([]);
  expect(endedAt(4_999)).toEqual([]);
  expect(endedAt(5_000)).toEqual([session]);
  expect(endedAt(60_000)).toEqual([other]);
});

test("the policy of a session is read from its portable options, else the master's", () => {
  const machine = masterOptionsOf(resolveOptions({ given: { "locality.wait": "7s" } }).values);
  const given = { "driver.maxResultsAhead": 77, "task.maxFailures": 9, "scheduler.workerTimeout": 50 };
  expect(sessionPolicyOf(given, machine)).toMatchObject({
    maxResultsAheadBytes: 77,
    maxTaskFailures: 9,
    workerTimeoutMs: 50,
    localityWaitMs: 7000,
  });
  expect(sessionPolicyOf({}, defaultMasterOptions).maxTaskFailures).toBe(4);
});
