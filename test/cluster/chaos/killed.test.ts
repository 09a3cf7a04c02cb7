// SIGKILL of a worker process at every point of a job: before, in the middle of and after a map task, while it writes its
// shuffle file, after the commit and before the report, in the middle of a fetch at either end, while a cached partition is
// read or served.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Blow, ChaosCluster, type Run } from "./harness.js";
import { cachedJob, shuffleJob } from "./jobs.js";
import { settings } from "./settings.js";

const kill = (where: Readonly<Record<string, unknown>> = {}) => ({ action: "kill", where }) as const;
const map = { kind: "shuffle" };
/** What a copy has done by then is not lost. */
const died = ({ lost, copies }: Run) => expect(lost + copies).toBeGreaterThan(0);

const blows: readonly (Omit<Blow, "job"> & Partial<Pick<Blow, "job">>)[] = [
  { fault: "kill before a map task's first record", point: "task.begin", token: kill({ ...map, partition: 2 }) },
  { fault: "kill in the middle of a map task", point: "task.check", token: kill({ ...map, pass: { atLeast: 3 } }) },
  { fault: "kill after frames were written", point: "map.frame", token: kill({ ...map, pass: { atLeast: 3 } }) },
  { fault: "kill before the commit of a map output", point: "map.beforeCommit", token: kill({ partition: 5 }) },
  { fault: "kill with half of the file written", point: "map.file", token: kill({ pass: { atLeast: 3 } }) },
  { fault: "kill after the commit, before the report", point: "map.committed", token: kill({ partition: 4 }) },
  { fault: "kill of a reducer in the middle of a fetch", point: "fetch.frame", token: kill({ pass: { atLeast: 3 } }) },
  {
    fault: "kill while a cached partition is read",
    point: "cache.frame",
    token: kill(),
    job: cachedJob,
  },
];

/** Where blocks travel, also the server's end. */
const served: typeof blows = [
  { fault: "kill of a server in the middle of a fetch", point: "serve.chunk", token: kill({ block: "shuffle" }) },
  {
    fault: "kill of a server of cached partitions",
    point: "serve.chunk",
    token: kill({ block: "cached" }),
    job: cachedJob,
  },
];

describe.each(settings)("$name", (setting) => {
  const cluster = new ChaosCluster(setting);
  beforeAll(() => cluster.session().then(() => undefined));
  afterEach(({ task }) => (task.result?.state === "fail" ? cluster.renew() : undefined));
  afterAll(() => cluster.close());

  test.each([...blows, ...(setting.remote ? served : [])])("$fault", async (blow) => {
    await cluster.strike({ job: shuffleJob, check: died, ...blow });
  });

  test.runIf(setting.speculates)("slow tasks had second attempts", () => expect(cluster.copies).toBeGreaterThan(0));

  // Here, where the deadline is the usual one.
  test("SIGSTOP for a moment: nothing is lost or computed again", async () => {
    await cluster.strike({
      fault: "SIGSTOP for a moment",
      point: "task.check",
      token: { action: "stop", where: { ...map, pass: { atLeast: 2 } } },
      job: shuffleJob,
      meanwhile: ({ pid }) => void process.kill(pid, "SIGCONT"),
      // Where a task had a copy both may have succeeded, or one was stopped.
      check: ({ lost, recomputed, copies }) => expect(copies === 0 ? [lost, recomputed] : [0, 0]).toEqual([0, 0]),
    });
  });
});
