// What tasks report of themselves, on every master: known data in, known figures out, summed by stage and by job. Counters,
// timers and histograms of a program are exact whatever is tried again.

import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { JobSummary, StageSummary, TaskMetrics } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
const LINES = 3000;
const line = (n: number) => `line ${String(n).padStart(6, "0")}`;
const input = join(engine.directory, "in");
const TIMEOUT_MS = 60_000;

beforeAll(() => {
  mkdirSync(input);
  for (const part of [0, 1, 2]) {
    const lines = Array.from({ length: LINES / 3 }, (_, i) => line(part * 1000 + i));
    writeFileSync(join(input, `${part}.txt`), `${lines.join("\n")}\n`);
  }
});

const bytesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("part-") || name.endsWith(".txt"))
    .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

/** The job's sums are those of its stages, but for the peak. */
function checkSums(summary: JobSummary): void {
  const names = Object.keys(summary.metrics) as (keyof TaskMetrics)[];
  expect(names.length).toBe(20);
  for (const name of names) {
    const values = summary.byStage.map(({ metrics }) => metrics[name]);
    const whole = name === "peakExecutionMemory" ? Math.max(...values) : values.reduce((a, b) => a + b, 0);
    expect(summary.metrics[name], name).toBeCloseTo(whole, 6);
    expect(summary.metrics[name], name).toBeGreaterThanOrEqual(0);
  }
  expect(summary.byStage.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(summary.tasks);
}

const last = (session: Session): JobSummary => session.lastJob as JobSummary;

describe.each([
  ["local", true],
  ["local[2]", true],
  ["local-cluster[2,1,512m]", true],
  ["local-cluster[2,1,512m]", false],
])("on %s, blocks read from files: %s", (master, localReads) => {
  let opened: Promise<Session> | null = null;
  const open = () => {
    opened ??= engine.open(master, { "shuffle.localReads": localReads, "shuffle.compress": false });
    return opened;
  };

  test(
    "records, bytes and blocks of a shuffle add up",
    async () => {
      const session = await open();
      const out = join(engine.directory, `out-${master}-${localReads}`);
      await session
        .textFile(join(input, "*.txt"))
        .map((text) => [text.slice(-2), text.length])
        .groupByKey(4)
        .map(([key, values]) => `${key} ${[...values].length}`)
        .saveAsTextFile(out);
      const summary = last(session);
      checkSums(summary);
      const [map, reduce] = summary.byStage as [StageSummary, StageSummary];
      expect([map.kind, reduce.kind]).toEqual(["shuffleMap", "result"]);
      expect([map.tasks, reduce.tasks, summary.byStage.length]).toEqual([3, 4, 2]);
      expect(map.metrics).toMatchObject({
        inputRecords: LINES,
        inputBytes: bytesIn(input),
        shuffleWriteRecords: LINES,
        shuffleReadRecords: 0,
        outputBytes: 0,
        resultSize: 0,
      });
      expect(reduce.metrics).toMatchObject({
        inputRecords: 0,
        shuffleReadRecords: LINES,
        outputRecords: 100,
        outputBytes: bytesIn(out),
        shuffleWriteBytes: 0,
      });
      const { shuffleLocalBlocksFetched, shuffleRemoteBlocksFetched } = reduce.metrics;
      const { shuffleLocalBytesRead, shuffleRemoteBytesRead, shuffleFetchWaitTime } = reduce.metrics;
      expect(shuffleLocalBlocksFetched + shuffleRemoteBlocksFetched).toBe(3 * 4);
      expect(shuffleLocalBytesRead + shuffleRemoteBytesRead).toBe(map.metrics.shuffleWriteBytes);
      expect(map.metrics.shuffleWriteTime).toBeGreaterThan(0);
      expect(map.metrics.shuffleWriteTime).toBeLessThan(map.metrics.executorRunTime);
      // Which worker ran which task is not settled; that one ran all of both stages is possible.
      if (localReads) expect([shuffleRemoteBlocksFetched, shuffleFetchWaitTime]).toEqual([0, 0]);
      else if (shuffleRemoteBlocksFetched > 0) expect(shuffleFetchWaitTime).toBeGreaterThan(0);
      expect(summary.shuffleBytes).toBe(map.metrics.shuffleWriteBytes);
    },
    TIMEOUT_MS,
  );

  test(
    "results have a size, cached partitions are input",
    async () => {
      const session = await open();
      const cached = session.range(0, 1000, 1, 2).cache();
      const small = await cached.count();
      expect(last(session).metrics).toMatchObject({ inputRecords: 1000, inputBytes: 0, outputBytes: 0 });
      const { resultSize } = last(session).metrics;
      await cached.collect();
      const { metrics } = last(session);
      expect(small).toBe(1000);
      expect(metrics.inputRecords).toBe(1000);
      expect(metrics.inputBytes).toBeGreaterThan(1000);
      expect(metrics.resultSize).toBeGreaterThan(10 * resultSize);
    },
    TIMEOUT_MS,
  );

  test(
    "time that is waited is no CPU time, and collections are told",
    async () => {
      const session = await open();
      const sleep = (n: number) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
        return n;
      };
      await session.range(0, 1, 1, 1).map(sleep).count();
      const asleep = last(session).metrics;
      expect(asleep.executorRunTime).toBeGreaterThan(295);
      expect(asleep.executorCpuTime).toBeLessThan(150);
      const work = (n: number) => {
        let kept: unknown[] = [];
        for (let i = 0; i < 1_500_000; i++) {
          kept.push({ i });
          if (kept.length > 40_000) kept = [];
        }
        return n + kept.length;
      };
      await session.range(0, 1, 1, 1).map(work).count();
      const { executorCpuTime, executorRunTime, gcTime } = last(session).metrics;
      if (process.platform === "linux") expect(executorCpuTime).toBeGreaterThan(5);
      expect(gcTime).toBeGreaterThan(0);
      expect(gcTime).toBeLessThan(executorRunTime);
    },
    TIMEOUT_MS,
  );

  test(
    "counters, timers and histograms are exact though attempts fail, by stage and in all",
    async () => {
      const session = await open();
      const seen = session.counter(`seen ${master}`);
      const sizes = session.histogram(`sizes ${master}`);
      const times = session.timer(`times ${master}`);
      expect(session.counter(seen.name)).toBe(seen);
      expect(() => session.timer(seen.name)).toThrow(/INVALID_ARGUMENT|no counter/);
      const done = session.range(0, 400, 1, 4).map((n) => {
        seen.add();
        sizes.record(n);
        return [n % 3, times.time(() => n * 2)];
      });
      const flaky = session.range(0, 8, 1, 4).foreach((n) => {
        seen.add(2);
        if (n === 5) throw new Error("after it has counted");
      });
      await expect(flaky).rejects.toThrow("after it has counted");
      const failed = last(session);
      // Of tasks that succeeded before the job was given up.
      const before = seen.value;
      expect(before % 4).toBe(0);
      expect(before).toBeLessThanOrEqual(12);
      expect(failed.failedAttempts).toBeGreaterThanOrEqual(4);
      seen.reset();
      await done.reduceByKey((a, b) => a + b, 2).collect();
      expect(seen.value).toBe(400);
      expect(sizes.value).toMatchObject({ count: 400, sum: (399 * 400) / 2, min: 0, max: 399 });
      expect(times.value.count).toBe(400);
      const { accumulators, byStage } = last(session);
      expect(accumulators.find(({ name }) => name === seen.name)).toMatchObject({ kind: "counter", value: 400 });
      expect(byStage[0]?.accumulators.map(({ kind }) => kind).sort()).toEqual(["counter", "histogram", "timer"]);
      expect(byStage[1]?.accumulators).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "accumulators are shown by their names",
    async () => {
      const session = await open();
      const sum = session.longAccumulator("sum");
      const names = session.accumulator("names", {
        zero: [] as string[],
        add: (all, one: string) => [...all, one],
        merge: (a, b) => [...a, ...b].sort(),
      });
      await session.range(0, 4, 1, 2).foreach((n) => {
        sum.add(n);
        names.add(`n${n}`);
      });
      expect(last(session).accumulators).toEqual([
        { id: names.id, name: "names", kind: "custom", value: "[ 'n0', 'n1', 'n2', 'n3' ]" },
        { id: sum.id, name: "sum", kind: "sum", value: 6 },
      ]);
    },
    TIMEOUT_MS,
  );
});

test(
  "what does not fit into memory is counted as it was in memory and as it is on disk",
  async () => {
    const session = await engine.open("local[2]", { "memory.taskBytes": 1024 * 1024 });
    const sorted = session
      .range(0, 60_000, 1, 2)
      .map((n) => [(n * 7919) % 60_000, `value number ${n}`])
      .sortByKey();
    expect(await sorted.count()).toBe(60_000);
    const { metrics, spillBytes } = last(session);
    expect(metrics.diskBytesSpilled).toBeGreaterThan(500_000);
    expect(metrics.memoryBytesSpilled).toBeGreaterThan(metrics.diskBytesSpilled);
    expect(spillBytes).toBe(metrics.diskBytesSpilled);
    expect(metrics.peakExecutionMemory).toBeGreaterThan(500_000);
    expect(metrics.peakExecutionMemory).toBeLessThanOrEqual(1024 * 1024);
  },
  TIMEOUT_MS,
);
