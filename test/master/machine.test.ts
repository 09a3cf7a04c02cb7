// The master's machine, event by event: exact commands, and every row of the table of moves seen in some scenario below.

import { afterAll, describe, expect, test } from "vitest";
import { jobId, nodeId, type SessionId, sessionId, shuffleId, type TaskKey, workerId } from "../../src/core/ids.js";
import type { MasterCommand, MasterEvent } from "../../src/master/events.js";
import { allRows, usualSpeculation } from "../../src/master/job-scheduler/index.js";
import { moveTo } from "../../src/master/job-scheduler/transitions.js";
import type { LineageNode } from "../../src/plan/lineage.js";
import { ShuffleTable } from "../../src/plan/shuffle-table.js";
import type { TaskOutcome, TaskResult } from "../../src/protocol/tasks.js";
import { noMetrics } from "../../src/protocol/tasks.js";
import {
  combined,
  emptyJob,
  inline,
  type JobParts,
  lower,
  mapOutput,
  rangeSource,
  registration,
  site,
} from "./support.js";
import { TestMaster as Master, seen, session } from "./test-master.js";

const failure = (code: "TASK_FAILED" | "INVALID_KEY" = "TASK_FAILED"): TaskOutcome => ({
  kind: "failed",
  error: { code, message: "boom", fields: {} },
  metrics: null,
});

const kinds = (commands: readonly MasterCommand[]) =>
  commands.map((command) => (command.kind === "send" ? command.message.kind : command.kind));
const ended = (commands: readonly MasterCommand[]) => commands.find((command) => command.kind === "jobEnded");

/** source(2) -> reduce over 1 partition: one map stage of two tasks, one result task. */
const reduceNodes: readonly LineageNode[] = [rangeSource(1), combined(1)];
const reduceJob = (job = 1, more: Partial<JobParts> = {}) =>
  lower({ job: jobId(job), nodes: reduceNodes, root: 2, sources: { 1: 2 }, ...more });

describe("a job of one stage", () => {
  test("is launched, delivered in partition order and ended", () => {
    const master = new Master("a", "b");
    const commands = master.submit(emptyJob(jobId(1), nodeId(1), 2));
    expect(kinds(commands)).toEqual(["launch", "launch"]);
    const first = master.next();
    const second = master.next();
    expect(master.end(second.worker, second.key, success()).filter((c) => c.kind === "deliver")).toEqual([]);
    const last = master.end(first.worker, first.key, success());
    expect(kinds(last)).toEqual(["deliver", "deliver", "jobEnded"]);
    expect(ended(last)).toMatchObject({ error: null, summary: { stages: 1, tasks: 2, failedAttempts: 0 } });
  });

  test("with no partition ends at once", () => {
    const master = new Master("a");
    const nodes: LineageNode[] = [{ id: nodeId(1), callSite: site, kind: "union", parents: [] }];
    expect(kinds(master.submit(lower({ job: jobId(1), nodes, root: 1, sources: {} })))).toEqual(["jobEnded"]);
  });

  test("fails after four failures of one task, with the story and its cause, and cancels the siblings", () => {
    const master = new Master("a", "b", "c", "d", "e");
    master.submit(emptyJob(jobId(1), nodeId(1), 2));
    const sibling = master.launches.find(({ launch }) => launch.key.partition === 1);
    master.launches = master.launches.filter(({ launch }) => launch.key.partition === 0);
    for (let i = 0; i < 3; i++) {
      const { worker, key } = master.next();
      expect(key.attempt).toBe(i);
      expect(kinds(master.end(worker, key, failure()))).toEqual(["launch"]);
    }
    const { worker, key } = master.next();
    const commands = master.end(worker, key, failure());
    expect(kinds(commands)).toEqual(["jobEnded", "cancel"]);
    expect(ended(commands)).toMatchObject({
      error: { code: "JOB_FAILED", cause: { message: "boom" } },
      summary: { failedAttempts: 4 },
    });
    expect(commands).toContainEqual({
      kind: "send",
      worker: sibling?.worker,
      message: { kind: "cancel", keys: [sibling?.launch.key], reason: expect.any(String) },
    });
  });

  test("fails at once where a retry cannot help", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    const { worker, key } = master.next();
    expect(ended(master.end(worker, key, failure("INVALID_KEY")))).toMatchObject({
      error: { cause: { code: "INVALID_KEY" } },
    });
  });

  test("takes late, doubled and stale reports for what they are", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    const { worker, key } = master.next();
    master.end(worker, key, failure());
    expect(master.end(worker, key, success())).toEqual([]);
    const retried = master.next();
    expect(retried.key).toEqual({ ...key, attempt: 1 });
    master.end(retried.worker, retried.key, success());
    expect(master.end(retried.worker, retried.key, success())).toEqual([]);
    const stranger: MasterEvent = { kind: "statuses", worker: workerId("a"), incarnation: 9, statuses: [] };
    expect(master.handle(stranger)).toEqual([]);
  });

  test("delivers accumulator updates once a partition, also after a lost result", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    const block: TaskResult = { kind: "block", sizeBytes: 100_000, records: 1 };
    const updates = [{ accumulator: 1, value: Uint8Array.of(1) }];
    const first = master.next();
    expect(kinds(master.end(first.worker, first.key, { ...success(block), accumulators: updates }))).toEqual([
      "accumulators",
      "deliver",
    ]);
    expect(kinds(master.handle({ kind: "resultLost", session, job: jobId(1), partition: 0 }))).toEqual([
      "releaseResults",
      "launch",
    ]);
    const second = master.next();
    expect(kinds(master.end(second.worker, second.key, { ...success(block), accumulators: updates }))).toEqual([
      "deliver",
    ]);
    expect(kinds(master.handle({ kind: "resultDelivered", session, job: jobId(1), partition: 0 }))).toEqual([
      "releaseResults",
      "jobEnded",
    ]);
  });

  test("lets go of a result that it has, also when the report comes again, and of one that never goes out", () => {
    const master = new Master("a", "b");
    master.submit(emptyJob(jobId(1), nodeId(1), 2));
    const block: TaskResult = { kind: "block", sizeBytes: 100_000, records: 1 };
    const release = (worker: string, key: TaskKey) => ({
      kind: "send",
      worker,
      message: { kind: "releaseResults", keys: [key] },
    });
    const first = master.next();
    master.end(first.worker, first.key, success(block));
    expect(master.end(first.worker, first.key, success(block))).toEqual([]);
    const { partition } = first.key;
    expect(master.handle({ kind: "resultDelivered", session, job: jobId(1), partition })).toContainEqual(
      release(first.worker, first.key),
    );
    expect(master.end(first.worker, first.key, success(block))).toEqual([release(first.worker, first.key)]);
  });

  describe("whose range bounds come as a block that the master fetches", () => {
    const sorted: LineageNode = {
      id: nodeId(2),
      callSite: site,
      kind: "exchange",
      parent: nodeId(1),
      partitioner: { kind: "range", partitions: 2, ascending: true },
      sort: "ascending",
      pairs: true,
    };
    const begin = () => {
      const master = new Master("a");
      master.submit(lower({ job: jobId(1), nodes: [rangeSource(1), sorted], root: 2, sources: { 1: 1 } }));
      const sample = master.next();
      const block: TaskResult = { kind: "block", sizeBytes: 100_000, records: 1 };
      expect(kinds(master.end(sample.worker, sample.key, success(block)))).toContain("fetchValue");
      return { master, sample };
    };
    const released = (keys: readonly TaskKey[]) => ({
      kind: "send",
      worker: "a",
      message: { kind: "releaseResults", keys },
    });

    test("and that ends meanwhile lets the block go, and takes no notice of its bytes", () => {
      const { master, sample } = begin();
      const cancel: MasterEvent = { kind: "jobCancelled", session, job: jobId(1), reason: "asked" };
      expect(master.handle(cancel)).toContainEqual(released([sample.key]));
      expect(master.handle({ kind: "valueFetched", key: sample.key, bytes: new Uint8Array(9) })).toEqual([]);
    });

    test("makes a block again that could not be read, and lets each go once", () => {
      const { master, sample } = begin();
      const commands = master.handle({ kind: "valueFetched", key: sample.key, bytes: null });
      expect(kinds(commands)).toEqual(["releaseResults", "launch"]);
      const again = master.next();
      expect(again.key).toEqual({ ...sample.key, attempt: 1 });
      master.end(again.worker, again.key, success({ kind: "block", sizeBytes: 100_000, records: 1 }));
      // The word of the first one comes twice: it is no longer the attempt that counts.
      expect(master.handle({ kind: "valueFetched", key: sample.key, bytes: new Uint8Array(9) })).toEqual([]);
      const fetched = master.handle({ kind: "valueFetched", key: again.key, bytes: new Uint8Array(9) });
      expect(fetched).toContainEqual(released([again.key]));
      expect(kinds(fetched)).toContain("launch");
    });
  });

  test("is refused when its results are too large", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1), { maxResultBytes: 10 });
    expect(ended(master.succeed({ kind: "block", sizeBytes: 11, records: 1 }))).toMatchObject({
      error: { code: "RESULT_TOO_LARGE" },
    });
  });

  test("commits its files once all tasks are done; a failed commit fails it", () => {
    for (const error of [null, { code: "IO_ERROR", message: "no", fields: {} } as const]) {
      const master = new Master("a");
      master.submit(emptyJob(jobId(1), nodeId(1), 1), { savesFiles: true });
      const file: TaskResult = { kind: "file", pending: "p", final: "f", sizeBytes: 1, records: 1 };
      expect(master.succeed(file)).toEqual([{ kind: "commitOutput", session, job: 1, files: [file] }]);
      const commands = master.handle({ kind: "outputCommitted", session, job: jobId(1), error });
      expect(kinds(commands)).toEqual(error === null ? ["jobEnded"] : ["abortOutput", "jobEnded"]);
    }
  });

  test("grows by four until its limit is reached", () => {
    const master = new Master("a");
    master.submit(
      lower({
        job: jobId(1),
        nodes: [rangeSource(1)],
        root: 1,
        sources: { 1: 30 },
        action: { kind: "collect", limit: 3 },
      }),
    );
    const partitions: number[] = [];
    let commands: MasterCommand[] = [];
    while (ended(commands) === undefined) {
      partitions.push(master.launches[0]?.launch.key.partition as number);
      commands = master.succeed(inline(partitions.length < 3 ? 0 : 1));
    }
    expect(partitions).toEqual([0, 1, 2, 3, 4]);
  });

  test("counts the records of a result that was lost and made again once", () => {
    const master = new Master("a");
    const action = { kind: "collect", limit: 3 } as const;
    master.submit(lower({ job: jobId(1), nodes: [rangeSource(1)], root: 1, sources: { 1: 30 }, action }));
    const block: TaskResult = { kind: "block", sizeBytes: 100_000, records: 2 };
    master.succeed(block);
    master.handle({ kind: "resultLost", session, job: jobId(1), partition: 0 });
    const partitions: number[] = [];
    let commands: MasterCommand[] = [];
    while (ended(commands) === undefined && partitions.length < 40) {
      const { worker, key } = master.next();
      partitions.push(key.partition);
      commands = master.end(worker, key, success(key.partition === 0 ? block : inline(key.partition === 7 ? 1 : 0)));
      if (key.partition === 0) master.handle({ kind: "resultDelivered", session, job: jobId(1), partition: 0 });
    }
    // Two records of partition 0 are not enough: the next round is needed, and has the third.
    expect(partitions).toContain(0);
    expect(partitions).toContain(7);
    expect(ended(commands)).toMatchObject({ error: null });
  });

  test("is cancelled: its attempts are, and it ends once", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    const cancel: MasterEvent = { kind: "jobCancelled", session, job: jobId(1), reason: "asked" };
    expect(kinds(master.handle(cancel))).toEqual(["jobEnded", "cancel"]);
    expect(master.handle(cancel)).toEqual([]);
  });

  test("fails with NO_WORKERS when none comes", () => {
    const master = new Master();
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    expect(master.handle({ kind: "tick" })).toEqual([]);
    master.now = 60_000;
    expect(ended(master.handle({ kind: "tick" }))).toMatchObject({ error: { code: "NO_WORKERS" } });
  });
});

describe("a job with a shuffle", () => {
  test("sends locations once a worker and version, before the launch that needs them", () => {
    const master = new Master("a");
    master.submit(reduceJob());
    master.succeed(mapOutput);
    const commands = master.succeed(mapOutput);
    expect(kinds(commands)).toEqual(["mapOutputs", "launch"]);
    expect(ended(master.succeed())).toMatchObject({ error: null, summary: { stages: 2, tasks: 3 } });
  });

  test("recomputes only the lost map after a fetch failure, and does not charge the task", () => {
    const master = new Master("a");
    master.submit(reduceJob());
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    const { worker, key, launch } = master.next();
    const shuffle = launch.shuffles[0]?.shuffle ?? shuffleId(0);
    const error = { code: "FETCH_FAILED", message: "gone", fields: {} } as const;
    expect(
      kinds(master.end(worker, key, { kind: "fetchFailed", shuffle, map: 1, worker: workerId("a"), error })),
    ).toEqual(["launch"]);
    expect(master.launches[0]?.launch.key).toMatchObject({ partition: 1, attempt: 1 });
    expect(kinds(master.succeed(mapOutput))).toEqual(["mapOutputs", "launch"]);
    expect(ended(master.succeed())).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });

  test("a stopped map stage whose last attempt still succeeds needs not run again", () => {
    const master = new Master("a", "b");
    const map: LineageNode = {
      id: nodeId(3),
      callSite: site,
      kind: "narrow",
      parent: nodeId(2),
      operator: { op: "values" },
      preservesPartitioning: false,
    };
    const again = { ...(reduceNodes[1] as LineageNode & { kind: "combine" }), id: nodeId(4), parent: nodeId(3) };
    master.submit(lower({ job: jobId(1), nodes: [...reduceNodes, map, again], root: 4, sources: { 1: 2 } }));
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    const { worker, launch } = master.launches.shift() as (typeof master.launches)[number];
    const other = worker === "a" ? "b" : "a";
    master.handle({ kind: "workerLost", worker: workerId(other), incarnation: 1, reason: "killed" });
    master.end(worker, launch.key, success(mapOutput));
    expect(master.launches.some(({ launch: { key } }) => key.stage > launch.key.stage)).toBe(false);
    master.succeed(mapOutput);
    expect(ended(master.succeed())).toMatchObject({ error: null, summary: { stages: 3, failedAttempts: 0 } });
  });

  test("fails after four stops in a row", () => {
    const master = new Master("a");
    master.submit(reduceJob());
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    let commands: MasterCommand[] = [];
    for (let i = 0; i < 4; i++) {
      const { worker, key, launch } = master.next();
      const shuffle = launch.shuffles[0]?.shuffle ?? shuffleId(0);
      const error = { code: "FETCH_FAILED", message: "gone", fields: {} } as const;
      commands = master.end(worker, key, { kind: "fetchFailed", shuffle, map: 0, worker: workerId("a"), error });
      // From the second on all that the worker holds is given up.
      for (let lost = i === 0 ? 1 : 2; i < 3 && lost > 0; lost--) master.succeed(mapOutput);
    }
    expect(ended(commands)).toMatchObject({ error: { code: "JOB_FAILED", cause: { code: "FETCH_FAILED" } } });
  });

  test("a lost worker costs its outputs, in a running map stage and in a complete one", () => {
    const master = new Master("a", "b");
    master.submit(reduceJob());
    const first = master.next();
    master.end(first.worker, first.key, success(mapOutput));
    master.handle({ kind: "workerLost", worker: workerId(first.worker), incarnation: 1, reason: "killed" });
    const second = master.next();
    master.end(second.worker, second.key, success(mapOutput));
    expect(master.launches[0]).toMatchObject({
      worker: second.worker,
      launch: { key: { partition: first.key.partition } },
    });
    master.succeed(mapOutput);
    master.join("c");
    master.handle({ kind: "workerLost", worker: workerId(second.worker), incarnation: 1, reason: "killed" });
    const again = master.launches.filter(({ worker }) => worker === "c");
    expect(again.map(({ launch }) => launch.key.partition)).toEqual([0]);
  });

  test("a later job uses what is there and runs only its result", () => {
    const master = new Master("a");
    const table = new ShuffleTable();
    master.submit(reduceJob(1, { table }));
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    master.succeed();
    expect(kinds(master.submit(reduceJob(2, { table })))).toEqual(["launch"]);
    expect(ended(master.succeed())).toMatchObject({ error: null, summary: { stages: 1, tasks: 1 } });
  });

  test("two jobs at once share it; when the first is cancelled the second computes the rest", () => {
    const master = new Master("a");
    const table = new ShuffleTable();
    master.submit(reduceJob(1, { table }));
    master.submit(reduceJob(2, { table }));
    master.submit(reduceJob(3, { table }));
    master.succeed(mapOutput);
    const running = master.next();
    master.handle({ kind: "jobCancelled", session, job: jobId(1), reason: "asked" });
    master.end(running.worker, running.key, { kind: "cancelled" });
    expect(master.launches[0]?.launch.key).toMatchObject({ job: 2, partition: 1 });
    master.succeed(mapOutput);
    expect(ended(master.succeed())).toMatchObject({ job: 2, error: null });
    expect(ended(master.succeed())).toMatchObject({ job: 3, error: null });
  });

  test("a persisted node that lies whole in the cache cuts the graph; its loss brings the maps back", () => {
    const master = new Master("a");
    const table = new ShuffleTable();
    const storage = { 2: "MEMORY_ONLY" } as const;
    master.submit(reduceJob(1, { table, storage }));
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    const { worker, key } = master.next();
    const cached = [{ node: nodeId(2), partition: 0, sizeBytes: 1 }];
    master.end(worker, key, { ...success(), cached });
    master.handle({ kind: "shufflesReleased", session, shuffles: [] });
    master.submit(reduceJob(2, { table, storage }));
    expect(master.launches[0]?.launch).toMatchObject({
      locality: "PROCESS_LOCAL",
      cached: [{ node: 2, partition: 0, worker: "a" }],
    });
  });
});

describe("a cached partition that could not be read", () => {
  test("is forgotten, and the shuffle below it computed again", () => {
    const master = new Master("a");
    const table = new ShuffleTable();
    const storage = { 2: "MEMORY_ONLY" } as const;
    const first = reduceJob(1, { table, storage });
    master.submit(first);
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    const { worker, key } = master.next();
    master.end(worker, key, { ...success(), cached: [{ node: nodeId(2), partition: 0, sizeBytes: 1 }] });
    const shuffle = first.stages.at(-1)?.shuffleInputs[0] ?? shuffleId(0);
    master.handle({ kind: "shufflesReleased", session, shuffles: [shuffle] });
    master.submit(reduceJob(2, { table, storage }));
    const reader = master.next();
    expect(reader.launch.shuffles).toEqual([]);
    const error = { code: "FETCH_FAILED", message: "nobody told", fields: {} } as const;
    const lost = { kind: "fetchFailed", shuffle, map: -1, worker: workerId("a"), error } as const;
    expect(kinds(master.end("a", reader.key, lost))).toEqual(["launch"]);
    expect(master.launches[0]?.launch.splits).toHaveLength(1);
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    expect(ended(master.succeed())).toMatchObject({ error: null, summary: { failedAttempts: 0 } });
  });
});

describe("what the driver lets go of", () => {
  const releases = (commands: readonly MasterCommand[]) => kinds(commands).filter((kind) => kind === "releaseShuffle");

  test("a shuffle stays until the last job that uses it has ended", () => {
    const master = new Master("a");
    const graph = reduceJob();
    master.submit(graph);
    const shuffle = graph.stages.at(-1)?.shuffleInputs[0] ?? shuffleId(0);
    master.succeed(mapOutput);
    expect(releases(master.handle({ kind: "shufflesReleased", session, shuffles: [shuffle] }))).toEqual([]);
    master.succeed(mapOutput);
    const last = master.succeed();
    expect(ended(last)).toMatchObject({ error: null });
    expect(releases(last)).toEqual(["releaseShuffle"]);
  });

  test("a shuffle that no job uses goes at once", () => {
    const master = new Master("a");
    const shuffles = [shuffleId(1)];
    expect(releases(master.handle({ kind: "shufflesReleased", session, shuffles }))).toEqual(["releaseShuffle"]);
  });

  test("a partition cached after its node was unpersisted is dropped again", () => {
    const master = new Master("a");
    master.submit(reduceJob(1, { storage: { 2: "MEMORY_ONLY" } }));
    master.succeed(mapOutput);
    master.succeed(mapOutput);
    const { worker, key } = master.next();
    expect(kinds(master.handle({ kind: "unpersisted", session, node: nodeId(2) }))).toEqual(["uncache"]);
    const cached = [{ node: nodeId(2), partition: 0, sizeBytes: 1 }];
    expect(kinds(master.end(worker, key, { ...success(), cached }))).toEqual(["uncache", "deliver", "jobEnded"]);
  });
});

describe("workers", () => {
  test("a task that takes its workers along before it is said to run fails its job all the same", () => {
    const master = new Master();
    master.join("w1");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    for (let n = 1; n <= 4; n++) {
      const worker = workerId(`w${n}`);
      expect(master.launches.shift()).toMatchObject({ worker, launch: { key: { attempt: n - 1 } } });
      const commands = master.handle({ kind: "workerLost", worker, incarnation: 1, reason: "killed" });
      if (n === 4) expect(ended(commands)).toMatchObject({ error: { code: "JOB_FAILED" } });
      else master.join(`w${n + 1}`);
    }
  });

  test("attempts that were queued behind the slots of a lost worker are not charged", () => {
    const master = new Master();
    master.join("a", 1, 2);
    master.submit(emptyJob(jobId(1), nodeId(1), 40));
    for (let done = 0; done < 6; done++) master.succeed();
    const held = master.machine.view.workers[0]?.attempts.size ?? 0;
    expect(held).toBeGreaterThan(2);
    master.handle({ kind: "workerLost", worker: workerId("a"), incarnation: 1, reason: "killed" });
    master.launches = [];
    master.join("b");
    let last: MasterCommand[] = [];
    while (master.launches.length > 0) last = master.succeed();
    expect(ended(last)).toMatchObject({ error: null, summary: { failedAttempts: 2 } });
  });

  test("a worker that ran out of memory charges what filled its slots with that, said to run or not, and nothing else", () => {
    for (const said of [true, false]) {
      const master = new Master();
      master.join("a", 1, 2);
      master.submit(emptyJob(jobId(1), nodeId(1), 40));
      for (let done = 0; done < 6; done++) master.succeed();
      if (said) for (let n = 0; n < 2; n++) master.next();
      // The break of its connection is seen before the end of its process.
      master.handle({ kind: "workerDisconnected", worker: workerId("a"), incarnation: 1 });
      const lost = { kind: "workerLost", worker: workerId("a"), incarnation: 1, reason: "aborted" } as const;
      master.handle({ ...lost, outOfMemory: true });
      master.launches = [];
      master.join("b");
      let last: MasterCommand[] = [];
      while (master.launches.length > 0) {
        const { worker, key } = master.next();
        // All that failed before fail again, to tell their story.
        last = master.end(worker, key, key.attempt === 0 ? success() : failure("INVALID_KEY"));
        if (ended(last) !== undefined) break;
      }
      const attempts = (ended(last)?.error?.fields.attempts ?? []) as readonly { readonly code: string }[];
      expect(attempts.map(({ code }) => code)).toEqual(["OUT_OF_MEMORY", "OUT_OF_MEMORY", "INVALID_KEY"]);
    }
  });

  test("one that left is lost as soon as its stream ends", () => {
    const master = new Master("a", "b");
    master.handle({ kind: "workerLeaving", worker: workerId("a"), incarnation: 1, reason: "SIGTERM" });
    const commands = master.handle({ kind: "workerDisconnected", worker: workerId("a"), incarnation: 1 });
    // The others are told that nothing more comes from it.
    expect(kinds(commands)).toEqual(["workerLost", "dropWorker"]);
  });

  test("what a broken stream lost is launched again without charge; what the worker still has goes on", () => {
    const master = new Master();
    master.join("a", 1, 2);
    master.submit(emptyJob(jobId(1), nodeId(1), 2));
    const [kept, lost] = master.launches.splice(0);
    master.handle({ kind: "workerDisconnected", worker: workerId("a"), incarnation: 1 });
    expect(kinds(master.handle({ kind: "workerRegistered", registration: registration("a", 1, 2) }))).toEqual([
      "registered",
    ]);
    const running = [kept?.launch.key as TaskKey];
    const commands = master.handle({ kind: "heartbeat", worker: workerId("a"), incarnation: 1, running });
    expect(kinds(commands)).toEqual(["heartbeat", "launch"]);
    expect(master.launches[0]?.launch.key).toEqual({ ...lost?.launch.key, attempt: 1 });
  });

  test("a leaving worker gets nothing more and its attempts are not charged", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    master.next();
    master.handle({ kind: "workerLeaving", worker: workerId("a"), incarnation: 1, reason: "SIGTERM" });
    expect(master.launches).toEqual([]);
    expect(kinds(master.join("b"))).toEqual(["heartbeat", "launch"]);
    expect(ended(master.succeed())).toMatchObject({ summary: { failedAttempts: 0 } });
  });

  test("sessions share the slots evenly, jobs inside one go first come first served", () => {
    const master = new Master();
    const other = sessionId("t") as SessionId;
    master.handle({ kind: "sessionOpened", session: other });
    const table = new ShuffleTable();
    master.submit(emptyJob(jobId(1), nodeId(1), 8, table));
    master.submit(emptyJob(jobId(2), nodeId(1), 8, table));
    master.handle({
      kind: "submitted",
      session: other,
      graph: emptyJob(jobId(1), nodeId(1), 8),
      savesFiles: false,
      maxResultBytes: null,
    });
    master.join("a", 1, 4);
    const names = master.launches.map(({ launch }) => `${launch.key.session}${launch.key.job}`);
    expect(names.sort()).toEqual(["s1", "s1", "t1", "t1"]);
  });

  test("a closed session ends its jobs and is released everywhere", () => {
    const master = new Master("a");
    master.submit(emptyJob(jobId(1), nodeId(1), 1));
    const error = { code: "JOB_CANCELLED", message: "stopped", fields: {} } as const;
    expect(kinds(master.handle({ kind: "sessionClosed", session, error }))).toEqual([
      "jobEnded",
      "cancel",
      "releaseSession",
    ]);
  });
});

describe("a task with two attempts", () => {
  /** Two tasks; that of partition 1 runs since 0 and is slow at 1 s, when its copy is launched on "c". */
  function doubled() {
    const master = new Master({ speculation: { ...usualSpeculation, quantile: 0.5 } }, "a", "b", "c");
    master.submit(emptyJob(jobId(1), nodeId(1), 2));
    const [first, main] = [master.next(), master.next()];
    master.now = 10;
    master.end(first.worker, first.key, success());
    master.now = 1_000;
    master.handle({ kind: "tick" });
    const copy = master.launches.shift() as (typeof master.launches)[number];
    expect(copy.launch).toMatchObject({ speculative: true, key: { ...main.key, attempt: 1 } });
    expect(copy.worker).not.toBe(main.worker);
    const begin = () =>
      master.handle({
        kind: "statuses",
        worker: workerId(copy.worker),
        incarnation: 1,
        statuses: [{ kind: "running", key: copy.launch.key, slot: 0 }],
      });
    return { master, main, copy: { worker: copy.worker, key: copy.launch.key }, begin };
  }

  test("whichever ends well first counts, and the other is cancelled at once", () => {
    for (const winner of ["main", "copy"] as const) {
      const { master, begin, ...both } = doubled();
      begin();
      const [won, lost] = winner === "main" ? [both.main, both.copy] : [both.copy, both.main];
      const commands = master.end(won.worker, won.key, success());
      expect(commands).toContainEqual({
        kind: "send",
        worker: lost.worker,
        message: { kind: "cancel", keys: [lost.key], reason: expect.stringContaining("ended first") },
      });
      expect(ended(commands)).toMatchObject({ error: null, summary: { tasks: 2, failedAttempts: 0 } });
      expect(master.end(lost.worker, lost.key, success())).toEqual([]);
    }
  });

  test("when the first is gone the second is the task's attempt, begun or not", () => {
    for (const begun of [true, false]) {
      const { master, main, copy, begin } = doubled();
      if (begun) begin();
      expect(kinds(master.end(main.worker, main.key, failure()))).toEqual([]);
      expect(ended(master.end(copy.worker, copy.key, success()))).toMatchObject({
        error: null,
        summary: { failedAttempts: 1 },
      });
    }
  });

  test("a failed copy counts, but never fails the job while the first lives", () => {
    const { master, main, copy } = doubled();
    expect(ended(master.end(copy.worker, copy.key, failure("INVALID_KEY")))).toBeUndefined();
    expect(ended(master.end(main.worker, main.key, success()))).toMatchObject({ error: null });
    const other = doubled();
    other.master.end(other.copy.worker, other.copy.key, failure("INVALID_KEY"));
    expect(ended(other.master.end(other.main.worker, other.main.key, failure("INVALID_KEY")))).toMatchObject({
      error: { code: "JOB_FAILED", fields: { attempts: [{ attempt: 1 }, { attempt: 0 }] } },
    });
  });

  test("both are cancelled with their job; a block of the one that was too late is let go", () => {
    const { master, main, copy } = doubled();
    const commands = master.handle({ kind: "jobCancelled", session, job: jobId(1), reason: "asked" });
    const cancelled = commands.flatMap((one) =>
      one.kind === "send" && one.message.kind === "cancel" ? one.message.keys : [],
    );
    expect(cancelled).toEqual(expect.arrayContaining([main.key, copy.key]));
    const block: TaskResult = { kind: "block", sizeBytes: 100_000, records: 1 };
    expect(kinds(master.end(main.worker, main.key, success(block)))).toEqual(["releaseResults"]);
  });
});

test("an illegal move throws with the key and the last moves, and changes nothing", () => {
  const subject = { state: { kind: "succeeded" as const }, moves: ["launch", "succeed"] };
  expect(() => moveTo("task", subject, "launch", { kind: "succeeded" as const }, () => "s/1/2/3", undefined)).toThrow(
    "task s/1/2/3 is succeeded and cannot launch; its last moves: launch, succeed",
  );
  expect(subject.moves).toEqual(["launch", "succeed"]);
});

afterAll(() => {
  expect(allRows().filter((row) => !seen.has(row))).toEqual([]);
});

function success(result: TaskResult = inline()): TaskOutcome & { kind: "succeeded" } {
  return { kind: "succeeded", result, accumulators: [], metrics: noMetrics, cached: [] };
}
