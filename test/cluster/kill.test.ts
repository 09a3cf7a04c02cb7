// `millrace kill` on a cluster of processes: a job, a job that is still being prepared, and a session with all its jobs. The
// driver is told who ended it, tasks stop, output and files go, and the cluster serves the next session.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Killed } from "../../src/master/kills.js";
import { type Ended, runCli, until } from "../support/cli.js";
import { HandCluster } from "../support/hand-cluster.js";

const TIMEOUT_MS = 120_000;
const cluster = new HandCluster();

beforeAll(async () => {
  await cluster.startMaster();
  await cluster.startWorker("w1");
}, TIMEOUT_MS);
afterAll(() => cluster.close(), TIMEOUT_MS);

const millrace = (...args: string[]): Promise<Ended> =>
  runCli([...args, "--master", cluster.url, "--secret-file", cluster.secretFile]);
const kill = async (...args: string[]): Promise<Killed> => {
  const { code, stdout, stderr } = await millrace("kill", "--json", ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Killed;
};

/** A job that runs until the file is there: it never ends by itself within the test. */
const spin = (file: string) => (n: number) => {
  const fs = process.getBuiltinModule("node:fs");
  for (const end = Date.now() + 60_000; Date.now() < end && !fs.existsSync(file); );
  return n;
};

test(
  "a killed job rejects with who asked and why; its output is gone, the session goes on",
  async () => {
    const session = await cluster.open({ appName: "victim" });
    const output = join(cluster.directory, "out");
    const job = session
      .range(0, 4, 1, 2)
      .map(spin(join(cluster.directory, "never")))
      .saveAsTextFile(output);
    const failure = job.then(
      () => null,
      (error: unknown) => error,
    );
    await cluster.statusUntil("a task runs", ({ sessions }) => sessions.some(({ stages }) => stages.length > 0));
    const killed = await kill(`${session.id}/1`, "--reason", "the disk is full");
    expect(killed).toMatchObject({ session: session.id, appName: "victim", jobs: [1], ended: "job" });
    expect(killed.by).toMatch(/^.+@.+$/);
    expect(await failure).toMatchObject({
      code: "JOB_CANCELLED",
      message: `job 1 of session ${session.id} was killed by ${killed.by} (millrace kill): the disk is full`,
      fields: { job: 1, session: session.id, by: killed.by, reason: "the disk is full" },
    });
    expect(existsSync(output)).toBe(false);
    // The slot that spun has stopped: it takes the next job's tasks.
    expect(await session.range(0, 10).count()).toBe(10);
    const again = await millrace("kill", session.id, "--job", "1");
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/UNKNOWN_JOB: session \S+ has no running job 1: none runs/);
    await session.stop();
  },
  TIMEOUT_MS,
);

test(
  "a killed session fails its running jobs and every later call with SESSION_KILLED, and leaves no file",
  async () => {
    const program = join(cluster.directory, "victim.ts");
    writeFileSync(
      program,
      `import { Session } from "millrace";
const session = await Session.open({ appName: "victim" });
const spin = (n: number) => { for (const end = Date.now() + 60_000; Date.now() < end; ); return n; };
const cached = session.range(0, 100).map((n) => [n % 7, n]).cache();
console.log(await cached.reduceByKey((a, b) => a + b).count());
const ends = await Promise.allSettled([session.range(0, 2, 1, 2).map(spin).count(), cached.mapValues(spin).collect()]);
for (const end of ends) if (end.status === "rejected") console.log(end.reason.code, end.reason.fields.by);
const later = async () => session.range(0, 1).count();
await later().catch((error) => console.log("later", error.code));
await cached.count();
`,
    );
    const running = cluster.submit(program);
    await running.saw(/^7$/m);
    const { sessions } = await cluster.statusUntil("two jobs run", (status) => status.sessions[0]?.jobs.length === 2);
    expect(sessions[0]).toMatchObject({ appName: "victim", jobs: [{ job: 2 }, { job: 3 }] });
    expect(sessions[0]?.shuffleBytes).toBeGreaterThan(0);
    const id = sessions[0]?.id as string;
    const killed = await kill(id.split("-")[0] as string);
    expect(killed).toMatchObject({ session: id, appName: "victim", jobs: [2, 3], ended: "session" });
    const { code, stdout, stderr } = await running.ended;
    const line = `SESSION_KILLED ${killed.by}`;
    expect(stdout).toBe(`7\n${line}\n${line}\nlater SESSION_KILLED\n`);
    // What nobody catches ends the program as any error, and says what to do.
    expect(code).toBe(1);
    expect(stderr).toContain(`millrace: SESSION_KILLED: `);
    expect(stderr).toContain(`was killed by ${killed.by}`);
    await cluster.statusUntil("no session is left", (status) => status.sessions.length === 0);
    await until("the session's files are gone", () => cluster.files().length === 0);
    const [log] = readdirSync(cluster.events).filter((name) => name.includes(id));
    expect(log).toBeDefined();
    const { code: unknown, stderr: why } = await millrace("kill", id, "--json");
    expect(unknown).toBe(1);
    expect(JSON.parse(why)).toMatchObject({
      error: { code: "UNKNOWN_SESSION", fields: { session: id, sessions: [] } },
    });
  },
  TIMEOUT_MS,
);

test(
  "the cluster serves the next session as before",
  async () => {
    const session = await cluster.open();
    mkdirSync(join(cluster.directory, "in"));
    writeFileSync(join(cluster.directory, "in/a.txt"), "a b\nb\n");
    const counts = session
      .textFile(join(cluster.directory, "in"))
      .flatMap((line) => line.split(" "))
      .map((word) => [word, 1])
      .reduceByKey((a, b) => a + b);
    expect((await counts.collect()).sort()).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    await session.stop();
  },
  TIMEOUT_MS,
);
