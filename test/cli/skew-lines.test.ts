// Skew as a terminal shows it.

import { expect, test } from "vitest";
import { formatSnapshot } from "../../src/cli/commands/status.js";
import { ProgressBar } from "../../src/cli/progress-bar.js";
import { jobId, stageId } from "../../src/core/ids.js";
import { noMetrics } from "../../src/core/task-metrics.js";
import type { StageProgress } from "../../src/protocol/driver.js";

const skew = {
  stage: 3,
  name: "join at x.ts:3:9",
  partition: 5,
  bytes: 1.25 * 2 ** 30,
  medianBytes: 20 * 2 ** 20,
  key: '"a"',
  share: 0.517,
  tasks: 20,
};
const words =
  'key "a" has 52 % of the records of join at x.ts:3:9 (partition 5: 1.3 GiB, median 20 MiB, read by 20 tasks)';
const stage: StageProgress = {
  job: jobId(1),
  stage: stageId(3),
  name: "collect at x.ts:4:1",
  tasks: 27,
  done: 1,
  running: 2,
  failed: 0,
  records: 10,
  bytes: 10,
  startedMs: 0,
  metrics: noMetrics,
};

test("the progress bar has a line below the stage that reads it", () => {
  const written: string[] = [];
  const writer = Object.assign((text: string) => void written.push(text), { clear: () => {}, done: () => {} });
  let now = 1_000;
  const bar = new ProgressBar(writer, () => now);
  bar.update([{ ...stage, skew: [skew] }]);
  now += 1_000;
  bar.update([stage]);
  expect(written[0]?.split("\n")).toEqual([expect.stringContaining("[stage 3]"), `  skew: ${words}`]);
  expect(written[1]).not.toContain("skew");
});

test("millrace status ends with it", () => {
  const snapshot = (stages: readonly StageProgress[]) => ({
    url: "millrace://h:1",
    version: "1",
    startedMs: 0,
    workers: [],
    sessions: [{ id: "s1", appName: "app", openedMs: 0, jobs: [], stages, shuffleBytes: 0, storage: [], pools: [] }],
  });
  expect(formatSnapshot(snapshot([{ ...stage, skew: [skew] }]), 0)).toContain(`\nSkew\n  s1, stage 3: ${words}\n`);
  expect(formatSnapshot(snapshot([stage]), 0)).not.toContain("Skew");
});
