// What the command line prints of failures and of a cluster's state.

import { expect, test } from "vitest";
import { formatSnapshot } from "../../src/cli/commands/status.js";
import { formatError } from "../../src/cli/report-error.js";
import { MillraceError } from "../../src/core/errors.js";

const attempt = (n: number, code: string) => ({
  task: `s/1/2/3/${n}`,
  stage: 2,
  partition: 3,
  attempt: n,
  worker: `w${n}`,
  node: "attic",
  code,
  message: "first line\nsecond line",
  startedMs: 1_000 * n,
  ranMs: 2_500,
});

test("a failed job is told attempt by attempt: where, when, for how long, why", () => {
  const attempts = [attempt(0, "WORKER_LOST"), attempt(1, "OUT_OF_MEMORY")];
  const text = formatError(new MillraceError("JOB_FAILED", "job 1 failed", { fields: { attempts } }));
  expect(text.split("\n").slice(0, 4)).toEqual([
    "millrace: JOB_FAILED: job 1 failed",
    "  failed attempts:",
    "    stage 2, partition 3, attempt 0 on w0 (attic), began after 0.0 s, ran 2.5 s: WORKER_LOST: first line",
    "    stage 2, partition 3, attempt 1 on w1 (attic), began after 1.0 s, ran 2.5 s: OUT_OF_MEMORY: first line",
  ]);
});

const noMemory = { rssBytes: null, cacheBytes: null, pressure: null };

test("status shows which workers are excluded, for whom, until when and why", () => {
  const place = { role: "core", node: "n", slots: 1, running: 0, memoryBytes: 1, pid: 1, blocks: "", ...noMemory };
  const worker = { ...place, state: "active", decommission: null };
  const excluded = [
    { scope: "session", session: "s1", reason: "2 tasks failed there", forMs: 90_500 },
    { scope: "stage", session: "s2", reason: "2 tasks of x failed there", forMs: null },
  ] as const;
  const text = formatSnapshot(
    {
      url: "millrace://h:1",
      version: "0",
      startedMs: 0,
      sessions: [],
      workers: [
        { ...worker, id: "w1", excluded },
        { ...worker, id: "w2", excluded: [] },
      ],
    },
    1_000,
  );
  expect(text).toMatch(/w1 +│ session of s1 +│ 91 s from now +│ 2 tasks failed there/);
  expect(text).toMatch(/w1 +│ stage of s2 +│ the stage's end +│ 2 tasks of x failed there/);
});

test("status shows each worker's memory, and what is persisted where", () => {
  const place = { role: "core", node: "n", slots: 1, running: 0, pid: 1, blocks: "", decommission: null, excluded: [] };
  const mb = 1048576;
  const stored = {
    node: 7,
    level: "MEMORY_AND_DISK",
    cached: 2,
    partitions: 3,
    memoryBytes: 5 * mb,
    diskBytes: mb,
  } as const;
  const text = formatSnapshot(
    {
      url: "millrace://h:1",
      version: "0",
      startedMs: 0,
      sessions: [
        {
          id: "s1",
          appName: "a",
          openedMs: 0,
          jobs: [
            {
              ...{ job: 3, pool: "fast", group: "nightly", description: "sums", tags: ["a", "b"] },
              ...{
                name: "count at a.ts:1:1",
                startedMs: 0,
                stages: 1,
                stagesDone: 0,
                tasks: 4,
                tasksDone: 0,
                running: 3,
              },
              ...{ failedAttempts: 0, shuffleBytes: 0, spillBytes: 0 },
            },
          ],
          pools: [{ name: "fast", mode: "FIFO", weight: 2, minShare: 1, running: 3, pending: 7 }],
          stages: [],
          shuffleBytes: 0,
          storage: [
            {
              ...stored,
              name: "pages",
              operation: "map at a.ts:1:2",
              workers: [{ worker: "w1", partitions: 2, memoryBytes: 5 * mb, diskBytes: mb }],
            },
          ],
        },
      ],
      workers: [
        {
          ...place,
          id: "w1",
          state: "active",
          memoryBytes: 512 * mb,
          rssBytes: 100 * mb,
          cacheBytes: mb,
          pressure: "warm",
        },
      ],
    },
    1_000,
  );
  expect(text).toMatch(/s1 +│ 3 +│ fast +│ nightly +│ sums +│ a, b/);
  expect(text).toMatch(/s1 +│ fast +│ FIFO +│ 2 +│ 1 +│ 3 +│ 7/);
  expect(text).toMatch(/512 MiB +│ 100 MiB +│ 1 MiB +│ warm/);
  expect(text).toMatch(
    /s1 +│ 7 +│ pages \(map at a.ts:1:2\) +│ MEMORY_AND_DISK +│ 2 of 3 +│ 5 MiB +│ 1 MiB +│ w1: 2, 5 MiB memory, 1 MiB disk/,
  );
});
