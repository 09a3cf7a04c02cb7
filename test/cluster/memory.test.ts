// A slot that fills its heap, in each of the ways that V8 or the system would answer by ending the process: it dies alone with
// OUT_OF_MEMORY, the task beside it lives on, and the session goes on.

import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MillraceError, Session } from "../../src/index.js";
import { loadEngine } from "../support/engine.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();

const fillers: Readonly<Record<string, () => void>> = {
  "a growing Map": () => {
    const map = new Map<string, number[]>();
    for (let i = 0; ; i++) map.set(`key ${i}`, new Array<number>(64).fill(i));
  },
  "a growing array of numbers": () => {
    const array: number[] = [];
    for (let i = 0; ; i++) array.push(i * 1.5);
  },
  'a held split("")': () => {
    const held: string[][] = [];
    for (;;) held.push("x".repeat(1e7).split(""));
  },
  Buffers: () => {
    const held: Buffer[] = [];
    for (;;) held.push(Buffer.alloc(1e7, 1));
  },
};

describe.each(["local[2]", "local-cluster[1,2,512m]"])("on %s", (master) => {
  let session: Session;
  beforeAll(async () => {
    const { Session } = await loadEngine();
    const memory = master === "local[2]" ? { memory: "256m" } : {};
    session = await Session.open({
      master,
      localDir: scratch,
      "eventLog.enabled": false,
      "task.maxFailures": 1,
      ...memory,
    });
  });
  afterAll(() => session.stop());

  test.each(Object.entries(fillers))("%s ends its slot alone", async (_name, fill) => {
    const job = session.parallelize([0, 1], 2).map((n) => {
      if (n === 0) fill();
      // Silent in one long call, as the other.
      const until = Date.now() + 1_000;
      while (Date.now() < until);
      return n;
    });
    const error = (await job.collect().catch((thrown: unknown) => thrown)) as MillraceError;
    expect(error).toMatchObject({ code: "JOB_FAILED", cause: { code: "OUT_OF_MEMORY" }, fields: { partition: 0 } });
    expect(error.message).toMatch(
      /with partition 0 of map at memory\.test\.ts:\d+:\d+, was ended because .* held [\d.]+ MiB of the [\d.]+ MiB that it may use; its operators had reserved nothing/,
    );
    expect(error.fields.attempts).toEqual([expect.objectContaining({ code: "OUT_OF_MEMORY" })]);
    for (let i = 0; i < 3; i++) {
      expect(
        await session
          .parallelize([1, 2, 3, 4], 4)
          .map((n) => n + 1)
          .collect(),
      ).toEqual([2, 3, 4, 5]);
    }
  });

  test("tasks of a later job run on while one beside them dies and is tried again", async () => {
    const { Session } = await loadEngine();
    const other = await Session.open({
      master,
      localDir: scratch,
      "eventLog.enabled": false,
      "task.maxFailures": 2,
      ...(master === "local[2]" ? { memory: "256m" } : {}),
    });
    const marks = join(scratch, `${master}-once`.replace(/\W/g, "-"));
    const sums = other.parallelize([0, 1, 2, 3], 4).map((n) => {
      appendFileSync(marks, `${n}\n`);
      const runs = readFileSync(marks, "utf8")
        .split("\n")
        .filter((line) => line === "0").length;
      if (n === 0 && runs === 1) {
        const held: Uint8Array[] = [];
        for (;;) held.push(new Uint8Array(1e7).fill(1));
      }
      const until = Date.now() + 600;
      while (Date.now() < until);
      return n;
    });
    expect(await sums.collect()).toEqual([0, 1, 2, 3]);
    expect(readFileSync(marks, "utf8").trim().split("\n").sort()).toEqual(["0", "0", "1", "2", "3"]);
    await other.stop();
  });
});

test("a driver that fills its own heap does not cost it its slots", async () => {
  const { Session } = await loadEngine();
  const session = await Session.open({
    master: "local[2]",
    memory: "128m",
    localDir: scratch,
    "eventLog.enabled": false,
    "task.maxFailures": 1,
  });
  const spinning = session.parallelize([1, 2], 2).map((n) => {
    const until = Date.now() + 1_500;
    while (Date.now() < until);
    return n;
  });
  const job = spinning.collect();
  const held: Uint8Array[] = [];
  for (let i = 0; i < 40; i++) {
    held.push(new Uint8Array(1e7).fill(1));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(await job).toEqual([1, 2]);
  expect(
    await session
      .parallelize([1, 2], 2)
      .map((n) => n + 1)
      .collect(),
  ).toEqual([2, 3]);
  expect(held).toHaveLength(40);
  await session.stop();
});

test("a worker process that aborts for a full heap is charged with OUT_OF_MEMORY and started again", async () => {
  const { Session } = await loadEngine();
  const options = { localDir: scratch, "eventLog.enabled": false, "task.maxFailures": 2 };
  const session = await Session.open({ master: "local-cluster[1,1,512m]", ...options });
  const aborted = session.parallelize([0], 1).map((n) => {
    // What V8 does at its limit.
    process.kill(process.pid, "SIGABRT");
    const until = Date.now() + 5_000;
    while (Date.now() < until);
    return n;
  });
  const error = (await aborted.collect().catch((thrown: unknown) => thrown)) as MillraceError;
  expect(error).toMatchObject({ code: "JOB_FAILED", cause: { code: "OUT_OF_MEMORY" } });
  expect((error.fields.attempts as { code: string }[]).map(({ code }) => code)).toEqual([
    "OUT_OF_MEMORY",
    "OUT_OF_MEMORY",
  ]);
  expect(
    await session
      .parallelize([1, 2], 2)
      .map((n) => n + 1)
      .collect(),
  ).toEqual([2, 3]);
  await session.stop();
});
