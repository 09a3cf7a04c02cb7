import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { RecordStreamWriter } from "../../src/codec/stream.js";
import { fileSystemFor } from "../../src/emrfs/registry.js";
import { pathToUrl } from "../../src/emrfs/url.js";
import { openSplit, type SourceFormat } from "../../src/formats/open-split.js";
import { planFiles, planSplits } from "../../src/formats/split-planner.js";
import type { Split } from "../../src/plan/stages.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const root = scratchDirectory();
const mib = 1024 * 1024;
const file = (name: string, sizeBytes: number) =>
  ({ url: `file:///d/${name}`, kind: "file", sizeBytes, modifiedMs: 7 }) as const;

function readAll(format: SourceFormat, splits: readonly Split[]): unknown[] {
  const records: unknown[] = [];
  for (const split of splits) {
    const source = openSplit(format, split, noClasses);
    for (let batch = source.next(); batch !== null; batch = source.next()) {
      expect((batch as unknown[]).length).toBeLessThanOrEqual(1024);
      records.push(...(batch as unknown[]));
    }
    source.close();
  }
  return records;
}

describe("lines counted", () => {
  const plan = async (tree: Record<string, string | Uint8Array>, linesPerPartition: number) => {
    const directory = join(root, `lines-${++counted}`);
    writeTree(directory, tree);
    const source = { kind: "text", paths: [pathToUrl(directory)], minPartitions: null, linesPerPartition } as const;
    const splits = await planSplits(source, fileSystemFor);
    return splits.map((split) => readAll({ kind: "text" }, [split]));
  };
  let counted = 0;

  it("gives each split so many lines, a file's last one fewer, and none over two files", async () => {
    expect(await plan({ a: "1\n2\n3\n", b: "", c: "4\n5", d: "\n" }, 2)).toEqual([["1", "2"], ["3"], ["4", "5"], [""]]);
    expect(await plan({ a: "1\n2\n", "b.gz": gzipSync("3\n4\n5\n") }, 1)).toEqual([["1"], ["2"], ["3", "4", "5"]]);
    expect(await plan({ a: "" }, 1)).toEqual([[]]);
  });

  it("counts lines over the borders of what is read at once", async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${"x".repeat(i % 150)}`);
    const splits = await plan({ a: `${lines.join("\n")}\n` }, 7_000);
    expect(splits.map((split) => split.length)).toEqual([7_000, 7_000, 7_000, 7_000, 2_000]);
    expect(splits.flat()).toEqual(lines);
  });
});

describe("planFiles", () => {
  it("cuts by all bytes / 32, at least 1 and at most 64 MiB", () => {
    expect(planFiles([file("a", 500_000)], 1, 1).length).toBe(1);
    expect(planFiles([file("a", 10 * mib)], 1, 1).length).toBe(10);
    expect(planFiles([file("a", 320 * mib)], 1, 1).length).toBe(30);
    expect(planFiles([file("a", 640 * 64 * mib)], 1, 1).length).toBe(582);
    expect(planFiles([file("a", mib + 1000)], 1, 1).length).toBe(1);
  });

  it("raises the count to what is asked for, never lowers it", () => {
    expect(planFiles([file("a", 10 * mib)], 1, 2).length).toBe(10);
    expect(planFiles([file("a", 1000)], 1, 4).length).toBeGreaterThanOrEqual(4);
    expect(planFiles([file("a", 3)], 1, 8).length).toBe(3);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 200 }), (size, partitions) => {
        const splits = planFiles([file("a", size)], 1, partitions) as (Split & { kind: "file" })[];
        expect(splits.length).toBeGreaterThanOrEqual(Math.min(size, partitions));
        let next = 0;
        for (const split of splits) {
          expect(split.start).toBe(next);
          expect(split.length).toBeGreaterThan(0);
          next += split.length;
        }
        expect(next).toBe(size);
      }),
    );
  });

  it("leaves gzip files whole and refuses other compressions by name", () => {
    expect(planFiles([file("a.gz", 90 * mib), file("b.txt", 10)], 1, 8).length).toBe(8);
    expect(planFiles([file("a.gz", 90 * mib)], 1, 8).length).toBe(1);
    for (const name of ["a.bz2", "a.ZST", "a.xz", "a.lz4", "a.snappy", "a.br", "a.zip"]) {
      expect(() => planFiles([file(name, 10)], 1, 1)).toThrow(
        expect.objectContaining({ code: "UNSUPPORTED_COMPRESSION" }),
      );
    }
  });

  it("aligns binary records and refuses a length that is no multiple", () => {
    for (const split of planFiles([file("a", 30 * 1000 * 100)], 100, 7) as (Split & { kind: "file" })[]) {
      expect(split.start % 100).toBe(0);
      expect(split.length % 100).toBe(0);
    }
    expect(() => planFiles([file("a", 250)], 100, 1)).toThrow(expect.objectContaining({ code: "INVALID_FILE" }));
  });

  it("has one empty split for nothing", () => {
    const splits = planFiles([file("a", 0), file("b", 0)], 1, 4);
    expect(splits.length).toBe(1);
    expect(readAll({ kind: "text" }, splits)).toEqual([]);
  });
});

describe("planSplits and openSplit", () => {
  it("reads text files of a glob in order", async () => {
    writeTree(root, { "in/b.txt": "3\n4", "in/a.txt": "1\n2\n", "in/c.txt.gz": gzipSync("5\n6\n") });
    const source = { kind: "text", paths: [pathToUrl(join(root, "in/*"))], minPartitions: 5 } as const;
    const splits = await planSplits(source, fileSystemFor);
    expect(splits.length).toBeGreaterThanOrEqual(5);
    expect(readAll({ kind: "text" }, splits)).toEqual(["1", "2", "3", "4", "5", "6"]);
    await expect(
      planSplits({ ...source, paths: [pathToUrl(join(root, "none/*"))] }, fileSystemFor),
    ).rejects.toMatchObject({
      code: "GLOB_MATCHED_NOTHING",
    });
  });

  it("reads binary records, plain and gzipped, as bytes of the record's length", async () => {
    const bytes = Buffer.from(Uint8Array.from({ length: 10 * 5000 }, (_, i) => (i * 7) & 255));
    writeTree(root, { "bin/a.dat": bytes, "bin/b.dat.gz": gzipSync(bytes) });
    const source = {
      kind: "binaryRecords",
      paths: [pathToUrl(join(root, "bin"))],
      recordLength: 10,
      minPartitions: 6,
    } as const;
    const splits = await planSplits(source, fileSystemFor);
    const records = readAll({ kind: "binaryRecords", recordLength: 10 }, splits) as Uint8Array[];
    expect(records.length).toBe(10_000);
    expect(records.every((record) => record.constructor === Uint8Array && record.length === 10)).toBe(true);
    expect(Buffer.concat(records).equals(Buffer.concat([bytes, bytes]))).toBe(true);
    writeFileSync(join(root, "odd.gz"), gzipSync(Buffer.alloc(25)));
    const odd = await planSplits({ ...source, paths: [pathToUrl(join(root, "odd.gz"))] }, fileSystemFor);
    expect(() => readAll({ kind: "binaryRecords", recordLength: 10 }, odd)).toThrow(
      expect.objectContaining({ code: "INVALID_FILE" }),
    );
  });

  it("counts ranges up and down", async () => {
    const read = async (start: number, end: number, step: number, slices: number) =>
      readAll({ kind: "range" }, await planSplits({ kind: "range", start, end, step, slices }, fileSystemFor));
    expect(await read(0, 5000, 1, 3)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
    expect(await read(10, 0, -3, 2)).toEqual([10, 7, 4, 1]);
    expect(await read(5, 5, 1, 2)).toEqual([]);
  });

  it("decodes the slices of a collection", async () => {
    const records = Array.from({ length: 3000 }, (_, i) => ({ id: i, name: `n${i}` }));
    const slices = [records.slice(0, 2500), [], records.slice(2500)].map((slice) => {
      const writer = new RecordStreamWriter(noClasses);
      writer.addBatch(slice);
      return writer.finish();
    });
    expect(
      readAll({ kind: "collection" }, await planSplits({ kind: "collection", slices, classes: [] }, fileSystemFor)),
    ).toEqual(records);
  });

  it("names a file that is gone", () => {
    const path = join(root, "gone.txt");
    writeFileSync(path, "x");
    const { size, mtimeMs } = statSync(path);
    expect(readFileSync(path, "utf8")).toBe("x");
    const split = {
      kind: "file",
      url: pathToUrl(`${path}2`),
      start: 0,
      length: size,
      fileSize: size,
      modifiedMs: Math.floor(mtimeMs),
      compression: "none",
    } as const;
    expect(() => openSplit({ kind: "text" }, split, noClasses)).toThrow(
      expect.objectContaining({ code: "PATH_NOT_FOUND" }),
    );
  });
});
