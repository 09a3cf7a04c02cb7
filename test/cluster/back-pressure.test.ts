// Real processes under pressure: a driver that takes its results slowly, few file handles, jobs that end in every way.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const MIB = 1024 * 1024;
let session: Session | null = null;

afterEach(async () => {
  await session?.stop();
  session = null;
});

/** Files below the directories of all workers, but for their owner files. */
function files(kind = ""): string[] {
  return readdirSync(engine.directory, { recursive: true, encoding: "utf8" }).filter((name) => {
    if (!name.includes(`/${kind}`) || name.endsWith("owner.json")) return false;
    try {
      return statSync(join(engine.directory, name)).isFile();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about: ${files().join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a driver that takes results slowly lets no more of them wait than driver.maxResultsAhead", async () => {
  session = await engine.open("local-cluster[2,1,512m]", { "driver.maxResultsAhead": 16 * MIB });
  const partitions = 100;
  const rows = session.range(0, partitions, 1, partitions).flatMap(function* (n) {
    for (let row = 0; row < 4; row++) yield new Uint8Array(MIB).fill(n);
  });
  let taken = 0;
  let most = 0;
  for await (const row of rows.toLocalIterator()) {
    expect(row[0]).toBe(Math.floor(taken / 4));
    if (taken++ % 20 === 0) most = Math.max(most, files("results/").length);
  }
  expect(taken).toBe(4 * partitions);
  expect(most).toBeGreaterThan(0);
  // Four fit; eight are admitted before a size is known, and a slot each may be at one.
  expect(most).toBeLessThanOrEqual(12);
  await until("the removal of all results", () => files().length === 0);
}, 120_000);

test("jobs that fail, are cancelled and lose slots leave no file behind, and released shuffles neither", async () => {
  session = await engine.open("local-cluster[2,1,512m]", { "task.maxFailures": 1 });
  const s = session;
  const rows = () => s.range(0, 4_000, 1, 8).map((n) => [n % 50, "x".repeat(1_000)] as const);
  const failing = rows()
    .groupByKey(4)
    .map(([k]) => {
      if (k === 7) throw new Error("the fault of this test");
      return k;
    });
  await expect(failing.collect()).rejects.toMatchObject({ code: "JOB_FAILED" });
  const exiting = rows().map((pair) => {
    if (pair[0] === 9) process.exit(3);
    return pair;
  });
  await expect(exiting.groupByKey(4).count()).rejects.toMatchObject({ code: "JOB_FAILED" });
  const stop = new AbortController();
  const cancelled = rows()
    .map(([k, text]) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      return [k, text] as const;
    })
    .groupByKey(4)
    .count({ signal: stop.signal });
  setTimeout(() => stop.abort(), 100);
  await expect(cancelled).rejects.toThrow();
  const cached = rows().persist("DISK_ONLY");
  expect(await cached.count()).toBe(4_000);
  expect(files("cache/").length).toBe(8);
  await cached.unpersist();
  await until("the removal of the cached partitions", () => files("cache/").length === 0);
  await until(
    "the end of all attempts' files",
    () => files("attempts/").length === 0 && files("results/").length === 0,
  );
  await s.stop();
  session = null;
  await until(
    "the removal of the workers' directories",
    () => !readdirSync(engine.directory).some((name) => existsSync(join(engine.directory, name, "owner.json"))),
  );
}, 120_000);

test.skipIf(process.platform !== "linux").each([
  { way: "read from disk", localReads: true },
  { way: "fetched from block servers", localReads: false },
])(
  "a shuffle of 300 x 300 blocks works where a process may open 160 files, $way",
  async ({ localReads }) => {
    const program = `
    import { Session } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const session = await Session.open({ master: "local-cluster[2,1,512m]", "eventLog.enabled": false, localDir: ${JSON.stringify(engine.directory)}, "shuffle.localReads": ${localReads} });
    const counts = await session.range(0, 90000, 1, 300).map((n) => [n % 300, 1]).groupByKey(300).mapValues((all) => [...all].length).collect();
    const pids = await session.range(0, 2, 1, 2).map(() => process.pid).collect();
    await session.stop();
    console.log(JSON.stringify({ keys: counts.length, wrong: counts.filter(([, n]) => n !== 300).length, pids: pids.length }));`;
    const child = spawn("bash", ["-c", 'ulimit -n 160; exec "$0" --input-type=module -', process.execPath], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.end(program);
    let out = "";
    let problems = "";
    child.stdout.on("data", (bytes) => (out += bytes));
    child.stderr.on("data", (bytes) => (problems += bytes));
    let most = 0;
    const timer = setInterval(() => {
      for (const pid of [child.pid!, ...childrenOf(child.pid!)]) most = Math.max(most, openFiles(pid));
    }, 20);
    await new Promise((resolve) => child.on("close", resolve));
    clearInterval(timer);
    expect(problems).toBe("");
    expect(JSON.parse(out)).toEqual({ keys: 300, wrong: 0, pids: 2 });
    expect(most).toBeGreaterThan(20);
    expect(most).toBeLessThanOrEqual(160);
  },
  120_000,
);

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
