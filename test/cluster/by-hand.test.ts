// A cluster as a user starts it by hand: a master and three workers, each a process of its own, in a directory without
// node_modules. What it answers is compared, byte by byte, with the masters inside of a process.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, installPackages, root, runNode } from "../environments/project.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;
const folder = scratchDirectory();
const empty = join(folder, "empty");
const secret = join(folder, "secret");
const env = { HOME: folder, MILLRACE_EVENT_LOG_ENABLED: "false" };
const children: ChildProcess[] = [];
const workers: ChildProcess[] = [];
let url = "";

/** A process that keeps running; resolves with the first line on that stream that fits. */
async function start(
  args: readonly string[],
  stream: "stdout" | "stderr",
  fits: RegExp,
): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: empty,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const said: string[] = [];
  const line = await new Promise<string>((resolve, reject) => {
    for (const name of ["stdout", "stderr"] as const) {
      createInterface({ input: child[name] }).on("line", (text) => {
        said.push(text);
        if (name === stream && fits.test(text)) resolve(text);
      });
    }
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}:\n${said.join("\n")}`)));
  });
  return [child, line];
}

beforeAll(async () => {
  mkdirSync(empty);
  [, url] = await start(["master", "--port", "0", "--secret-file", secret], "stdout", /^millrace:/);
  const flags = ["--master", url, "--secret-file", secret, "--slots", "1", "--memory", "512m", "--local-dir", folder];
  const started = [1, 2, 3].map((n) => start(["worker", ...flags, "--id", `hand-${n}`], "stderr", /connected to/));
  for (const [child] of await Promise.all(started)) workers.push(child);
}, TIMEOUT_MS);

afterAll(async () => {
  // Workers first: one whose master is gone would look for it.
  for (const child of children.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }
}, TIMEOUT_MS);

const submit = (...args: readonly string[]) =>
  runNode([cli, "submit", "--master", url, "--secret-file", secret, ...args], { cwd: root, env });
const run = (master: string, ...args: readonly string[]) =>
  runNode([cli, "run", "--master", master, ...args], { cwd: root, env });

const status = async () => {
  const { stdout, code } = await runNode([cli, "status", "--master", url, "--secret-file", secret, "--json"], {
    cwd: root,
    env,
  });
  expect(code).toBe(0);
  return JSON.parse(stdout);
};

function parts(output: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(output)
      .sort()
      .map((name) => [name, readFileSync(join(output, name), "latin1")]),
  );
}

test(
  "status shows the workers, as a table and as JSON",
  async () => {
    const snapshot = await status();
    expect(snapshot.url).toBe(url);
    expect(snapshot.workers.map((worker: { id: string }) => worker.id).sort()).toEqual(["hand-1", "hand-2", "hand-3"]);
    expect(snapshot.workers.map((worker: { pid: number }) => worker.pid).sort()).toEqual(
      workers.map((child) => child.pid).sort(),
    );
    const { stdout, stderr } = await runNode([cli, "status", "--master", url, "--secret-file", secret], {
      cwd: root,
      env,
    });
    expect(stderr).toBe("");
    expect(stdout).toContain(`${url}  millrace`);
    expect(stdout).toMatch(/hand-2 +│ core +│ active +│ \S+ +│ 1 +│ 0 +│ 512 MiB/);
    expect(stdout).toContain("Sessions: none");
  },
  TIMEOUT_MS,
);

test(
  "word count over a directory writes the same bytes as in one process and on a local cluster",
  async () => {
    const lines = readFileSync(join(root, "data/king-james-bible.txt"), "utf8").split("\n");
    const third = Math.ceil(lines.length / 3);
    for (const n of [0, 1, 2])
      writeTree(join(folder, "books"), { [`book-${n}.txt`]: lines.slice(n * third, (n + 1) * third).join("\n") });
    const program = join(root, "examples/wordcount.ts");
    const outputs: Record<string, string>[] = [];
    for (const master of ["local[1]", "local[4]", "local-cluster[2,1,1g]", url]) {
      const output = join(folder, `counts-${outputs.length}`);
      const args = [program, join(folder, "books"), output];
      const ended = master === url ? await submit(...args) : await run(master, ...args);
      expect(ended).toEqual({ code: 0, stdout: "", stderr: "" });
      outputs.push(parts(output));
    }
    expect(Object.keys(outputs[0] as object)).toContain("_SUCCESS");
    expect(Object.values(outputs[0] as object).join("")).toMatch(/^the\t\d+$/m);
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  },
  TIMEOUT_MS,
);

describe("a program and its workers", () => {
  test(
    "packages that the workers do not have travel as bundles, also those of a dynamic import",
    async () => {
      installPackages(join(folder, "packages"));
      writeFileSync(
        join(folder, "packages/main.ts"),
        `import { renameSync } from "node:fs";
import { Session } from "millrace";
import * as all from "cjs-words";
import { shout } from "cjs-words";
import reverse, { countVowels } from "esm-words";
const session = await Session.open();
const words = session.parallelize(["one", "three"], 2);
const jobs = [
  words.map((w) => shout(w)),
  words.map((w) => String(new all.Shout(w))),
  words.map((w) => countVowels(w)),
  words.map((w) => reverse(w)),
  words.map(async (w) => (await import("cjs-words")).shout(w)),
  words.map(async (w) => (await import("esm-words")).countVowels(w)),
];
// The workers are on this machine and would find them.
renameSync(new URL("node_modules", import.meta.url), new URL("hidden", import.meta.url));
for (const job of jobs) console.log(JSON.stringify(await job.collect()));
await session.stop();
`,
      );
      const ended = await submit(join(folder, "packages/main.ts"));
      renameSync(join(folder, "packages/hidden"), join(folder, "packages/node_modules"));
      expect(ended.stderr).toBe("");
      expect(ended.stdout.trimEnd().split("\n")).toEqual([
        '["ONE!","THREE!"]',
        '["ONE!","THREE!"]',
        "[2,2]",
        '["eno","eerht"]',
        '["ONE!","THREE!"]',
        "[2,2]",
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    "arguments and exit code are the program's own",
    async () => {
      writeFileSync(
        join(folder, "exit.ts"),
        `import { Session } from "millrace";
const session = await Session.open();
console.log(JSON.stringify(process.argv.slice(2)), await session.range(0, 10).count());
await session.stop();
process.exitCode = 7;
`,
      );
      const args = ["--master", "x", "-v", "two words"];
      expect(await submit(join(folder, "exit.ts"), ...args)).toEqual({
        code: 7,
        stdout: `${JSON.stringify(args)} 10\n`,
        stderr: "",
      });
    },
    TIMEOUT_MS,
  );

  // Last: the cluster is one worker short from here.
  test(
    "PageRank with a worker killed meanwhile gives the same ranks, or says what was lost; the cluster goes on",
    async () => {
      const program = join(root, "examples/pagerank.ts");
      const calm = await run("local[2]", program);
      expect(calm.code).toBe(0);
      const running = submit(program, "--iterations", "10", join(root, "data/routes.csv"));
      await untilItHolds(join(folder, "millrace-hand-1/shuffle"));
      const [victim] = workers.splice(0, 1) as [ChildProcess];
      const gone = once(victim, "exit");
      victim.kill("SIGKILL");
      await gone;
      const { code, stdout, stderr } = await running;
      if (code === 0) expect(stdout).toBe(calm.stdout);
      else expect(stderr).toMatch(/^millrace: (?:JOB_FAILED|WORKER_LOST|FETCH_FAILED)[\s\S]*hand-1/);
      const again = await submit(program);
      expect(again.stderr).toBe("");
      expect(again.stdout).toBe(calm.stdout);
      expect((await status()).workers.map((worker: { id: string }) => worker.id)).not.toContain("hand-1");
    },
    TIMEOUT_MS,
  );
});

/** Until a worker has finished a map task, and so holds what others will need. Any but the last one is fine. */
async function untilItHolds(outputs: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(2)) {
    try {
      if (readdirSync(outputs, { recursive: true, encoding: "utf8" }).some((name) => name.endsWith(".data"))) return;
    } catch (error) {
      // Not made yet, or a session's directory that went meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error(`no map output came to ${outputs}`);
}
