// What is left on disk after a day of failures: jobs that fail, are cancelled and are killed from every side leave nothing of
// ended sessions and released shuffles in any worker's directory; what processes that died at once have left goes with the next
// start on the same local directory, but for workers that are likely to come back.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isAlive, until, workerDirectories } from "../support/cli.js";
import { loadEngine, type Session } from "../support/engine.js";
import { HandCluster, type HandProcess } from "../support/hand-cluster.js";

const cluster = new HandCluster();
let master: HandProcess;
const workers = new Map<string, HandProcess>();

beforeAll(async () => {
  master = await cluster.startMaster();
  for (const id of ["one", "two"]) workers.set(id, await cluster.startWorker(id));
});

afterAll(() => cluster.close());

const code = (promise: Promise<unknown>) => promise.then(String, (error: { code: string }) => error.code);
const files = (kind: string) => cluster.files().filter((path) => path.includes(`/${kind}/`));

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

const pairs = (s: Session) => s.range(0, 4_000, 1, 8).map((n): [number, string] => [n % 50, "x".repeat(500)]);

async function kill(id: string): Promise<void> {
  const worker = workers.get(id) as HandProcess;
  worker.child.kill("SIGKILL");
  await worker.ended;
}

test("failed, cancelled and finished jobs leave only shuffles that are still in use, and those go with their RDDs", async () => {
  const s = await cluster.open({ "task.maxFailures": 1 });
  const fault = pairs(s).map((pair) => {
    if (pair[0] === 7) throw new Error("the fault of this test");
    return pair;
  });
  expect(await code(fault.groupByKey(4).count())).toBe("JOB_FAILED");
  const late = pairs(s)
    .groupByKey(4)
    .map(([key]) => {
      if (key === 7) throw new Error("the fault of this test");
      return key;
    });
  expect(await code(late.collect())).toBe("JOB_FAILED");
  const begun = join(cluster.directory, "begun");
  const endless = pairs(s)
    .groupByKey(4)
    .map(([key]): number => {
      writeFileSync(begun, "");
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, key, 1);
    });
  const abort = new AbortController();
  const cancelled = code(endless.collect({ signal: abort.signal }));
  await until("it runs", () => existsSync(begun));
  abort.abort();
  expect(await cancelled).toBe("JOB_CANCELLED");
  const kept = pairs(s).persist("DISK_ONLY");
  expect(await kept.groupByKey(3).count()).toBe(50);
  expect(files("cache")).toHaveLength(8);
  await kept.unpersist();
  await until("cached partitions, attempts and results are gone", () =>
    ["cache", "attempts", "results"].every((kind) => files(kind).length === 0),
  );
  expect(files("shuffle").length).toBeGreaterThan(0);
  await s.stop();
  await until("nothing is left", () => cluster.files().length === 0);
}, 40_000);

test("a shuffle goes while its session lives, once no RDD can need it", async () => {
  const s = await cluster.open();
  const used = pairs(s).reduceByKey((a) => a, 2);
  expect(await used.count()).toBe(50);
  const mine = files("shuffle").length;
  expect(mine).toBeGreaterThan(0);
  await (async () => {
    expect(await pairs(s).groupByKey(5).count()).toBe(50);
  })();
  expect(files("shuffle").length).toBeGreaterThan(mine);
  const deadline = Date.now() + 30_000;
  while (files("shuffle").length > mine && Date.now() < deadline) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(files("shuffle")).toHaveLength(mine);
  expect(await used.count()).toBe(50);
  await s.stop();
  await until("nothing is left", () => cluster.files().length === 0);
}, 40_000);

test("a worker, a driver and a master that are killed leave nothing of sessions that ended", async () => {
  const s = await cluster.open();
  const grouped = pairs(s).groupByKey(4);
  expect(await grouped.count()).toBe(50);
  await kill("one");
  expect(files("shuffle").some((path) => path.includes("millrace-one"))).toBe(true);
  workers.set("one", await cluster.startWorker("one"));
  expect(await grouped.count()).toBe(50);

  const program = join(cluster.directory, "holder.mts");
  writeFileSync(
    program,
    `import { Session } from "millrace";
const session = await Session.open();
const kept = session.range(0, 4_000, 1, 4).map((n) => [n % 50, "x".repeat(500)]).persist("DISK_ONLY");
console.log("counted", await kept.groupByKey(3).count(), session.id);
await new Promise(() => setInterval(() => {}, 1000));
`,
  );
  const driver = cluster.submit(program);
  const [, held = ""] = await driver.saw(/counted 50 (\S+)/);
  expect(cluster.files().some((path) => path.includes(held))).toBe(true);
  driver.child.kill("SIGKILL");
  await until("the killed driver's files are gone", () => cluster.files().every((path) => path.includes(s.id)));
  expect(await grouped.count()).toBe(50);

  // A worker that is away while the session ends finds that out when it comes back.
  await kill("two");
  master.child.kill("SIGKILL");
  await master.ended;
  await s.stop();
  master = await cluster.startMaster();
  workers.set("two", await cluster.startWorker("two"));
  await cluster.statusUntil("both are back", ({ workers: all }) => all.length === 2);
  await until("nothing of the old session is left", () => cluster.files().length === 0);
  const next = await cluster.open();
  expect(await pairs(next).groupByKey(4).count()).toBe(50);
  await next.stop();
  await until("nothing is left", () => cluster.files().length === 0);
}, 40_000);

test("directories of dead workers with a name are swept by others after ten minutes, not before", async () => {
  const s = await cluster.open();
  expect(await pairs(s).groupByKey(4).count()).toBe(50);
  await kill("one");
  await kill("two");
  const dead = ["millrace-one", "millrace-two"];
  const before = files("shuffle");
  expect(before.length).toBeGreaterThan(0);
  workers.set("three", await cluster.startWorker("three"));
  expect(workerDirectories(cluster.localDir)).toEqual(expect.arrayContaining(dead));
  const longAgo = new Date(Date.now() - 11 * 60_000);
  utimesSync(join(cluster.localDir, "millrace-one", "owner.json"), longAgo, longAgo);
  workers.set("four", await cluster.startWorker("four"));
  expect(workerDirectories(cluster.localDir).sort()).toEqual(["millrace-four", "millrace-three", "millrace-two"]);
  await s.stop();
}, 40_000);

test.skipIf(process.platform === "win32")(
  "a local cluster that is killed as a whole is swept by the next session on its local directory",
  async () => {
    const localDir = join(cluster.directory, "swept");
    mkdirSync(localDir);
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = `
      import { Session } from ${JSON.stringify(index)};
      const session = await Session.open({ master: "local-cluster[2,1,512m]", "eventLog.enabled": false, localDir: ${JSON.stringify(localDir)} });
      console.log("counted", await session.range(0, 4_000, 1, 4).map((n) => [n % 50, "x".repeat(500)]).groupByKey(3).count());
      setInterval(() => {}, 1000);`;
    const driver = spawn(process.execPath, ["--input-type=module", "-"], { stdio: ["pipe", "pipe", "inherit"] });
    const closed = new Promise((resolve) => driver.on("close", resolve));
    driver.stdin.end(program);
    await new Promise<void>((resolve, reject) => {
      driver.stdout.on("data", (text: Buffer) => String(text).includes("counted 50") && resolve());
      void closed.then(() => reject(new Error("the driver ended before it had counted")));
    });
    const directories = workerDirectories(localDir);
    expect(directories).toHaveLength(2);
    // First the driver stops, so that nobody starts a worker again.
    driver.kill("SIGSTOP");
    const pids = directories.map(
      (name) => (JSON.parse(readFileSync(join(localDir, name, "owner.json"), "utf8")) as { pid: number }).pid,
    );
    for (const pid of pids) process.kill(pid, "SIGKILL");
    driver.kill("SIGKILL");
    await closed;
    await until("all are dead", () => !pids.some(isAlive));
    expect(workerDirectories(localDir).sort()).toEqual(directories.sort());
    const { Session } = await loadEngine();
    const session = await Session.open({ master: "local-cluster[1,1,512m]", "eventLog.enabled": false, localDir });
    expect(directories.filter((name) => existsSync(join(localDir, name)))).toEqual([]);
    await session.stop();
    expect(readdirSync(localDir)).toEqual([]);
  },
  40_000,
);
