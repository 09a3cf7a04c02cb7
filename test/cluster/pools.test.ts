// Pools, groups and tags on real slots: a short job in a pool of its own ends while a long one runs, which in a FIFO session it
// does not; jobs that are cancelled by name free their slots for those that are not; the event log has the names.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listEventLogs, readEventLog } from "../../src/events/event-log-reader.js";
import type { SessionEvent } from "../../src/events/event-types.js";
import type { MillraceError, StageProgress } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const TASK_MS = 50;
const TASKS = 120;

/** Resolves when the progress of the session's stages says so. */
function when(session: Session, isSo: (stages: readonly StageProgress[]) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const remove = session.onProgress((stages) => {
      if (!isSo(stages)) return;
      remove();
      resolve();
    });
  });
}

/**
 * Starts a long job, and when its first task has ended, a short one. Gives how many tasks of the long job began after the short
 * job had ended: those end at once, so that the test waits no longer than it must.
 */
async function tasksAfterTheShortJob(session: Session, name: string, pool: string): Promise<number> {
  const done = join(engine.directory, `${name}-done`);
  const started = when(session, (stages) => stages.some(({ done: ended }) => ended > 0));
  const long = session
    .range(0, TASKS, 1, TASKS)
    .map((): number => {
      if (existsSync(done)) return 1;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TASK_MS);
      return 0;
    })
    .reduce((a, b) => a + b);
  await started;
  expect(
    await session.inPool(pool, () =>
      session
        .range(0, 100, 1, 4)
        .map((n) => [n % 5, 1])
        .reduceByKey((a, b) => a + b, 2)
        .count(),
    ),
  ).toBe(5);
  writeFileSync(done, "");
  return long;
}

test.each(["local[2]", "local-cluster[2,1,256m]"])(
  "a short job in a pool of its own ends while a long one runs (%s)",
  async (master) => {
    const fair = await engine.open(master, {
      "scheduler.mode": "FAIR",
      "scheduler.pools": { short: { weight: 2, minShare: 1 } },
    });
    // Tasks of the long job were waiting when the short one had ended.
    expect(await tasksAfterTheShortJob(fair, `fair-${master}`, "short")).toBeGreaterThan(0);
    // So it is in a pool that nobody has defined.
    expect(await tasksAfterTheShortJob(fair, `undefined-${master}`, "other")).toBeGreaterThan(0);
    await fair.stop();
  },
  60_000,
);

test("in a FIFO session the short job waits for all tasks of the long one, whatever its pool", async () => {
  const fifo = await engine.open("local[2]");
  expect(await tasksAfterTheShortJob(fifo, "fifo", "short")).toBe(0);
  await fifo.stop();
}, 60_000);

const forever = (session: Session, slices: number) =>
  session
    .range(0, slices, 1, slices)
    .map((n) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
      return n;
    })
    .count();

const errorOf = (promise: Promise<unknown>): Promise<MillraceError> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as MillraceError,
  );

test("a cancelled group gives its slots to the jobs that are not of it, and the log has its name", async () => {
  const logs = join(engine.directory, "events");
  const session = await engine.open("local-cluster[2,1,256m]", { "eventLog.enabled": true, "eventLog.dir": logs });
  const group = session.jobGroup("stuck", { description: "never ends" }, () =>
    [forever(session, 3), session.withJobTags(["b"], () => forever(session, 2))].map(errorOf),
  );
  // All slots are taken: it waits for them.
  const other = session.range(0, 50, 1, 5).count();
  await when(session, (stages) => stages.length === 3 && stages.some(({ running }) => running === 2));
  expect(session.cancelJobGroup("stuck", "for a test")).toBe(2);
  for (const [i, error] of (await Promise.all(group)).entries()) {
    expect(error).toMatchObject({
      code: "JOB_CANCELLED",
      fields: { job: i + 1, group: "stuck", reason: "for a test" },
      message: 'count was cancelled with its job group "stuck": for a test',
    });
  }
  expect(await other).toBe(50);
  const tagged = errorOf(session.withJobTags(["t"], () => forever(session, 2)));
  expect(session.cancelJobsWithTag("t")).toBe(1);
  expect((await tagged).fields).toMatchObject({ tag: "t", reason: null });
  const all = errorOf(forever(session, 2));
  expect(session.cancelAllJobs()).toBe(1);
  expect((await all).code).toBe("JOB_CANCELLED");
  expect(await session.range(9).count()).toBe(9);
  await session.stop();

  const [log] = await listEventLogs(logs);
  const events: SessionEvent[] = [];
  await readEventLog(log?.path as string, (event) => events.push(event));
  const started = events.filter((event) => event.type === "jobStarted");
  expect(started[0]).toMatchObject({ group: "stuck", description: "never ends" });
  expect(started[1]).toMatchObject({ group: "stuck", tags: ["b"] });
  expect(started[2]).not.toHaveProperty("group");
  const ended = events.filter((event) => event.type === "jobEnded" && event.job <= 2);
  for (const event of ended)
    expect(event).toMatchObject({ error: { code: "JOB_CANCELLED", message: expect.stringContaining('"stuck"') } });
}, 60_000);
