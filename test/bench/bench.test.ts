// What the bench relies on: its data is the same on every run, its generator follows Zipf's law, and its comparisons see a
// wrong answer.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatAgainst, median } from "../../bench/against.js";
import { chartOf } from "../../bench/chart.js";
import { inputFile } from "../../bench/data.js";
import { peersOf } from "../../bench/engines/peers.js";
import { formatGrowth, growsWell } from "../../bench/growth.js";
import { seededRandom, zipf } from "../../bench/random.js";
import { compareValues, type Measurement, type WorkloadReport } from "../../bench/report.js";
import { type BenchResults, readResults } from "../../bench/results-file.js";
import { workloadNames, workloads } from "../../bench/workloads/index.js";
import { checkSorted } from "../../bench/workloads/sort.js";

let scratch = "";
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "millrace-bench-"));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

describe("data", () => {
  test.each(["text", "records", "edges", "pairs", "weights", "ids"] as const)(
    "of kind %s is the same bytes each time",
    (kind) => {
      const digests = ["a", "b"].map((folder) => {
        const { path, bytes } = inputFile(join(scratch, folder), kind, 0.0005);
        const content = readFileSync(path);
        expect(content.byteLength).toBe(bytes);
        return createHash("sha256").update(content).digest("hex");
      });
      expect(digests[0]).toBe(digests[1]);
    },
  );

  test("sort records are lines of 99 characters", () => {
    const { path } = inputFile(scratch, "records", 0.0002);
    const lines = readFileSync(path, "latin1").trimEnd().split("\n");
    expect(lines).toHaveLength(1_000);
    expect(lines.every((line) => line.length === 99)).toBe(true);
  });

  test("every weight has a key of its own, and most keys of the pairs have a weight", () => {
    const keysOf = (kind: "pairs" | "weights") =>
      readFileSync(inputFile(scratch, kind, 0.001).path, "latin1")
        .trimEnd()
        .split("\n")
        .map((line) => Number(line.split(" ")[0]));
    const weights = keysOf("weights");
    expect(weights.toSorted((a, b) => a - b)).toEqual(weights.map((_, key) => key));
    expect(weights).not.toEqual(weights.toSorted((a, b) => a - b));
    const missing = keysOf("pairs").filter((key) => key >= weights.length).length;
    expect(missing / 10_000).toBeCloseTo(1 / 11, 1);
  });

  test("ten ids are drawn for each that is different", () => {
    const ids = readFileSync(inputFile(scratch, "ids", 0.001).path, "latin1")
      .trimEnd()
      .split("\n");
    expect(ids).toHaveLength(10_000);
    expect(new Set(ids).size).toBeGreaterThan(990);
    expect(new Set(ids).size).toBeLessThanOrEqual(1_000);
  });

  test("the rank r is drawn in proportion to 1 / (r + 1)", () => {
    const pick = zipf(100, seededRandom(7));
    const counts = new Array<number>(100).fill(0);
    for (let draw = 0; draw < 200_000; draw++) counts[pick()]!++;
    expect(counts[0]! / counts[1]!).toBeCloseTo(2, 1);
    expect(counts[0]! / counts[9]!).toBeGreaterThan(9);
    expect(counts[0]! / counts[9]!).toBeLessThan(11);
  });
});

describe("comparison", () => {
  test("numbers agree to 1e-9 relative, texts exactly, times not at all", () => {
    expect(compareValues({ sum: 1e6, meanMs: 1 }, { sum: 1e6 + 1e-4, meanMs: 9 })).toEqual([]);
    expect(compareValues({ sum: 1e6 }, { sum: 1e6 + 1e-2 })).toEqual(["sum: 1000000 against 1000000.01"]);
    expect(compareValues({ digest: "a" }, { digest: "b" })).toEqual(["digest: a against b"]);
    expect(compareValues({ sum: 1 }, {})).toEqual(["sum: 1 against undefined"]);
  });

  test("a sorted output is checked for order, count and content over its part files", () => {
    const write = (folder: string, ...parts: readonly string[]) => {
      const path = join(scratch, folder);
      mkdirSync(path);
      for (const [index, part] of parts.entries()) writeFileSync(join(path, `part-0000${index}`), part);
      return checkSorted(path);
    };
    const good = write("good", "aaaaaaaaaa 1\nbbbbbbbbbb 2\n", "cccccccccc 3\n");
    expect(good).toMatchObject({ records: 3, ordered: "yes" });
    expect(write("swapped", "cccccccccc 3\n", "aaaaaaaaaa 1\nbbbbbbbbbb 2\n")).toMatchObject({
      ordered: "no, at record 1",
    });
    expect(write("changed", "aaaaaaaaaa 1\nbbbbbbbbbb 2\ncccccccccc 4\n").checksum).not.toBe(good.checksum);
  });
});

describe("plain loops", () => {
  test.each(Object.entries(workloads).filter(([, { plain, input }]) => plain !== null && input !== null))(
    "%s answers on its own data",
    async (_, workload) => {
      const size = 0.0005;
      const input = inputFile(scratch, workload.input!, size).path;
      const second = workload.second === undefined ? "" : inputFile(scratch, workload.second, size).path;
      const value = await workload.plain!({ size, input, second, out: join(scratch, "out") })();
      expect(Object.values(value).every((field) => field !== 0 && !Number.isNaN(field))).toBe(true);
    },
  );
});

describe("peers", () => {
  const peers = peersOf(process.cwd());

  test.each(Object.entries(peers))("%s names workloads that there are", (_, { workloads: named }) => {
    expect(workloadNames).toEqual(expect.arrayContaining([...named]));
  });

  test("Peer.java has a case for each workload that Spark is asked for", () => {
    const source = readFileSync("bench/peers/spark/Peer.java", "utf8");
    const cases = [...source.matchAll(/^ {6}case "([\w-]+)" ->/gm)].map(([, name]) => name);
    expect(cases.toSorted()).toEqual([...peers.spark!.workloads].toSorted());
  });

  test.each([
    ["python", "plain.py"],
    ["duckdb", "duck.py"],
  ])("the script of %s has each workload that it is asked for", (name, script) => {
    const source = readFileSync(join("bench/peers/python", script), "utf8");
    const table = source.match(/^WORKLOADS = \{(.*)\}$/m)?.[1] ?? "";
    const named = [...table.matchAll(/"(\w+)":/g)].map(([, workload]) => workload);
    expect(named.toSorted()).toEqual([...peers[name]!.workloads].toSorted());
  });
});

describe("against another build", () => {
  test("the median of an even count lies between the two in the middle", () => {
    expect(median([3])).toBe(3);
    expect(median([9, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 100])).toBe(3.5);
  });

  test("the table shows the median of the pairs' ratios, not the ratio of medians", () => {
    const pairs = [
      [1, 2],
      [4, 4],
      [9, 3],
    ] as const;
    const table = formatAgainst([{ workload: "sort", master: "local[2]", pairs, differences: [] }]);
    expect(table).toContain("1.000");
    expect(table).toContain("0.500");
    expect(table).toContain("3.000");
  });
});

describe("growth", () => {
  const row = (seconds: readonly number[]) => ({
    workload: "sort",
    master: "local[2]",
    seconds,
    cpu: [0.5, null, 7.5],
  });

  test("sixteen times the data may take eighteen times as long", () => {
    expect(growsWell(row([1, 5, 18]))).toBe(true);
    expect(growsWell(row([1, 4, 18.1]))).toBe(false);
  });

  test("the table shows the times, both ratios and what misses the target", () => {
    const table = formatGrowth([row([0.5, 2.5, 10])], 0.02);
    for (const text of ["0.50 s", "10.00 s", "5.0", "20.0", "15.0", "more than 18"]) expect(table).toContain(text);
  });
});

describe("the chart", () => {
  const measured = (engine: string, first: number, warm: number | null): Measurement => ({
    engine,
    first,
    warm,
    cpu: null,
    peakBytes: null,
    shuffleBytes: null,
    value: {},
    notes: "",
  });
  const report = (workload: string, measurements: readonly Measurement[]): WorkloadReport => ({
    workload,
    title: `${workload} of A & B`,
    size: 0.1,
    inputBytes: 0,
    measurements,
    disagreements: [],
  });
  const results: BenchResults = {
    time: "2026-11-26T12:00:00.000Z",
    size: 0.1,
    load: 0.3,
    machine: { cpus: 2, model: "Some <CPU>", memoryBytes: 2 ** 34, node: "v20.19.0" },
    reports: [
      report("join", [measured("local[2]", 4, 2), measured("spark local[2]", 9, 8), measured("plain", 1, null)]),
      report("rss", [measured("local-cluster[1,1,512m]", 3, null)]),
    ],
  };

  test("has a bar for each engine, as long as its warm time in parts of the longest", () => {
    const widths = [...chartOf(results).matchAll(/<rect class="(\w+)" x="148" y="\d+" width="([\d.]+)"/g)];
    expect(widths.map(([, engine]) => engine)).toEqual(["local", "spark", "other"]);
    const [ours, spark, plain] = widths.map(([, , width]) => Number(width)) as [number, number, number];
    expect(ours / spark).toBeCloseTo(2 / 8, 2);
    expect(plain / spark).toBeCloseTo(1 / 8, 2);
  });

  test("says machine, date and size, and escapes what XML would take for its own", () => {
    const svg = chartOf(results);
    expect(svg).toContain("2 cores (Some &lt;CPU&gt;), 16 GB, Node 20.19.0, 2026-11-26, at 0.1 of the sizes named");
    expect(svg).toContain("join of A &amp; B");
    expect(svg).not.toContain("rss of");
    expect(svg).not.toContain("busy");
    expect(chartOf({ ...results, load: 9.6 })).toContain("other programs kept the machine busy (load 10)");
  });

  test("is not drawn from a run whose answers differ", () => {
    const path = join(scratch, "run.json");
    const wrong = { ...results.reports[0]!, disagreements: ["sum: 1 against 2"] };
    writeFileSync(path, JSON.stringify({ ...results, reports: [wrong] }));
    expect(() => readResults(path)).toThrow("answers differ in join");
  });
});
