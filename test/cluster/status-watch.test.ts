import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliEntry, watched } from "../support/cli.js";
import { HandCluster, type HandProcess } from "../support/hand-cluster.js";
import { hasTerminal, spawnOnTerminal } from "../support/terminal.js";

const TIMEOUT_MS = 120_000;
const cluster = new HandCluster();
let master: HandProcess;

beforeAll(async () => {
  master = await cluster.startMaster();
  await cluster.startWorker("w1", ["--slots", "2"]);
}, TIMEOUT_MS);
afterAll(() => cluster.close(), TIMEOUT_MS);

const watch = (...flags: string[]) =>
  cluster.spawn("status", ["--watch", "--interval", "100ms", "--master", cluster.url, ...flags]);

/** Two stages of eight tasks; four of the first end at once, the others when `shown` has resolved. */
async function work(shown: () => Promise<unknown>): Promise<void> {
  const session = await cluster.open({ appName: "watched" });
  const gate = join(cluster.directory, `gate-${session.id}`);
  const slow = (n: number) => {
    const fs = process.getBuiltinModule("node:fs");
    for (const end = Date.now() + 60_000; n >= 4 && Date.now() < end && !fs.existsSync(gate); );
    return [n % 3, n] as const;
  };
  const pairs = session.range(0, 8, 1, 8).map(slow).setName("pairs").cache();
  const counted = pairs.reduceByKey((a, b) => a + b, 8).count();
  await shown();
  writeFileSync(gate, "");
  expect(await counted).toBe(3);
  await session.stop();
}

test(
  "a pipe gets a line a change: the workers, the job with its stages and tasks, the cache; Ctrl-C ends it with code 0",
  async () => {
    const watching = watch();
    await watching.saw(/Z 1 worker, 0 of 2 slots busy; no session is open$/m);
    await work(() =>
      watching.saw(/2 of 2 slots busy; s1-\S+ \(watched\) job 1: 0\/2 stages, 4\/16 tasks, 4 cached partitions$/m),
    );
    await watching.saw(/no session is open\n[\s\S]*no session is open\n/);
    watching.child.kill("SIGINT");
    const { code, stdout, stderr } = await watching.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z 1 worker, [012] of 2 slots busy; /);
    const said = lines.map((line) => line.replace(/^\S+ /, ""));
    expect(said.some((line, i) => line === said[i - 1])).toBe(false);
  },
  TIMEOUT_MS,
);

test(
  "--json gives a document a line",
  async () => {
    const watching = watch("--json");
    await watching.saw(/^\{.*\}\n\{.*\}\n/);
    watching.child.kill("SIGINT");
    const { code, stdout } = await watching.ended;
    expect(code).toBe(0);
    for (const line of stdout.trimEnd().split("\n")) {
      const { url, workers } = JSON.parse(line);
      expect({ url, workers: workers.map(({ id }: { id: string }) => id) }).toEqual({
        url: cluster.url,
        workers: ["w1"],
      });
    }
  },
  TIMEOUT_MS,
);

test.skipIf(!hasTerminal)(
  "a terminal gets it in place: bars of the stages that run, each picture over the one before (needs python3)",
  async () => {
    const args = [cliEntry, "status", "--watch", "--interval", "50ms", "--master", cluster.url];
    const command = [process.execPath, ...args, "--secret-file", cluster.secretFile];
    const child = spawnOnTerminal(command, { columns: 160, timeout: TIMEOUT_MS });
    const { saw: seen, ended } = watched(child, "millrace status on a terminal");
    await seen(/no session is open/);
    await work(async () => {
      await seen(/w1 {2}core {2}active {2}2\/2 slots/);
      await seen(/job 1 {2}count at \S+ {2}0\/2 stages, 4\/16 tasks/);
      await seen(/\[stage \d+\] reduceByKey at .* \[=+> +\] 4\/8 \(2 running\)/);
      await seen(/cached pairs \(map at [^)]+\) {2}MEMORY_ONLY {2}4 of 8 partitions, \d+ B in memory/);
    });
    await seen(/watched[\s\S]*no session is open/);
    child.stdin.end("\u0003");
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    // Lines above are erased before the next picture is drawn.
    expect(stdout.split("\u001b[1A").length).toBeGreaterThan(10);
  },
  TIMEOUT_MS,
);

test(
  "when the master goes, it says so and ends with code 1",
  async () => {
    const watching = watch();
    await watching.saw(/no session is open/);
    master.child.kill("SIGKILL");
    const { code, stderr } = await watching.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^millrace: MASTER_(?:LOST|UNREACHABLE): /);
    expect(stderr).toContain("what to do:");
  },
  TIMEOUT_MS,
);
