// Pools, groups and tags as the driver gives them to its jobs: by callback and all that it awaits, and what cancels them.

import { afterEach, beforeEach, expect, test } from "vitest";
import type { MillraceError } from "../../src/core/errors.js";
import type { RddSession } from "../../src/rdd/session.js";
import type { JobEnd } from "../../src/session/job-client.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
let master: FakeMaster;

beforeEach(async () => {
  ({ session, master } = await openFakeSession());
});
afterEach(() => session.stop());

const traits = () => master.jobs.map((job) => job.traits);
const count = () => session.range(3).count();
const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as MillraceError,
  );

test("a job has the pool, group and tags of the callback that it is started in, however late", async () => {
  await session.inPool("fast", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    await count();
    await session.jobGroup("nightly", { description: "sums" }, () => session.withJobTags(["a", "b"], count));
    await count();
  });
  await count();
  expect(traits()).toEqual([
    { pool: "fast" },
    { pool: "fast", group: "nightly", description: "sums", tags: ["a", "b"] },
    { pool: "fast" },
    undefined,
  ]);
});

test("callbacks that run beside each other do not meet", async () => {
  const both = ["a", "b"].map((id) =>
    session.jobGroup(id, async () => {
      for (let i = 0; i < 3; i++) await count();
    }),
  );
  await Promise.all([...both, count()]);
  const groups = traits().map((one) => one?.group ?? "none");
  expect(groups.sort()).toEqual(["a", "a", "a", "b", "b", "b", "none"]);
});

test("an action's own pool beats that around it, in the later jobs of the action too", async () => {
  await session.inPool("fast", () => session.range(9).takeSample(false, 2, 1, { pool: "own" }));
  expect(traits().length).toBeGreaterThan(1);
  for (const one of traits()) expect(one).toEqual({ pool: "own" });
});

test("what is set holds where it was set: in the callback around it, else in the program", async () => {
  session.addJobTag("all");
  await session.jobGroup("g", async () => {
    session.setJobGroup("h", "another");
    session.addJobTag("inner");
    await count();
    session.clearJobGroup();
    session.removeJobTag("all");
    await count();
    expect(session.getJobTags()).toEqual(new Set(["inner"]));
  });
  await count();
  session.setJobGroup("program");
  session.clearJobTags();
  await count();
  await session.inPool("p", count);
  session.clearJobGroup();
  await count();
  expect(traits()).toEqual([
    { group: "h", description: "another", tags: ["all", "inner"] },
    { tags: ["inner"] },
    { tags: ["all"] },
    { group: "program" },
    { pool: "p", group: "program" },
    undefined,
  ]);
});

test("a group that is cancelled takes its running jobs with it and nothing else", async () => {
  const ends: JobEnd[] = [];
  session.onJobEnd((end) => ends.push(end));
  master.hold();
  const mine = session.jobGroup("nightly", () => [count(), session.range(2).collect()]);
  const others = [session.jobGroup("other", count), count()];
  const failed = Promise.all(mine.map((one) => errorOf(one as Promise<unknown>)));
  expect(session.cancelJobGroup("nightly", "the day breaks")).toBe(2);
  expect(session.cancelJobGroup("nightly")).toBe(0);
  for (const [i, error] of (await failed).entries()) {
    expect(error.code).toBe("JOB_CANCELLED");
    expect(error.fields).toEqual({ job: i + 1, group: "nightly", reason: "the day breaks" });
    expect(error.message).toContain('was cancelled with its job group "nightly": the day breaks');
    expect(error.stack).toContain("job-scopes.test.ts");
  }
  expect(master.of("cancel")).toMatchObject([{ job: 1 }, { job: 2, reason: expect.stringContaining("nightly") }]);
  expect(ends.map(({ job, traits: { group } }) => [job, group])).toEqual([
    [1, "nightly"],
    [2, "nightly"],
  ]);
  master.release();
  expect(await Promise.all(others)).toEqual([3, 3]);
});

test("jobs are cancelled by tag, and all at once", async () => {
  master.hold();
  const tagged = errorOf(session.withJobTags(["x", "y"], count));
  const plain = errorOf(count());
  expect(session.cancelJobsWithTag("y")).toBe(1);
  expect((await tagged).fields).toEqual({ job: 1, tag: "y", reason: null });
  expect(session.cancelAllJobs("enough")).toBe(1);
  expect((await plain).message).toBe("count was cancelled with all jobs of its session: enough");
});

test("arguments that cannot be are refused where they are written", () => {
  const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
  expect(() => session.inPool("", count)).toThrow(refused);
  expect(() => session.inPool("a", 3 as never)).toThrow(refused);
  expect(() => session.jobGroup("a", { description: "" }, count)).toThrow(refused);
  expect(() => session.jobGroup("a", {} as never)).toThrow(refused);
  expect(() => session.withJobTags("a" as never, count)).toThrow(refused);
  expect(() => session.addJobTag("a,b")).toThrow(refused);
  expect(() => session.cancelJobGroup("g", "")).toThrow(refused);
  expect(() => session.range(1).count({ pool: 3 as never })).toThrow(refused);
  expect(() => session.pools({ a: {} })).toThrow(expect.objectContaining({ message: expect.stringContaining("FAIR") }));
});

test("pools are defined in a session that schedules by them", async () => {
  const fair = await openFakeSession({}, 10_000, { "scheduler.mode": "FAIR" });
  fair.session.pools({ fast: { weight: 3 } });
  expect(fair.master.of("pools")).toEqual([
    { kind: "pools", pools: { fast: { mode: "FIFO", weight: 3, minShare: 0 } } },
  ]);
  expect(() => fair.session.pools({ a: { weight: -1 } })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining('pool "a"') }),
  );
  await fair.session.stop();
});
