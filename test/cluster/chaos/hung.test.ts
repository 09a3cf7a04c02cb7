// A worker process that hangs (SIGSTOP) and goes on later (SIGCONT). After the heartbeat deadline it is given up and its tasks
// run elsewhere; what it reports when it wakes changes nothing. (A hang shorter than the deadline: killed.test.ts.)

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChaosCluster } from "./harness.js";
import { shuffleJob } from "./jobs.js";
import { everything, settings } from "./settings.js";

const stop = (where: Readonly<Record<string, unknown>>) => ({ action: "stop", where }) as const;

describe.each(settings)("$name", (setting) => {
  const cluster = new ChaosCluster(setting, { MILLRACE_WORKER_HEARTBEAT_TIMEOUT: "3s" });
  beforeAll(() => cluster.session().then(() => undefined));
  afterEach(({ task }) => (task.result?.state === "fail" ? cluster.renew() : undefined));
  afterAll(() => cluster.close());

  test("with a finished map task that it has not reported: given up, and its late report is void", async () => {
    await cluster.strike({
      fault: "SIGSTOP after the commit, SIGCONT when the job is over",
      point: "map.committed",
      token: stop({ partition: 2 }),
      job: shuffleJob,
      check: ({ fired, lost }) => {
        expect(lost).toBeGreaterThan(0);
        process.kill(fired.pid, "SIGCONT");
      },
    });
  });

  // Who fetches from a process that hangs waits until the stream's own deadline.
  test.skipIf(setting.remote && !everything)("in the middle of a fetch: another one does its task", async () => {
    await cluster.strike({
      fault: "SIGSTOP of a reducer, SIGCONT when the job is over",
      point: "fetch.frame",
      token: stop({ pass: { atLeast: 2 } }),
      job: shuffleJob,
      check: ({ fired }) => void process.kill(fired.pid, "SIGCONT"),
    });
  });
});
