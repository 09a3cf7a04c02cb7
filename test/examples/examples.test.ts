// Every program in examples/ against the same answer computed by a plain loop, and byte-equal output on every kind of master.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ExampleRun, root, runExample } from "./run-example.js";

const MASTERS = ["local", "local[1]", "local[4]", "local-cluster[2,1,512m]"];
let scratch = "";

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "millrace-examples-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const data = (name: string) =>
  readFileSync(join(root, "data", name), "utf8")
    .trimEnd()
    .split("\n");

/** The part files of an output, in order, each as its bytes. */
function parts(output: string): string[] {
  const names = readdirSync(output)
    .filter((name) => name.startsWith("part-"))
    .sort();
  return names.map((name) => readFileSync(join(output, name), "latin1"));
}

function expectSuccess({ code, stderr }: ExampleRun): void {
  expect(stderr).toBe("");
  expect(code).toBe(0);
}

test("trivial prints the sum of squares on every master", async () => {
  for (const master of MASTERS) {
    const run = await runExample("trivial.ts", master);
    expectSuccess(run);
    expect(run.stdout).toBe("30\n");
  }
});

describe("word count", () => {
  test("writes the same bytes on every master, and what a plain loop counts", async () => {
    const counts = new Map<string, number>();
    for (const line of data("king-james-bible.txt")) {
      for (const word of line.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [])
        counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const expected = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([word, count]) => `${word}\t${count}\n`);
    const outputs: string[][] = [];
    for (const [index, master] of MASTERS.entries()) {
      const output = join(scratch, `counts-${index}`);
      expectSuccess(await runExample("wordcount.ts", master, "data/king-james-bible.txt", output));
      outputs.push(parts(output));
    }
    expect(outputs[0]!.join("")).toBe(expected.join(""));
    for (const output of outputs) expect(output).toEqual(outputs[0]);
  });

  test("prints the most frequent without an output directory", async () => {
    const counts = new Map<string, number>();
    for (const line of data("routes.csv"))
      for (const word of line.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [])
        counts.set(word, (counts.get(word) ?? 0) + 1);
    const top = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 25);
    const run = await runExample("wordcount.ts", "local[2]", "--top", "25", "data/routes.csv");
    expectSuccess(run);
    expect(run.stdout).toBe(top.map(([word, count]) => `${String(count).padStart(8)}  ${word}\n`).join(""));
  });

  test("refuses an output that exists", async () => {
    const { code, stderr } = await runExample("wordcount.ts", "local[1]", "data/routes.csv", scratch);
    expect(stderr).toContain("OUTPUT_EXISTS");
    expect(code).not.toBe(0);
  });
});

test("sort writes every line once, ordered by the key over all part files", async () => {
  const output = join(scratch, "sorted");
  expectSuccess(await runExample("sort.ts", "local-cluster[2,1,512m]", "--key", "16", "data/flights.csv", output));
  const lines = parts(output).join("").trimEnd().split("\n");
  const keys = lines.map((line) => line.slice(0, 16));
  expect(keys).toEqual([...keys].sort());
  expect([...lines].sort()).toEqual(data("flights.csv").sort());
});

test("sort prints the first lines without an output directory", async () => {
  const run = await runExample("sort.ts", "local[2]", "--key", "9", "--top", "3", "data/airports.csv");
  expectSuccess(run);
  const keys = data("airports.csv").map((line) => line.slice(0, 9));
  const first = run.stdout.trimEnd().split("\n");
  expect(first.map((line) => line.slice(0, 9))).toEqual(keys.sort().slice(0, 3));
  for (const line of first) expect(data("airports.csv")).toContain(line);
});

describe("grep", () => {
  const lines = data("king-james-bible.txt");

  test("prints the first lines that match, and how many do", async () => {
    const run = await runExample("grep.ts", "local[2]", "--ignore-case", "--limit", "5", "\\bunicorns?\\b");
    expectSuccess(run);
    const found = lines.filter((line) => /\bunicorns?\b/i.test(line));
    expect(found.length).toBeGreaterThan(5);
    expect(run.stdout).toBe(`${found.slice(0, 5).join("\n")}\n${found.length} lines match, 5 are shown\n`);
  });

  test("writes all that match to a directory, the same on every master", async () => {
    const found = lines.filter((line) => /[Ss]elah|^Jude/u.test(line));
    for (const [index, master] of MASTERS.entries()) {
      const output = join(scratch, `grep-${index}`);
      expectSuccess(await runExample("grep.ts", master, "[Ss]elah|^Jude", "data/king-james-bible.txt", output));
      expect(parts(output).join("")).toBe(found.map((line) => `${line}\n`).join(""));
    }
  });

  test("says what is missing", async () => {
    const { code, stdout, stderr } = await runExample("grep.ts", "local[1]");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe(
      "grep: <pattern> is missing: a JavaScript regular expression\nusage: millrace example grep [options] <pattern> [input] [output]\n",
    );
  });
});

test("pi is what the same generators give in plain loops, on every master, and near pi", async () => {
  const samples = 300_001;
  let inside = 0;
  for (let partition = 0; partition < 4; partition++) {
    // mulberry32 as its author wrote it, with a state that is not reduced.
    let a = (7 * 1_000_003 + partition) | 0;
    const random = () => {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    for (let i = 0; i < 75_000 + (partition === 0 ? 1 : 0); i++) if (random() ** 2 + random() ** 2 < 1) inside++;
  }
  expect(Math.abs((4 * inside) / samples - Math.PI)).toBeLessThan(0.015);
  for (const master of MASTERS) {
    const run = await runExample("pi.ts", master, "--samples", `${samples}`, "--partitions", "4", "--seed", "7");
    expectSuccess(run);
    expect(run.stdout).toContain(`pi is about ${((4 * inside) / samples).toFixed(6)} (${inside} of ${samples} points`);
  }
});

describe("inverted index", () => {
  const documents = data("king-james-bible.txt").filter((line) => /^(?:Jude|Ruth) /.test(line));
  /** Word -> documents with counts, by Maps alone. */
  const expected = new Map<string, Map<string, number>>();
  for (const line of documents) {
    const [name = "", text = ""] = line.split("\t");
    for (const word of text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []) {
      const counts = expected.get(word) ?? new Map<string, number>();
      expected.set(word, counts.set(name, (counts.get(name) ?? 0) + 1));
    }
  }
  const entry = (word: string) =>
    [...(expected.get(word) ?? [])]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .map(([name, count]) => `${name} (${count})`)
      .join(", ");
  const input = () => {
    const path = join(scratch, "documents.tsv");
    writeFileSync(path, `${documents.join("\n")}\n`);
    return path;
  };

  test("looks words up", async () => {
    const run = await runExample("inverted-index.ts", "local[2]", "--words", "Boaz,michael,xyzzy", input());
    expectSuccess(run);
    expect(entry("boaz")).toContain("Ruth 2:1 (1)");
    expect(run.stdout).toBe(`boaz: ${entry("boaz")}\nmichael: ${entry("michael")}\nxyzzy: in no document\n`);
  });

  test("writes the whole index, sorted, the same on processes", async () => {
    const whole = [...expected.keys()].sort().map((word) => `${word}\t${entry(word)}\n`);
    for (const [index, master] of ["local[4]", "local-cluster[2,1,512m]"].entries()) {
      const output = join(scratch, `index-${index}`);
      expectSuccess(await runExample("inverted-index.ts", master, input(), output));
      expect(parts(output).join("")).toBe(whole.join(""));
    }
  });
});

test("k-means by hand gives the groups of the same algorithm in plain loops, on threads and on processes", async () => {
  const k = 5;
  const points = data("airports.csv")
    .slice(1)
    .map((line) => line.split(",").slice(-2).map(Number));
  const squared = (a: readonly number[], b: readonly number[]) => (a[0]! - b[0]!) ** 2 + (a[1]! - b[1]!) ** 2;
  const nearest = (centres: readonly number[][], point: readonly number[]) =>
    centres.reduce((best, centre, i) => (squared(centre, point) < squared(centres[best]!, point) ? i : best), 0);
  const centres = [points[0]!];
  while (centres.length < k) {
    const far = (point: number[]) => squared(centres[nearest(centres, point)]!, point);
    centres.push(points.reduce((best, point) => (far(point) > far(best) ? point : best)));
  }
  for (let moved = true; moved; ) {
    moved = false;
    const groups = points.map((point) => nearest(centres, point));
    for (const group of centres.keys()) {
      const mine = points.filter((_, i) => groups[i] === group);
      const mean = [0, 1].map((axis) => mine.reduce((sum, point) => sum + point[axis]!, 0) / mine.length);
      if (squared(mean, centres[group]!) > 1e-12) moved = true;
      centres[group] = mean;
    }
  }
  const groups = points.map((point) => nearest(centres, point));
  const cost = points.reduce((sum, point, i) => sum + squared(point, centres[groups[i]!]!), 0);
  const sizes = centres.map((centre, group) => ({ centre, size: groups.filter((one) => one === group).length }));
  const expected = sizes
    .sort((a, b) => b.size - a.size)
    .map(({ centre, size }) => `${String(size).padStart(7)}  ${centre.map((x) => x.toFixed(3)).join("  ")}\n`);
  for (const master of ["local[2]", "local-cluster[2,1,512m]"]) {
    const run = await runExample("kmeans-by-hand.ts", master, "--k", `${k}`);
    expectSuccess(run);
    const [head, ...rows] = run.stdout.split(/(?<=\n)/);
    expect(head).toMatch(/^5 groups after \d+ iterations, sum of squared distances [\d.]+\n$/);
    expect(Number(/distances ([\d.]+)/.exec(head!)?.[1])).toBeCloseTo(cost, 2);
    expect(rows).toEqual(expected);
  }
});

test("k-means by hand names the columns that a file has not", async () => {
  const { code, stderr } = await runExample("kmeans-by-hand.ts", "local[1]", "--columns", "latitude,height");
  expect(code).toBe(2);
  expect(stderr).toMatch(/airports\.csv has the columns iata,.*, not all of latitude,height/);
});

test("join gives the flights and delays of each state", async () => {
  const run = await runExample("join.ts", "local[2]");
  expectSuccess(run);
  const states = new Map(data("airports.csv").map((line) => [line.split(",")[0], line.match(/,([A-Z]{2}),USA,/)?.[1]]));
  const sums = new Map<string, { flights: number; minutes: number }>();
  for (const line of data("flights.csv").slice(1)) {
    const [, delay, , origin] = line.split(",");
    const state = states.get(origin!)!;
    const { flights, minutes } = sums.get(state) ?? { flights: 0, minutes: 0 };
    sums.set(state, { flights: flights + 1, minutes: minutes + Number(delay) });
  }
  const [state, { flights, minutes }] = [...sums].sort((a, b) => b[1].flights - a[1].flights)[0]!;
  const lines = run.stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(10);
  expect(lines[0]!.split(/\s+/).slice(0, 4)).toEqual([
    state,
    String(flights),
    "flights",
    (minutes / flights).toFixed(1),
  ]);
});

test("PageRank gives the same ranks on threads and on processes, and those of a plain loop", async () => {
  const [threads, processes] = [
    await runExample("pagerank.ts", "local[2]"),
    await runExample("pagerank.ts", "local-cluster[2,1,512m]"),
  ];
  expectSuccess(threads);
  expect(processes.stdout).toBe(threads.stdout);
  const links = new Map<string, Set<string>>();
  for (const line of data("routes.csv").slice(1)) {
    const [from, to] = line.split(",");
    links.set(from!, (links.get(from!) ?? new Set()).add(to!));
  }
  let ranks = new Map([...links.keys()].map((node) => [node, 1]));
  for (let iteration = 0; iteration < 10; iteration++) {
    const sums = new Map<string, number>();
    for (const [node, rank] of ranks) {
      const targets = links.get(node) ?? new Set<string>();
      for (const target of targets) sums.set(target, (sums.get(target) ?? 0) + rank / targets.size);
    }
    ranks = new Map([...sums].map(([node, sum]) => [node, 0.15 + 0.85 * sum]));
  }
  const top = [...ranks].sort((a, b) => b[1] - a[1]).slice(0, 10);
  expect(threads.stdout).toBe(top.map(([node, rank]) => `${node}  ${rank.toFixed(6)}\n`).join(""));
});

test("broadcast and accumulator count the stop words that were dropped", async () => {
  const run = await runExample("broadcast-accumulator.ts", "local-cluster[2,1,512m]");
  expectSuccess(run);
  const stopWords = "the and of to that in he shall unto for i his a".split(" ");
  const words = data("king-james-bible.txt").flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? []);
  expect(run.stdout).toContain(`${words.filter((word) => stopWords.includes(word)).length} stop words dropped\n`);
});

test("the main job shows results, and tasks on two core workers and one task worker", async () => {
  const run = await runExample("main.ts", null);
  expectSuccess(run);
  expect(run.stdout).toContain("Session on local-cluster[2+1,1,512m]");
  expect(run.stdout).toContain("== Word count");
  expect(run.stdout).toContain("== Join and aggregation");
  const words = data("king-james-bible.txt").flatMap(
    (line) =>
      line
        .split("\t")[1]!
        .toLowerCase()
        .match(/[a-z]+/g) ?? [],
  );
  expect(run.stdout).toContain(`${words.length} words, ${new Set(words).size} different ones`);
  const workers = new Set(
    run.stdout.match(/^ {4}\S+ +(?:core|task) +\d+ tasks/gm)?.map((line) => line.trim().split(" ")[0]),
  );
  expect(workers.size).toBe(3);
});
