// A worker process that hangs (SIGSTOP) and goes on later (SIGCONT). After the heartbeat deadline it is given up and its tasks
// run elsewhere; who reads from it is told then, long before its own deadlines; what it reports when it wakes changes nothing.
// (A hang shorter than the deadline: killed.test.ts.)

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Blow, ChaosCluster, type Run } from "./harness.js";
import { cachedJob, resultJob, shuffleJob } from "./jobs.js";
import { settings } from "./settings.js";

const stop = (where: Readonly<Record<string, unknown>>) => ({ action: "stop", where }) as const;
const goOn = ({ fired }: Run) => void process.kill(fired.pid, "SIGCONT");

const blows: readonly Blow[] = [
  {
    fault: "SIGSTOP after the commit, SIGCONT when the job is over",
    point: "map.committed",
    token: stop({ partition: 2 }),
    job: shuffleJob,
    // A copy may do its task before the deadline.
    check: ({ lost, copies }) => expect(lost + copies).toBeGreaterThan(0),
  },
  {
    fault: "SIGSTOP of a reducer, SIGCONT when the job is over",
    point: "fetch.frame",
    token: stop({ pass: { atLeast: 2 } }),
    job: shuffleJob,
  },
  {
    fault: "SIGSTOP of a worker whose result is read",
    point: "serve.chunk",
    token: stop({ block: "result" }),
    job: resultJob,
  },
];

/** Others wait for what it serves: the stream that it broke off, or one that was asked of it meanwhile. */
const served: readonly Blow[] = [
  {
    fault: "SIGSTOP of a server in the middle of a fetch",
    point: "serve.chunk",
    token: stop({ block: "shuffle" }),
    job: shuffleJob,
    check: ({ errors }) => {
      const told = errors.filter(({ message }) => message.includes("the master has given up worker"));
      expect(told.map(({ code }) => code)).toContain("FETCH_FAILED");
    },
  },
  {
    fault: "SIGSTOP of a server of cached partitions",
    point: "serve.chunk",
    token: stop({ block: "cached" }),
    job: cachedJob,
  },
];

describe.each(settings)("$name", (setting) => {
  const cluster = new ChaosCluster(setting, { MILLRACE_WORKER_HEARTBEAT_TIMEOUT: "3s" });
  beforeAll(() => cluster.session().then(() => undefined));
  afterEach(({ task }) => (task.result?.state === "fail" ? cluster.renew() : undefined));
  afterAll(() => cluster.close());

  test.each([...blows, ...(setting.remote ? served : [])])("$fault", async (blow) => {
    await cluster.strike({
      ...blow,
      check: async (run) => {
        goOn(run);
        await blow.check?.(run);
      },
    });
  });
});
