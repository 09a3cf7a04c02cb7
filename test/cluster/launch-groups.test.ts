// Launches of several tasks on real slots: the same answers, files and accumulators as with one task a launch; a failure, a kill
// and a cancel in the middle of one leave nothing behind.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sessions } from "../support/engine.js";

const engine = sessions();
const PARTITIONS = 200;

test.each(["local", "local[2]", "local-cluster[2,1,256m]"])(
  "partitions, files and accumulators are the same with and without (%s)",
  async (master) => {
    const answers: unknown[] = [];
    for (const groupTime of ["0s", "50ms"]) {
      const session = await engine.open(master, { "scheduler.groupTime": groupTime });
      const seen = session.longAccumulator("seen");
      const sums = session
        .range(0, 5_000, 1, 4)
        .map((n): [number, number] => [n % 700, n / 3])
        .reduceByKey((a, b) => a + b, PARTITIONS)
        .mapPartitionsWithIndex((index, pairs) => {
          const all = [...pairs];
          seen.add(all.length);
          return all.map(([key, sum]) => [index, key, sum] as const);
        });
      const collected = await sums.collect();
      const tasks = session.lastJob?.tasks;
      const output = join(engine.directory, `${master}-${groupTime}`);
      await sums.saveAsTextFile(output);
      const files = readdirSync(output)
        .sort()
        .map((name) => [name, readFileSync(join(output, name), "utf8")]);
      answers.push({ collected, tasks, seen: seen.value, files });
      await session.stop();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ tasks: 4 + PARTITIONS, seen: 2 * 700 });
  },
  90_000,
);

test("a task of a launch that fails once, or ends its thread, is tried again and the job is whole", async () => {
  const session = await engine.open("local[2]");
  for (const end of ["throw", "exit"] as const) {
    const failed = join(engine.directory, `failed-${end}`);
    const counts = session
      .range(0, 4_000, 1, 4)
      .map((n): [number, number] => [n % 800, 1])
      .reduceByKey((a, b) => a + b, PARTITIONS)
      .mapPartitionsWithIndex((index, pairs) => {
        const { mkdirSync } = require("node:fs") as typeof import("node:fs");
        let isFirst = false;
        if (index === 150) {
          try {
            mkdirSync(failed);
            isFirst = true;
          } catch {
            // Another attempt has been here.
          }
        }
        if (isFirst && end === "throw") throw new Error("once");
        if (isFirst) process.exit(3);
        return [...pairs].map(([, n]) => n);
      });
    expect(await counts.sum()).toBe(4_000);
    expect(session.lastJob).toMatchObject({ failedAttempts: 1, tasks: 4 + PARTITIONS });
  }
  await session.stop();
}, 60_000);
