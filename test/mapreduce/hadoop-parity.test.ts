// What a job of Hadoop's has besides map and reduce: setup and cleanup, named outputs that come all or none, counters that
// are exact whatever was tried again, the task's place in its input, a result object.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { TaskContext } from "../../src/index.js";
import { until } from "../support/cli.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let masters: readonly Session[];
let directories = 0;
const fresh = () => join(engine.directory, `parity-${++directories}`);
const bible = new URL("../../data/king-james-bible.txt", import.meta.url).pathname;

beforeAll(async () => {
  masters = [await engine.open("local[2]"), await engine.open("local-cluster[2,1,512m]")];
});

const each = async (check: (s: Session) => Promise<void>) => {
  for (const s of masters) await check(s);
};

const linesOf = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("part-"))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n").slice(0, -1));

test("setup, state and cleanup are a task's own, in map and in reduce", () =>
  each(async (s) => {
    const { records, counters } = await s.mapReduce({
      input: s.range(0, 90, 1, 3),
      // In-mapper combining: nothing is written before the end.
      mapper: (context: TaskContext<number, number>) => {
        context.counter("tasks", "map setups").increment();
        const sums = new Map<number, number>();
        return {
          map: (n: number) => {
            sums.set(n % 2, (sums.get(n % 2) ?? 0) + n);
          },
          cleanup: (end) => {
            for (const [key, sum] of sums) end.write(key, sum);
          },
        };
      },
      reducer: (context: TaskContext<string, number>) => {
        context.counter("tasks", "reduce setups").increment();
        let groups = 0;
        return {
          reduce: (key, values, at) => {
            groups++;
            at.write(
              `sum of ${key}`,
              [...values].reduce((a, b) => a + b, 0),
            );
            at.write(`values of ${key}`, 0);
          },
          cleanup: (end) => end.write("groups", groups),
        };
      },
      reducers: 1,
    });
    expect(records).toEqual([
      ["sum of 0", 1980],
      ["values of 0", 0],
      ["sum of 1", 2025],
      ["values of 1", 0],
      ["groups", 2],
    ]);
    expect(counters.tasks).toEqual({ "map setups": 3, "reduce setups": 1 });
    expect(counters["Map-Reduce Framework"]).toMatchObject({
      "Map input records": 90,
      "Map output records": 6,
      "Reduce input records": 6,
      "Reduce output records": 5,
    });
  }));

test("named outputs appear with the job's own, or nothing does", () =>
  each(async (s) => {
    const job = (output: string, failing: number) =>
      s.mapReduce({
        input: s.range(0, 100, 1, 4),
        map: (n, context: TaskContext<number, number>) => {
          context.writeTo("squares", n, n * n);
          context.write(n, n);
        },
        reduce: (key, _values, context: TaskContext<number, number>) => {
          if (key === failing) throw new Error(`no ${key}`);
          context.write(key, key);
          context.writeTo("halves", key, key / 2);
        },
        partition: (key, reducers) => Math.floor((key * reducers) / 100),
        reducers: 4,
        output,
        outputs: ["squares", "halves"],
      });
    const failed = fresh();
    await expect(job(failed, 99)).rejects.toMatchObject({ message: expect.stringContaining("no 99") });
    await until("the output is gone", () => !existsSync(failed));
    const output = fresh();
    const result = await job(output, -1);
    expect(result).toMatchObject({ output, records: null, summary: { stages: 2, tasks: 8 } });
    expect(result.elapsedMs).toBeGreaterThan(0);
    for (const name of [".", "squares", "halves"])
      expect(readdirSync(join(output, name)).filter((one) => /^part-|^_/.test(one))).toEqual([
        "_SUCCESS",
        ...Array.from({ length: 4 }, (_, i) => `part-0000${i}`),
      ]);
    expect(linesOf(output)).toEqual(Array.from({ length: 100 }, (_, n) => `${n}\t${n}`));
    expect(linesOf(join(output, "halves"))).toEqual(Array.from({ length: 100 }, (_, n) => `${n}\t${n / 2}`));
    expect(linesOf(join(output, "squares")).sort()).toEqual(
      Array.from({ length: 100 }, (_, n) => `${n}\t${n * n}`).sort(),
    );
    await expect(job(output, -1)).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    expect(linesOf(output)).toHaveLength(100);
  }));

test("a task knows its part of the input and its attempt; what is tried again counts once", () =>
  each(async (s) => {
    const { records, counters } = await s.mapReduce({
      input: bible,
      mapper: (context: TaskContext<number, string>) => {
        const { split, attempt, partition } = context;
        if (split === null) throw new Error("there is no split");
        let lines = 0;
        return {
          map: () => {
            lines++;
            context.counter("input", "lines").increment();
            if (lines === 100 && partition === 1 && attempt < 2) throw new Error("twice");
          },
          cleanup: () => context.write(split.start, `${split.path} ${split.length} ${attempt}`),
        };
      },
      reduce: (start, [place], context: TaskContext<number, string>) => {
        if (context.split !== null) throw new Error("there is a split");
        context.write(start, place!);
      },
      reducers: 1,
    });
    const splits = records!.map(([start, text]) => {
      const [path, length, attempt] = text.split(" ") as [string, string, string];
      expect(path).toBe(bible);
      return { start, length: Number(length), attempt: Number(attempt) };
    });
    expect(splits.length).toBeGreaterThan(2);
    splits.forEach(({ start, attempt }, i) => {
      const before = splits[i - 1];
      expect(start).toBe(before === undefined ? 0 : before.start + before.length);
      expect(attempt).toBe(i === 1 ? 2 : 0);
    });
    expect(counters.input).toEqual({ lines: 31_102 });
    expect(counters["Map-Reduce Framework"]!["Map input records"]).toBe(31_102);
  }));

test("side files are read by name in map, combine and reduce, as bytes and as text", () =>
  each(async (s) => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, "weights"), "a 2\nb 3\n");
    writeFileSync(join(directory, "raw"), Uint8Array.of(0, 255));
    const { records } = await s.mapReduce({
      input: s.parallelize(["a", "b", "a"], 2),
      files: { weights: join(directory, "weights"), raw: join(directory, "raw") },
      mapper: (context: TaskContext<string, number>) => {
        const weights = new Map(
          context
            .text("weights")
            .trim()
            .split("\n")
            .map((line) => line.split(" ") as [string, string]),
        );
        return { map: (word: string) => context.write(word, Number(weights.get(word))) };
      },
      combine: (word, values, context) => {
        if (context.file("raw").length !== 2) throw new Error("raw");
        context.write(
          word,
          [...values].reduce((a, b) => a + b),
        );
      },
      reduce: (word, values, context: TaskContext<string, number>) =>
        context.write(word, [...values].reduce((a, b) => a + b) * (context.file("raw")[1] as number)),
      reducers: 1,
    });
    expect(records).toEqual([
      ["a", 4 * 255],
      ["b", 3 * 255],
    ]);
  }));

test("a worker killed in the middle of its writing: every output has each record once", async () => {
  const s = await engine.open("local-cluster[2,1,512m]");
  const fault = fresh();
  const output = fresh();
  const { counters, summary } = await s.mapReduce({
    input: s.range(0, 400, 1, 8),
    map: (n, context: TaskContext<number, number>) => {
      context.writeTo("seen", n, "map");
      context.write(n, n);
    },
    reduce: (n, _values, context: TaskContext<number, number>) => {
      // Parts of all outputs are open and half written.
      if (n === 250 && !existsSync(fault)) {
        writeFileSync(fault, String(process.pid));
        process.kill(process.pid, "SIGKILL");
      }
      context.counter("mine", "reduced").increment();
      context.write(n, n);
      context.writeTo("squares", n, n * n);
    },
    partition: (n, reducers) => Math.floor((n * reducers) / 400),
    reducers: 4,
    output,
    outputs: ["seen", "squares"],
  });
  expect(Number(readFileSync(fault, "utf8"))).not.toBe(process.pid);
  expect(summary!.failedAttempts).toBeGreaterThan(0);
  const numbers = Array.from({ length: 400 }, (_, n) => n);
  expect(linesOf(output)).toEqual(numbers.map((n) => `${n}\t${n}`));
  expect(linesOf(join(output, "squares"))).toEqual(numbers.map((n) => `${n}\t${n * n}`));
  expect(linesOf(join(output, "seen")).sort()).toEqual(numbers.map((n) => `${n}\tmap`).sort());
  expect(readdirSync(output).filter((name) => name.startsWith("_"))).toEqual(["_SUCCESS"]);
  expect(counters.mine).toEqual({ reduced: 400 });
});

test("what cannot be is refused", async () => {
  const s = masters[0] as Session;
  const map = () => undefined;
  const base = { input: s.range(3), map };
  for (const wrong of [
    { input: s.range(3) },
    { ...base, mapper: () => ({ map }) },
    { ...base, reduce: map, reducer: () => ({ reduce: map }) },
    { ...base, reducers: 0, reducer: () => ({ reduce: map }) },
    { ...base, output: "x", outputs: ["part-00000"] },
    { ...base, output: "x", outputs: ["a", "a"] },
  ])
    await expect(s.mapReduce(wrong as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
