// A cluster started by hand, all by the command line: a master, three workers in directories of their own, programs submitted
// to it; and what happens to the others when the driver or the master is killed. The secret is seen nowhere.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, isAlive, type Running, runCli, startCli, until, workerDirectories } from "../support/cli.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const scratch = scratchDirectory();
const localDir = join(scratch, "local");
const events = join(scratch, "events");
const secret = "c2VjcmV0IG9mIHRoaXMgY2x1c3Rlcg-0123456789";
const env = { MILLRACE_LOCAL_DIR: localDir, MILLRACE_EVENT_LOG_DIR: events, MILLRACE_SECRET: undefined };

let master: Running;
let workers: Running[];
let url = "";

const secretFile = (name: string) => ["--secret-file", join(scratch, name)];
const submit = (...args: string[]) =>
  startCli(["submit", "--master", url, ...secretFile("secret"), join(scratch, "program.mts"), ...args], env);

interface Snapshot {
  readonly sessions: readonly { readonly appName: string }[];
  readonly workers: readonly {
    readonly id: string;
    readonly running: number;
    readonly slots: number;
    readonly pid: number;
  }[];
}

async function status(): Promise<Snapshot> {
  const { code, stdout, stderr } = await runCli(["status", "--json", "--master", url, ...secretFile("secret")], env);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Snapshot;
}

/** Asks until `is` holds of the answer. */
async function statusUntil(what: string, is: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const snapshot = await status();
    if (is(snapshot)) return snapshot;
    if (Date.now() > deadline) throw new Error(`after 30 s still not: ${what}: ${JSON.stringify(snapshot)}`);
  }
}

async function startWorker(index: number): Promise<Running> {
  const home = join(scratch, `worker-${index}`);
  mkdirSync(home, { recursive: true });
  const flags = ["--slots", "1", "--memory", "512m", "--master-timeout", "4s", "--role", index === 2 ? "task" : "core"];
  const worker = startCli(["worker", "--master", url, ...flags, ...secretFile("secret")], env, home);
  await worker.saw(/connected to/);
  return worker;
}

beforeAll(async () => {
  mkdirSync(localDir, { recursive: true });
  writeTree(scratch, {
    secret,
    wrong: secret.replace("c2", "d3"),
    "program.mts": `import { Session } from "millrace";
const session = await Session.open({ appName: process.argv[2] });
switch (process.argv[2]) {
  case "count": {
    const words = session.parallelize("a b a c b a".split(" "), 3).map((word): [string, number] => [word, 1]);
    console.log(JSON.stringify(await words.reduceByKey((a, b) => a + b).sortByKey().collect()));
    break;
  }
  case "environment": {
    const seen = session.parallelize([0, 1, 2], 3).map(() => JSON.stringify(process.env) + process.argv + process.execArgv);
    console.log((await seen.collect()).join());
    break;
  }
  case "spin":
    await session.parallelize([0, 1, 2], 3).map(() => { console.log("spinning"); for (;;); }).collect();
}
await session.stop();
`,
  });
  for (const name of ["secret", "wrong"]) (await import("node:fs")).chmodSync(join(scratch, name), 0o600);
  master = startCli(["master", "--port", "0", ...secretFile("secret")], env);
  url = (await master.saw(/^millrace:\/\/\S+/m))[0];
  workers = await Promise.all([0, 1, 2].map(startWorker));
});

afterAll(() => {
  for (const { child } of [...(workers ?? []), ...(master === undefined ? [] : [master])]) killed(child);
});

function killed(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}

test("serves programs, and says who is there", async () => {
  const snapshot = await statusUntil("three workers", (one) => one.workers.length === 3);
  expect(snapshot.workers.map(({ slots }) => slots)).toEqual([1, 1, 1]);
  expect(snapshot.workers.map(({ pid }) => pid).sort()).toEqual(workers.map(({ pid }) => pid).sort());
  const ended = await submit("count").ended;
  expect([ended.code, ended.stderr, ended.stdout]).toEqual([0, "", '[["a",3],["b",2],["c",1]]\n']);
  const table = await runCli(["status", "--master", url, ...secretFile("secret")], env);
  // In the order in which they came.
  for (const part of [/3 workers with 3 slots/, /│ core +│/, /│ task +│/]) expect(table.stdout).toMatch(part);
});

test("the secret is in no task's environment, argument, log, event or file", async () => {
  const ended = await submit("environment").ended;
  expect(ended.code).toBe(0);
  const commands = [master, ...workers].map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  const logged = readdirSync(events).map((name) => readFileSync(join(events, name), "latin1"));
  expect(logged.length).toBeGreaterThan(0);
  const files = readdirSync(localDir, { recursive: true, encoding: "utf8" })
    .map((name) => join(localDir, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, "latin1"));
  for (const text of [ended.stdout, ended.stderr, ...commands, ...logged, ...files]) expect(text).not.toContain(secret);
});

describe("is refused:", () => {
  const failed = (ended: Ended, text: RegExp) => {
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(text);
    expect(ended.stderr).not.toContain(secret);
    expect(ended.stderr).toMatch(/what to do: |^millrace: /);
  };

  test("a driver, a worker and a question with another secret", async () => {
    const wrong = ["--master", url, ...secretFile("wrong")];
    const [driver, worker, question] = await Promise.all([
      runCli(["submit", ...wrong, join(scratch, "program.mts"), "count"], env),
      runCli(["worker", ...wrong, "--slots", "1", "--memory", "256m"], env),
      runCli(["status", ...wrong], env),
    ]);
    for (const ended of [driver, worker, question])
      failed(ended, /AUTHENTICATION_FAILED: 127\.0\.0\.1:\d+ does not hold the same secret/);
  });

  test("a port that is taken, an address beyond loopback, a malformed URL", async () => {
    const port = /:(\d+)$/.exec(url)?.[1] as string;
    const [taken, wide, malformed] = await Promise.all([
      runCli(["master", "--port", port, ...secretFile("secret")], env),
      runCli(["master", "--port", "0", "--host", "0.0.0.0", ...secretFile("secret")], env),
      runCli(["status", "--master", "millrace:/nowhere", ...secretFile("secret")], env),
    ]);
    failed(taken, /PORT_IN_USE/);
    failed(wide, /INSECURE_LISTEN: .*--insecure/);
    failed(malformed, /INVALID_MASTER_URL/);
  });

  test("what is no master, and what is not there", async () => {
    const web: Server = createServer((_request, response) => response.end("hello"));
    const silent = createTcpServer(() => undefined);
    await Promise.all(
      [web, silent].map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
    );
    const port = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
    const ask = (at: number) =>
      runCli(["status", "--master", `millrace://127.0.0.1:${at}`, ...secretFile("secret")], env);
    try {
      const [http, mute, nothing] = await Promise.all([ask(port(web)), ask(port(silent)), ask(1)]);
      failed(http, /NOT_A_MASTER/);
      failed(mute, /NOT_A_MASTER|MASTER_UNREACHABLE/);
      failed(nothing, /MASTER_UNREACHABLE: nothing answers at 127\.0\.0\.1:1/);
    } finally {
      web.close();
      silent.close();
    }
  });
});

test("a driver that is killed takes its session and its files with it; the workers serve on", async () => {
  const driver = submit("spin");
  await driver.saw(/\[\d+\.0\] spinning/);
  expect((await status()).sessions).toEqual([expect.objectContaining({ appName: "spin" })]);
  driver.child.kill("SIGKILL");
  await statusUntil(
    "no session and no attempt",
    (one) => one.sessions.length === 0 && one.workers.every(({ running }) => running === 0),
  );
  const left = () =>
    readdirSync(localDir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [entry.name] : [],
    );
  await until("only the owners' files are left", () => left().every((name) => name === "owner.json"));
  expect((await submit("count").ended).code).toBe(0);
  expect(workers.every(({ pid }) => isAlive(pid))).toBe(true);
});

test("a master that is killed: its drivers are told at once, its workers look for it and then end", async () => {
  const driver = submit("spin");
  await driver.saw(/\[\d+\.0\] spinning/);
  master.child.kill("SIGKILL");
  const ended = await driver.ended;
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/MASTER_LOST: the connection to 127\.0\.0\.1:\d+ ended/);
  for (const worker of workers) {
    const { code, stderr } = await worker.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/MASTER_UNREACHABLE: no master answered at \S+ for 4 s \(--master-timeout\)/);
  }
  expect(workerDirectories(localDir)).toEqual([]);
});
