// What `millrace status --watch` shows: lines that fit a terminal, one line a change in a pipe, a document a line as JSON.

import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { formatLines, formatOneLine } from "../../src/cli/status-lines.js";
import { fitScreen, watchStatus } from "../../src/cli/status-watch.js";
import { MillraceError } from "../../src/core/errors.js";
import type { MasterSnapshot } from "../../src/master/snapshot.js";
import type { StorageSnapshot } from "../../src/master/storage-snapshot.js";

const mb = 2 ** 20;
const worker = {
  ...{ id: "w1", state: "active", role: "core", node: "n", slots: 2, running: 5, memoryBytes: 512 * mb },
  ...{
    rssBytes: 100 * mb,
    cacheBytes: 3 * mb,
    pressure: "warm" as const,
    pid: 1,
    blocks: "",
    decommission: null,
    excluded: [],
  },
};
const job = {
  ...{ job: 2, name: "collect at a.ts:1:2", startedMs: 1_000, stages: 3, stagesDone: 1, tasks: 40, tasksDone: 14 },
  ...{ running: 2, failedAttempts: 1, shuffleBytes: 5 * mb, spillBytes: mb, pool: "fast", group: "nightly" },
};
const stage = {
  ...{ job: 2, stage: 4, name: "reduceByKey at a.ts:1:1", tasks: 20, done: 4, running: 2, failed: 1, records: 12_000 },
  ...{ bytes: 2e6, startedMs: 2_000 },
} as unknown as MasterSnapshot["sessions"][number]["stages"][number];
const rdd: StorageSnapshot = {
  ...{
    node: 7,
    name: "pages",
    operation: "map at a.ts:1:0",
    level: "MEMORY_AND_DISK" as const,
    cached: 2,
    partitions: 3,
  },
  ...{ memoryBytes: 5 * mb, diskBytes: mb, workers: [] },
};
const busy: MasterSnapshot = {
  ...{ url: "millrace://h:1", version: "9", startedMs: 0, workers: [worker] },
  sessions: [
    {
      id: "s1",
      appName: "app",
      openedMs: 0,
      jobs: [job],
      stages: [stage],
      shuffleBytes: 7 * mb,
      pools: [],
      storage: [rdd],
    },
  ],
};
const idle: MasterSnapshot = { ...busy, workers: [], sessions: [] };

test("every worker, session, job, stage and cached RDD has a line", () => {
  expect(formatLines(busy, 61_000)).toEqual([
    "millrace://h:1  millrace 9, up 1 min 1 s, 1 worker, 2 of 2 slots busy",
    "  w1  core  active  2/2 slots +3 waiting  100 MiB of 512 MiB  cache 3 MiB  memory is warm",
    "s1  app, open for 1 min 1 s, 7 MiB of shuffle files",
    "  job 2  collect at a.ts:1:2  1/3 stages, 14/40 tasks, 1 failed attempts  1 MiB spilled  pool fast  group nightly  1 min 0 s",
    "    [stage 4] reduceByKey at a.ts:1:1  [====>                   ] 4/20 (2 running, 1 failed)  12.0 k records  1.9 MiB  59.0 s",
    "  cached pages (map at a.ts:1:0)  MEMORY_AND_DISK  2 of 3 partitions, 5 MiB in memory, 1 MiB on disk",
  ]);
  expect(formatLines(idle, 1_000).slice(1)).toEqual([
    "  no worker is there: start one by `millrace worker --master URL`",
    "no session is open",
  ]);
});

test("a line of a pipe says what changes, not how old it is", () => {
  expect(formatOneLine(busy)).toBe(
    "1 worker, 2 of 2 slots busy; s1 (app) job 2: 1/3 stages, 14/40 tasks, 1 failed attempts, 2 cached partitions",
  );
  expect(formatOneLine(idle)).toBe("0 workers, 0 of 0 slots busy; no session is open");
});

test("lines are cut to the terminal's width, and to its height with a count of the rest", () => {
  expect(fitScreen(["a".repeat(12), "b"], 10, 5)).toEqual(["aaaaaa...", "b"]);
  expect(fitScreen(["1", "2", "3", "4", "5"], 20, 4)).toEqual(["1", "2", "... 3 more lines"]);
});

/** Shows `snapshots` one after the other and is stopped after the last. */
async function watched(snapshots: readonly MasterSnapshot[], json: boolean): Promise<string[]> {
  const output = new PassThrough() as PassThrough & NodeJS.WriteStream;
  const stop = new AbortController();
  const left = [...snapshots];
  const ask = async () => {
    const next = left.shift() as MasterSnapshot;
    if (left.length === 0) stop.abort();
    return next;
  };
  await watchStatus({ ask, intervalMs: 0, json, output, signal: stop.signal });
  return String(output.read() ?? "")
    .trimEnd()
    .split("\n");
}

test("a pipe gets a line with the time whenever something changed", async () => {
  const lines = await watched([idle, idle, busy, busy, idle], false);
  expect(lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, ""))).toEqual(
    [idle, busy, idle].map(formatOneLine),
  );
});

test("--json gets a document a line, changed or not", async () => {
  const lines = await watched([idle, idle, busy], true);
  expect(lines.map((line) => JSON.parse(line))).toEqual([idle, idle, busy]);
});

test("a master that answers no more ends the watch with its error", async () => {
  const lost = new MillraceError("MASTER_LOST", "gone");
  const output = new PassThrough() as PassThrough & NodeJS.WriteStream;
  const ask = () => Promise.reject(lost);
  const watch = watchStatus({ ask, intervalMs: 0, json: false, output, signal: new AbortController().signal });
  await expect(watch).rejects.toBe(lost);
});
