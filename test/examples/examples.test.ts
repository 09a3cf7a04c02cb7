// Every program in examples/ against the same answer computed by a plain loop, and byte-equal output on every kind of master.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
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

  test("ends with its own code and a usage line without arguments", async () => {
    const { code, stderr } = await runExample("wordcount.ts", "local[1]");
    expect(stderr).toContain("usage: wordcount.ts");
    expect(code).toBe(2);
  });

  test("refuses an output that exists", async () => {
    const { code, stderr } = await runExample("wordcount.ts", "local[1]", "data/routes.csv", scratch);
    expect(stderr).toContain("OUTPUT_EXISTS");
    expect(code).not.toBe(0);
  });
});

test("sort writes every line once, ordered by the key over all part files", async () => {
  const output = join(scratch, "sorted");
  expectSuccess(await runExample("sort.ts", "local-cluster[2,1,512m]", "data/flights.csv", output, "16"));
  const lines = parts(output).join("").trimEnd().split("\n");
  const keys = lines.map((line) => line.slice(0, 16));
  expect(keys).toEqual([...keys].sort());
  expect([...lines].sort()).toEqual(data("flights.csv").sort());
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
