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

test("status shows which workers are excluded, for whom, until when and why", () => {
  const place = { role: "core", node: "n", slots: 1, running: 0, memoryBytes: 1, pid: 1, blocks: "" };
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
