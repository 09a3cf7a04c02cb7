// Faults of a cluster that was started by hand, where nobody starts a dead process again: all workers die and new ones come,
// the master dies and another one comes to its address, the connections between them are cut or go silent, a worker hangs and
// comes back, a disk is full.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../support/cli.js";
import { startCuttingProxy } from "../../support/cutting-proxy.js";
import type { Session } from "../../support/engine.js";
import { HandCluster, type HandProcess } from "../../support/hand-cluster.js";
import { countSince, jobsSoFar } from "./counts.js";
import { type Fault, FaultBudget } from "./faults.js";
import { gatheredPids, shuffleJob } from "./jobs.js";
import { chaosEngine } from "./points.js";
import { outcomeOf, report } from "./table.js";

const budget = new FaultBudget();
const timeouts = {
  MILLRACE_WORKER_HEARTBEAT_TIMEOUT: "3s",
  MILLRACE_INTERNAL_CHAOS_RECONNECT_MS: "2000",
  // A disk that is full shall be met, not avoided.
  MILLRACE_DISK_MIN_FREE: "0",
};
const setting = "by hand";
const WORKERS = 3;
let cluster: HandCluster;
let master: HandProcess;
let workers: HandProcess[];
let session: Session;
let calm: { readonly answer: string; readonly ms: number };
let started = 0;
/** Names of `workers`. */
let live: string[] = [];

const nextWorker = (flags: readonly string[] = [], address = cluster.url) =>
  cluster.startWorker(`hand-${started++}`, flags, address);

async function startWorkers(): Promise<HandProcess[]> {
  const from = started;
  const all = await Promise.all(Array.from({ length: WORKERS }, () => nextWorker()));
  live = all.map((_, index) => `hand-${from + index}`);
  return all;
}

/** Below the directories of the workers that run: one that has left leaves its directory to the next that bears its name. */
const held = () => workerFiles().filter((path) => !path.includes(session.id));
const workerFiles = () => live.flatMap((id) => cluster.files(join(cluster.localDir, `millrace-${id}`)));
const lastId = () => `hand-${started - 1}`;
const log = () => join(cluster.events, `${session.id}.jsonl`);

beforeAll(async () => {
  cluster = new HandCluster({ engine: await chaosEngine(), env: { ...budget.env, ...timeouts } });
  master = await cluster.startMaster();
  workers = await startWorkers();
  session = await cluster.open({ "shuffle.localReads": false });
  await shuffleJob(session);
  const from = performance.now();
  calm = { answer: await shuffleJob(session), ms: performance.now() - from };
});

afterAll(async () => {
  await cluster.close();
  budget.remove();
});

beforeEach(() => budget.disarm());

/** Until the master gives it tasks. */
const isActive = ({ pid }: HandProcess) =>
  cluster.statusUntil("it is active", (one) => one.workers.some((each) => each.pid === pid && each.state === "active"));

interface Outcome {
  readonly recomputed: number;
  readonly lost: number;
}

/** Runs the job while `happens` goes on; then its line of the table. All of `faults` must have fired by then. */
async function under(name: string, faults: readonly Fault[], happens: () => Promise<void>): Promise<Outcome> {
  const known = await jobsSoFar(log());
  const from = performance.now();
  const running = shuffleJob(session);
  running.catch(() => undefined);
  await happens();
  const answer = await running.catch((error: Error) => error);
  const ms = performance.now() - from;
  const { recomputed, fetchFailed, copies } = await countSince(log(), known);
  const lost = (session.lastJob?.failedAttempts ?? 0) + fetchFailed;
  const fired = faults.every((fault) => fault.fired !== null);
  const good = answer === calm.answer;
  const addedSeconds = (ms - calm.ms) / 1000;
  report({
    fault: name,
    setting,
    fired,
    answer: outcomeOf(answer, calm.answer),
    good,
    recomputed,
    lost,
    copies,
    addedSeconds,
  });
  expect(fired).toBe(true);
  if (answer instanceof Error) throw answer;
  expect(answer).toBe(calm.answer);
  return { recomputed, lost };
}

async function serves(): Promise<void> {
  const pids = await gatheredPids(session, WORKERS, cluster.directory);
  expect(pids.toSorted()).toEqual(workers.map(({ pid }) => pid).toSorted());
}

test("all workers are killed while they work, others come: the job goes on", async () => {
  const faults = workers.map(() => budget.arm("task.check", { action: "kill", where: { pass: { atLeast: 2 } } }));
  const { lost } = await under("all workers are killed, new ones start", faults, async () => {
    await Promise.all(workers.map(({ ended }) => ended));
    workers = await startWorkers();
  });
  expect(lost).toBeGreaterThanOrEqual(1);
  await serves();
});

test("a worker hangs for longer than the deadline and then goes on: it is given up and taken back", async () => {
  const fault = budget.arm("map.committed", { action: "stop", where: { partition: 3 } });
  const { lost } = await under("SIGSTOP, SIGCONT after the deadline", [fault], async () => {
    await fault.untilFired();
  });
  expect(lost).toBeGreaterThanOrEqual(1);
  const { pid } = await fault.untilFired();
  expect((await cluster.status()).workers.map((worker) => worker.pid)).not.toContain(pid);
  process.kill(pid, "SIGCONT");
  await serves();
});

describe("a worker that is reached by way of a proxy", () => {
  test("whose connection is cut: it comes back, and what it does counts", async () => {
    const proxy = await startCuttingProxy(cluster.url.replace("millrace://", ""));
    const behind = await nextWorker([], `millrace://${proxy.address}`);
    await isActive(behind);
    const fault = budget.arm("task.check", { action: "stop", where: { worker: lastId(), pass: { atLeast: 2 } } });
    const { lost } = await under("the connection of a worker is cut", [fault], async () => {
      const { pid } = await fault.untilFired();
      proxy.cut();
      process.kill(pid, "SIGCONT");
      await behind.saw(/the connection to the master ended/);
    });
    expect(lost).toBe(0);
    behind.child.kill("SIGTERM");
    await behind.ended;
    await proxy.close();
    await serves();
  });

  test("and cannot be heard any more, nor hear: its tasks run elsewhere", async () => {
    const proxy = await startCuttingProxy(cluster.url.replace("millrace://", ""));
    const behind = await nextWorker([], `millrace://${proxy.address}`);
    await isActive(behind);
    const fault = budget.arm("map.committed", { action: "stop", where: { worker: lastId() } });
    await under("the network of a worker is gone, both ways", [fault], async () => {
      const { pid } = await fault.untilFired();
      proxy.freeze();
      process.kill(pid, "SIGCONT");
      await cluster.statusUntil("it is given up", ({ workers: all }) => all.every((one) => one.pid !== behind.pid));
    });
    proxy.thaw();
    await cluster.statusUntil("it is back", ({ workers: all }) =>
      all.some((one) => one.pid === behind.pid && one.state === "active"),
    );
    behind.child.kill("SIGTERM");
    await behind.ended;
    await proxy.close();
    await serves();
  });
});

test("the master dies under a job: its driver is told at once, its workers serve the next one on that address", async () => {
  const fault = budget.arm("map.committed", { action: "stop", where: { partition: 2 } });
  const running = shuffleJob(session).catch((error: { code: string }) => error.code);
  const { pid } = await fault.untilFired();
  const died = performance.now();
  master.child.kill("SIGKILL");
  expect(await running).toBe("MASTER_LOST");
  expect(performance.now() - died).toBeLessThan(5_000);
  process.kill(pid, "SIGCONT");
  expect(() => session.range(3)).toThrow(expect.objectContaining({ code: "MASTER_LOST" }));
  master = await cluster.startMaster();
  session = await cluster.open({ "shuffle.localReads": false });
  await cluster.statusUntil("all workers are there", (one) => one.workers.length === WORKERS);
  const answer = await shuffleJob(session);
  // Of the job that was submitted again.
  const { recomputed, fetchFailed, copies } = await countSince(log(), 0);
  report({
    fault: "the master is killed, another one starts",
    setting,
    fired: fault.fired !== null,
    answer: outcomeOf(answer, calm.answer),
    good: answer === calm.answer,
    recomputed,
    lost: (session.lastJob?.failedAttempts ?? 0) + fetchFailed,
    copies,
    addedSeconds: null,
  });
  expect(answer).toBe(calm.answer);
  await serves();
  // What they held of the session that ended with its master is gone.
  await until("no worker holds anything of it", () => held().length === 0);
});

const disk = () => join(cluster.directory, "disk");
const canMount = process.platform === "linux" && process.getuid?.() === 0;

describe.skipIf(!canMount)("a worker whose disk is full", () => {
  test("fails its tasks with DISK_FULL and its path, or others do them", async () => {
    mkdirSync(disk());
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=32k", "tmpfs", disk()]).status).toBe(0);
    try {
      const full = await nextWorker(["--local-dir", disk()]);
      await cluster.statusUntil("it is there", (one) => one.workers.length === WORKERS + 1);
      const known = await jobsSoFar(log());
      const answer = await shuffleJob(session).catch((error: Error) => error);
      const { errors, recomputed, fetchFailed, copies } = await countSince(log(), known);
      const cause = answer instanceof Error ? (answer.cause as Error & { code?: string }) : null;
      const good =
        cause === null ? answer === calm.answer : cause.code === "DISK_FULL" && cause.message.includes(disk());
      report({
        fault: "the disk of a worker is full",
        setting,
        fired: errors.some(({ code }) => code === "DISK_FULL"),
        answer: outcomeOf(answer, calm.answer) + (cause === null ? "" : `: ${cause.code}`),
        good,
        recomputed,
        lost: (session.lastJob?.failedAttempts ?? 0) + fetchFailed,
        copies,
        addedSeconds: null,
      });
      expect(good, String(answer)).toBe(true);
      expect(errors).toContainEqual(expect.objectContaining({ code: "DISK_FULL" }));
      full.child.kill("SIGTERM");
      await full.ended;
      expect(await shuffleJob(session)).toBe(calm.answer);
      await serves();
    } finally {
      spawnSync("umount", ["-l", disk()]);
    }
  });
});

test("in the end only the session's own files are there, and none when it is stopped", async () => {
  await session.stop();
  await until("no worker holds a file", () => workerFiles().length === 0);
});
