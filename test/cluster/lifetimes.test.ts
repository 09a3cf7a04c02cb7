// How programs end: with their own exit code, by themselves, on every kind of master, and whatever ends them no directory and
// no process of theirs stays.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isAlive, type Running, startCli, startNode, until, workerDirectories } from "../support/cli.js";
import { loadEngine } from "../support/engine.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const scratch = scratchDirectory();
const program = join(scratch, "program.mts");
writeTree(scratch, {
  "program.mts": `import { Session } from "millrace";
const session = await Session.open();
console.log(await session.parallelize([1, 2, 3], 3).map((n) => n + 1).collect());
const spin = () => session.parallelize([1, 2], 2).map((n) => {
  console.log("spinning");
  for (;;);
}).collect();
const how = process.argv[2];
if (how === "throw") throw new TypeError("of the user's own");
if (how === "exit") process.exit(3);
if (how === "exitCode") process.exitCode = 4;
if (how === "uncaught") setTimeout(() => { throw new Error("later"); }, 20);
if (how === "exitWithJob") {
  // As soon as a task has printed.
  const { write } = process.stderr;
  process.stderr.write = ((...line) => {
    setImmediate(() => process.exit(5));
    return write.apply(process.stderr, line);
  });
}
if (how === "spin" || how === "exitWithJob") await spin();
if (how === "block") {
  spin().catch(() => undefined);
  console.log("blocking");
  await new Promise((resolve) => setTimeout(resolve, 200));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
`,
});

let homes = 0;
function home(): { localDir: string; env: NodeJS.ProcessEnv } {
  const localDir = join(scratch, `home-${homes++}`, "local");
  mkdirSync(localDir, { recursive: true });
  return { localDir, env: { MILLRACE_LOCAL_DIR: localDir, MILLRACE_EVENT_LOG_DIR: join(localDir, "../events") } };
}

/** The processes that hold directories in `localDir`. */
function owners(localDir: string): number[] {
  return workerDirectories(localDir).map((name) => {
    return (JSON.parse(readFileSync(join(localDir, name, "owner.json"), "utf8")) as { pid: number }).pid;
  });
}

const run = (master: string, env: NodeJS.ProcessEnv, ...args: string[]): Running =>
  startCli(["run", "--master", master, program, ...args], env);

describe.each(["local", "local[2]", "local-cluster[2,1,512m]"])(
  "a program on %s that ends without stop()",
  (master) => {
    const cases: readonly (readonly [string, number, string])[] = [
      ["nothing more to do", 0, ""],
      ["throw", 1, "TypeError: of the user's own"],
      ["exit", 3, ""],
      ["exitCode", 4, ""],
      ["uncaught", 1, "Error: later"],
      ...(master === "local" ? [] : ([["exitWithJob", 5, "] spinning"]] as const)),
    ];
    test("ends by itself with its own code and leaves nothing", async () => {
      const runs = cases.map(async ([how, code, text]) => {
        const { localDir, env } = home();
        const ended = await run(master, env, how).ended;
        expect([how, ended.code, ended.stderr]).toEqual([how, code, expect.stringContaining(text)]);
        expect(ended.stdout).toContain("[ 2, 3, 4 ]");
        if (text === "") expect(ended.stderr).toBe("");
        await until("no directory is left", () => workerDirectories(localDir).length === 0);
      });
      await Promise.all(runs);
    });
  },
);

describe.each(["local[2]", "local-cluster[2,1,512m]"])("a program on %s, busy with a job,", (master) => {
  test.each(["SIGINT", "SIGTERM"] as const)("ends by %s, and so does everything of it", async (signal) => {
    const { localDir, env } = home();
    const running = run(master, env, "spin");
    await running.saw(/\[\d+\.[01]\] spinning/);
    const pids = owners(localDir);
    expect(pids.length).toBeGreaterThan(0);
    running.child.kill(signal);
    expect((await running.ended).signal).toBe(signal);
    await until("every process has ended", () => !pids.some(isAlive));
    await until("no directory is left", () => workerDirectories(localDir).length === 0);
  });

  test("ends by SIGKILL: worker processes leave by themselves, the next start sweeps what is left", async () => {
    const { localDir, env } = home();
    const running = run(master, env, "block");
    await running.saw(/\[\d+\.[01]\] spinning/);
    const pids = owners(localDir);
    running.child.kill("SIGKILL");
    await running.ended;
    await until("every process has ended", () => !pids.some(isAlive));
    expect((await run("local[1]", env, "nothing").ended).code).toBe(0);
    await until("no directory is left", () => workerDirectories(localDir).length === 0);
  });
});

test("a plain Node program that fails is told by the user's own error, in few lines", async () => {
  const path = join(scratch, "plain.mjs");
  const index = new URL("../../dist/index.js", import.meta.url).href;
  writeFileSync(
    path,
    `import { Session } from ${JSON.stringify(index)};
const session = await Session.open({ master: "local[1]" });
await session.parallelize([1]).map(function half() { throw new RangeError("no half"); }).collect();`,
  );
  const { localDir, env } = home();
  const ended = await startNode([path], env).ended;
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/MillraceError: map at plain\.mjs:3:\d+ threw in partition 0: RangeError: no half/);
  expect(ended.stderr).toMatch(/\[cause\]: RangeError: no half\n\s+at .*half.*plain\.mjs:3:/);
  expect(ended.stderr.trim().split("\n").length).toBeLessThan(20);
  expect(workerDirectories(localDir)).toEqual([]);
});

test("twenty sessions, two at a time, leave no thread, file or listener behind", async () => {
  const { localDir } = home();
  const { Session } = await loadEngine();
  const open = (master: string) => Session.open({ master, localDir, "eventLog.dir": join(localDir, "../events") });
  const use = async (master: string) => {
    const session = await open(master);
    expect(
      await session
        .parallelize([1, 2], 2)
        .map((n) => n * 2)
        .collect(),
    ).toEqual([2, 4]);
    await session.stop();
  };
  const counts = () => ({
    threads: readdirSync("/proc/self/task").length,
    files: readdirSync("/proc/self/fd").length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  });
  await Promise.all([use("local[2]"), use("local")]);
  const before = counts();
  for (let i = 0; i < 9; i++)
    await Promise.all([use("local[2]"), use(i % 3 === 0 ? "local-cluster[1,1,512m]" : "local")]);
  await until("all threads are gone", () => counts().threads <= before.threads);
  await until("all files are closed", () => counts().files <= before.files);
  expect(counts().listeners).toBe(before.listeners);
  expect(workerDirectories(localDir)).toEqual([]);
});

test("two sessions of one process do not meet", async () => {
  const { localDir } = home();
  const { Session } = await loadEngine();
  const open = () => Session.open({ master: "local[1]", localDir, "eventLog.enabled": false });
  const [a, b] = await Promise.all([open(), open()]);
  const spinning = a
    .parallelize([1])
    .map(() => {
      for (;;);
    })
    .collect()
    .catch((error: { code: string }) => error.code);
  expect(
    await b
      .parallelize([1, 2])
      .map((n) => n + 1)
      .collect(),
  ).toEqual([2, 3]);
  await a.stop();
  expect(await spinning).toBe("SESSION_STOPPED");
  expect(await b.parallelize([5]).collect()).toEqual([5]);
  await b.stop();
  expect(() => b.parallelize([1])).toThrow(expect.objectContaining({ code: "SESSION_STOPPED" }));
});
