// What the bench relies on: its data is the same on every run, its generator follows Zipf's law, and its comparisons see a
// wrong answer.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatAgainst, median } from "../../bench/against.js";
import { inputFile } from "../../bench/data.js";
import { seededRandom, zipf } from "../../bench/random.js";
import { compareValues } from "../../bench/report.js";
import { workloads } from "../../bench/workloads/index.js";
import { checkSorted } from "../../bench/workloads/sort.js";

let scratch = "";
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "millrace-bench-"));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

describe("data", () => {
  test.each(["text", "records", "edges"] as const)("of kind %s is the same bytes each time", (kind) => {
    const digests = ["a", "b"].map((folder) => {
      const { path, bytes } = inputFile(join(scratch, folder), kind, 0.0005);
      const content = readFileSync(path);
      expect(content.byteLength).toBe(bytes);
      return createHash("sha256").update(content).digest("hex");
    });
    expect(digests[0]).toBe(digests[1]);
  });

  test("sort records are lines of 99 characters", () => {
    const { path } = inputFile(scratch, "records", 0.0002);
    const lines = readFileSync(path, "latin1").trimEnd().split("\n");
    expect(lines).toHaveLength(1_000);
    expect(lines.every((line) => line.length === 99)).toBe(true);
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
  test.each(["wordcount", "sort", "pagerank"])("%s answers on its own data", async (name) => {
    const workload = workloads[name]!;
    const { path } = inputFile(scratch, workload.input!, 0.0005);
    const value = await workload.plain!({ size: 0.0005, input: path, out: join(scratch, "out") })();
    expect(Object.values(value).every((field) => field !== 0 && !Number.isNaN(field))).toBe(true);
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
