// Hadoop's classics by session.mapReduce, on threads and on worker processes: word count with a combiner, secondary sort,
// inverted index, counters, side files, named outputs.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { TaskContext } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let masters: readonly Session[];
let directories = 0;
const fresh = () => join(engine.directory, `mr-${++directories}`);
const bible = new URL("../../data/king-james-bible.txt", import.meta.url).pathname;
const sum = (counts: Iterable<number>) => {
  let total = 0;
  for (const count of counts) total += count;
  return total;
};

beforeAll(async () => {
  masters = [await engine.open("local[2]"), await engine.open("local-cluster[2,1,512m]", { "memory.taskBytes": "1m" })];
});

const parts = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("part-"))
    .sort()
    .map((name) => readFileSync(join(directory, name), "utf8"));

test("of two jobs side by side each has its own summary", async () => {
  for (const s of masters) {
    const run = (slices: number, reducers: number) =>
      s.mapReduce({
        input: s.range(0, 100, 1, slices),
        map: (n: number, context: TaskContext<number, number>) => context.write(n % 10, 1),
        reduce: (key, ones, context) => context.write(key, sum(ones)),
        reducers,
      });
    const results = await Promise.all([run(2, 1), run(5, 2), run(1, 4)]);
    expect(results.map(({ summary }) => summary?.tasks)).toEqual([3, 7, 5]);
  }
});

describe("word count", () => {
  test("equals the same by reduceByKey; every reducer's part is sorted; the counters add up", async () => {
    for (const s of masters) {
      const output = fresh();
      const { counters, records } = await s.mapReduce({
        input: bible,
        map: (line: string, context) => {
          for (const word of line.split(/\s+/)) if (word !== "") context.write(word, 1);
        },
        combine: (word, counts, context) => context.write(word, sum(counts)),
        reduce: (word, counts, context) => context.write(word, sum(counts)),
        reducers: 3,
        output,
      });
      expect(records).toBe(null);
      const lines = parts(output).map((text) => text.trimEnd().split("\n"));
      expect(lines).toHaveLength(3);
      for (const part of lines) {
        const words = part.map((line) => line.split("\t")[0] as string);
        expect(words).toEqual([...words].sort());
      }
      const expected = await s
        .textFile(bible)
        .flatMap((line) => line.split(/\s+/))
        .filter((word) => word !== "")
        .map((word) => [word, 1])
        .reduceByKey((a, b) => a + b)
        .map(([word, n]) => `${word}\t${n}`)
        .collect();
      expect(lines.flat().sort()).toEqual(expected.sort());
      const framework = counters["Map-Reduce Framework"]!;
      expect(framework["Map input records"]).toBe(await s.textFile(bible).count());
      expect(framework["Combine input records"]).toBe(framework["Map output records"]);
      expect(framework["Reduce input records"]).toBe(framework["Combine output records"]);
      expect(framework["Reduce output records"]).toBe(expected.length);
      expect(framework["Reduce input groups"]).toBe(expected.length);
    }
  });
});

test("secondary sort: one call a year, its temperatures descending", async () => {
  const readings = Array.from({ length: 500 }, (_, i) => [1900 + ((i * 7) % 20), (i * 7919) % 401] as const);
  for (const s of masters) {
    const { records } = await s.mapReduce({
      input: s.parallelize(readings, 4),
      map: (reading, context: TaskContext<readonly [number, number], number>) => context.write(reading, reading[1]),
      group: ([year]) => year,
      sort: ([year, degrees]) => [year, -degrees],
      reduce: function* ([year], values) {
        yield [year, [...values]] as const;
      },
      reducers: 3,
    });
    const expected = [...groupBy(readings)].map(([year, all]) => [
      year,
      all.map(([, degrees]) => degrees).sort((a, b) => b - a),
    ]);
    expect([...records!].sort(([a], [b]) => a - b)).toEqual(expected.sort(([a], [b]) => (a as number) - (b as number)));
  }
});

function groupBy(readings: readonly (readonly [number, number])[]): Map<number, (readonly [number, number])[]> {
  const groups = new Map<number, (readonly [number, number])[]>();
  for (const one of readings) groups.set(one[0], [...(groups.get(one[0]) ?? []), one]);
  return groups;
}

test("inverted index with a side file of stop words and a counter of one's own", async () => {
  const directory = fresh();
  mkdirSync(directory);
  writeFileSync(join(directory, "a.txt"), "the cat and the dog\n");
  writeFileSync(join(directory, "b.txt"), "the dog and a bird\n");
  const stop = join(directory, "stop-words");
  writeFileSync(stop, "the\nand\na\n");
  for (const s of masters) {
    const { records, counters } = await s.mapReduce({
      input: s.wholeTextFiles(join(directory, "*.txt")),
      files: { stop },
      map: ([path, text], context: TaskContext<string, string>) => {
        const stopWords = context.text("stop").split("\n");
        for (const word of text.split(/\s+/).filter(Boolean)) {
          if (stopWords.includes(word)) context.counter("words", "stopped").increment();
          else context.write(word, path.slice(-5));
        }
      },
      reduce: (word, files, context: TaskContext<string, string>) =>
        context.write(word, [...new Set(files)].sort().join(" ")),
      reducers: 1,
    });
    expect(records).toEqual([
      ["bird", "b.txt"],
      ["cat", "a.txt"],
      ["dog", "a.txt b.txt"],
    ]);
    expect(counters.words).toEqual({ stopped: 6 });
  }
});

test("named outputs of map and of reduce, each once", async () => {
  for (const s of masters) {
    const output = fresh();
    const { counters } = await s.mapReduce({
      input: s.range(0, 100, 1, 3),
      map: (n, context: TaskContext<number, number>) => {
        if (n % 10 === 0) context.writeTo("tens", n, "map");
        context.write(n % 3, n);
      },
      reduce: (key, values, context: TaskContext<number, number>) => {
        context.write(key, sum(values));
        context.writeTo("keys", key, "reduce");
      },
      reducers: 2,
      output,
      outputs: ["tens", "keys"],
    });
    const linesOf = (name: string) => parts(join(output, name)).join("").trim().split("\n").sort();
    expect(linesOf("tens")).toEqual(Array.from({ length: 10 }, (_, i) => `${i * 10}\tmap`).sort());
    expect(linesOf("keys")).toEqual(["0\treduce", "1\treduce", "2\treduce"]);
    expect(linesOf(".")).toEqual(["0\t1683", "1\t1617", "2\t1650"]);
    expect(counters["Map-Reduce Framework"]!["Map input records"]).toBe(100);
  }
});

test("without reducers what map writes is the output", async () => {
  const s = masters[0] as Session;
  const { records } = await s.mapReduce({
    input: s.range(4),
    map: (n, context: TaskContext<number, number>) => context.write(n, n * n),
    reducers: 0,
  });
  expect(records).toEqual([
    [0, 0],
    [1, 1],
    [2, 4],
    [3, 9],
  ]);
});

test("what cannot be is refused before anything runs", async () => {
  const s = masters[0] as Session;
  const job = { input: s.range(3), map: () => undefined };
  for (const wrong of [
    { ...job, map: undefined },
    { ...job, map: async () => undefined },
    { ...job, reducers: 0, reduce: () => undefined },
    { ...job, outputs: ["a b"], output: "x" },
    { ...job, outputs: ["a"] },
  ])
    await expect(s.mapReduce(wrong as never)).rejects.toMatchObject({
      code: expect.stringMatching(/INVALID_ARGUMENT|SYNC_FUNCTION_REQUIRED/),
    });
  await expect(s.mapReduce({ ...job, files: { gone: "/no/such/file" } })).rejects.toMatchObject({
    code: "PATH_NOT_FOUND",
  });
  const asksForMore = { ...job, map: (_: number, context: { text(name: string): string }) => context.text("other") };
  await expect(s.mapReduce(asksForMore as never)).rejects.toMatchObject({
    message: expect.stringContaining("side files none, not other"),
  });
});
