// `millrace run --summary` and `millrace status --history` as users run them: sessions that ended well, that failed, and one
// whose process was killed.

import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunTotals } from "../../src/cli/run-summary.js";
import type { HistoryList, ReadHistory } from "../../src/events/history-list.js";
import { runCli, startCli } from "../support/cli.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const TIMEOUT_MS = 60_000;
const folder = scratchDirectory();
const logs = join(folder, "events");
const env = { HOME: folder, MILLRACE_LOCAL_DIR: folder, MILLRACE_EVENT_LOG_DIR: logs };
const program = (name: string) => join(folder, name);

beforeAll(() => {
  writeTree(folder, {
    "counts.ts": `import { Session } from "millrace";
const session = await Session.open({ appName: "counts" });
const odd = session.counter("odd ones");
session.setJobGroup("nightly", "the counts");
const pairs = session.range(0, 1000, 1, 4).map((n) => { if (n % 2 === 1) odd.add(); return [n % 10, n] as [number, number]; });
console.log((await pairs.groupByKey(2).collect()).length);
await session.range(0, 50, 1, 2).saveAsTextFile(process.argv[2]!);
await session.stop();
`,
    "fails.ts": `import { Session } from "millrace";
const session = await Session.open({ appName: "fails", "task.maxFailures": 2 });
const bad = (n: number) => { if (n === 7) throw new RangeError("seven"); return n; };
await session.range(0, 10, 1, 2).map(bad).count().catch(() => undefined);
// Without stop(): the session ends with its process.
`,
    "hangs.ts": `import { Session } from "millrace";
const session = await Session.open({ appName: "hangs" });
await session.range(0, 100, 1, 2).count();
// Until its line is in the file: it is gathered for a second.
await new Promise((resolve) => setTimeout(resolve, 1500));
console.log("ready");
await session.range(0, 1, 1, 1).map((n) => { for (;;) n++; }).count();
`,
    "quiet.ts": `console.log("no session");\n`,
  });
});

describe("run --summary", () => {
  test(
    "tells on stderr what the jobs of a program came to",
    async () => {
      const out = join(folder, "out-1");
      const args = ["run", "--master", "local[2]", "--summary", program("counts.ts"), out];
      const { code, stdout, stderr } = await runCli(args, env);
      expect(code).toBe(0);
      expect(stdout).toBe("10\n");
      expect(stderr).toMatch(/^millrace: 2 jobs, 3 stages, 8 tasks in \d+(\.\d)? m?s\n/);
      expect(stderr).toMatch(/ {2}read 1050 records, 0 B; wrote 50 records, 140 B; shuffled 1000 records, \d/);
      expect(stderr).toMatch(/ {2}tasks ran \S+ m?s: cpu \S+ m?s, gc \S+ m?s, waited 0 ms for blocks\n/);
      expect(stderr).toMatch(
        / {2}spilled 0 B; most that a task had reserved \S+ \w+, that this process held \S+ MiB\n/,
      );
      expect(stderr).toMatch(/ {2}odd ones = 500\n$/);
    },
    TIMEOUT_MS,
  );

  test(
    "as JSON, also of a program whose jobs fail and of one without any",
    async () => {
      const failed = await runCli(["run", "--master", "local", "--summary", "--json", program("fails.ts")], env);
      const totals = JSON.parse(failed.stderr.split("\n").findLast((line) => line.startsWith("{")) ?? "") as RunTotals;
      expect(totals).toMatchObject({ jobs: 1, failedJobs: 1, failedAttempts: 2, accumulators: [] });
      expect(totals.metrics.inputRecords).toBe(5);
      expect(totals.peakRssBytes).toBeGreaterThan(2 ** 24);
      const { code, stdout, stderr } = await runCli(["run", "--summary", program("quiet.ts")], env);
      expect([code, stdout]).toEqual([0, "no session\n"]);
      expect(stderr).toContain("millrace: 0 jobs, 0 stages, 0 tasks");
      const alone = await runCli(["run", "--json", program("quiet.ts")], env);
      expect(alone.code).toBe(1);
      expect(alone.stderr).toContain("INVALID_OPTION: --json: expected together with --summary");
    },
    TIMEOUT_MS,
  );
});

describe("status --history", () => {
  const json = async <T>(...args: string[]) => {
    const { code, stdout, stderr } = await runCli(["status", "--history", ...args, "--json"], env);
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout) as T;
  };

  test(
    "lists sessions, newest first, also one whose process was killed",
    async () => {
      await runCli(["run", "--master", "local[2]", program("counts.ts"), join(folder, "out-2")], env);
      await runCli(["run", "--master", "local[1]", program("fails.ts")], env);
      const hanging = startCli(["run", "--master", "local[2]", program("hangs.ts")], env);
      await hanging.saw(/ready/);
      hanging.child.kill("SIGKILL");
      await hanging.ended;
      const { sessions, unreadable } = await json<HistoryList>();
      expect(unreadable).toEqual([]);
      const named = sessions.slice(0, 3).map(({ appName }) => appName);
      expect(named).toEqual(["hangs", "fails", "counts"]);
      const [killed, failed, counts] = sessions;
      expect(killed).toMatchObject({ endedMs: null, jobs: 1, failedJobs: 0, tasks: 2 });
      expect(failed).toMatchObject({ jobs: 1, failedJobs: 1, failedAttempts: 2, endedMs: expect.any(Number) });
      expect(counts).toMatchObject({ jobs: 2, failedJobs: 0, tasks: 8, failedAttempts: 0, master: "local[2]" });
      expect(counts?.metrics).toMatchObject({ inputRecords: 1050, outputRecords: 50, outputBytes: 140 });
      expect(counts?.endedMs).toBeGreaterThan(counts?.startedMs ?? 0);

      const { stdout } = await runCli(["status", "--history", "--limit", "2"], env);
      expect(stdout).toMatch(/hangs .* no end/);
      expect(stdout).toMatch(/fails .* 1, 1 failed/);
      expect(stdout).not.toContain("counts");
    },
    TIMEOUT_MS,
  );

  test(
    "shows a session in detail: jobs, stages, the slowest tasks, failures with their story",
    async () => {
      const { sessions } = await json<HistoryList>();
      const idOf = (name: string) => sessions.find(({ appName }) => appName === name)?.session ?? "";
      const counts = await json<ReadHistory>(idOf("counts"));
      expect(counts.environment).toMatchObject({ node: process.version, program: program("counts.ts") });
      expect(counts.jobs.map(({ action, group, description }) => [action, group, description])).toEqual([
        ["collect", "nightly", "the counts"],
        ["saveAsTextFile", "nightly", "the counts"],
      ]);
      expect(counts.jobs[0]?.accumulators).toMatchObject([{ name: "odd ones", kind: "counter", value: 500 }]);
      expect(counts.stages.map(({ succeeded, tasks }) => [succeeded, tasks])).toEqual([
        [4, 4],
        [2, 2],
        [2, 2],
      ]);
      const [map] = counts.stages;
      expect(map?.accumulators).toMatchObject([{ name: "odd ones", value: 500 }]);
      expect(map?.runTime?.skew).toBeGreaterThanOrEqual(1);
      expect(map?.slowest).toHaveLength(4);
      expect(map?.slowest[0]?.metrics.executorRunTime).toBe(map?.runTime?.max);
      expect(map?.slowest[0]?.locality).toBe("NO_PREF");
      expect(counts.log).toMatchObject({ cut: false, damaged: 0, missingParts: [], parts: 1 });

      const failed = await runCli(["status", "--history", idOf("fails")], env);
      expect(failed.stdout).toMatch(/Failures \(2\)/);
      expect(failed.stdout).toMatch(
        /partition 1, attempt 1 on \S+ failed\n {4}TASK_FAILED: map at fails\.ts:4:\d+ threw .*\n {4}RangeError: seven\n/,
      );
      expect(failed.stdout).toMatch(/│ JOB_FAILED +│/);
      // The beginning of an id is enough where it is one session's alone.
      const part = await json<ReadHistory>(idOf("hangs").slice(0, -2));
      expect(part).toMatchObject({ appName: "hangs", endedMs: null });
      expect(part.jobs.map(({ endedMs }) => endedMs === null)).toEqual([false, true].slice(0, part.jobs.length));
    },
    TIMEOUT_MS,
  );

  test(
    "of a session that is not there, of a log that is none, and without being told what to show",
    async () => {
      const missing = await runCli(["status", "--history", "s9-nobody"], env);
      expect(missing.code).toBe(1);
      expect(missing.stderr).toMatch(/PATH_NOT_FOUND: .* has no session s9-nobody: e\.g\. s1-/);
      const elsewhere = join(folder, "elsewhere");
      writeTree(elsewhere, { "x.jsonl": "no log at all\n", "notes.txt": "of nobody" });
      const [log] = readdirSync(logs);
      renameSync(join(logs, log as string), join(elsewhere, log as string));
      const list = await json<HistoryList>("--event-log-dir", elsewhere);
      expect(list.sessions).toHaveLength(1);
      expect(list.unreadable).toMatchObject([
        { path: join(elsewhere, "x.jsonl"), problem: expect.stringContaining("start") },
      ]);
      const neither = await runCli(["status"], env);
      expect(neither.stderr).toMatch(/INVALID_OPTION: .*--master <url> .* or --history .* found neither/);
    },
    TIMEOUT_MS,
  );
});
