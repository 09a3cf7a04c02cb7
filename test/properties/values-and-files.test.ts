// Any value that a record may be, through every way that records go (slices, results, shuffles, sorts, caches, spills), and
// files against their contents, however they are split.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const SEED = 20_261;
const engine = sessions();
let masters: readonly Session[];
let directories = 0;
beforeAll(async () => {
  masters = [
    await engine.open("local[3]", { "memory.taskBytes": "1" }),
    await engine.open("local-cluster[2,1,512m]", { "memory.taskBytes": "64k", "shuffle.localReads": false }),
  ];
});

function freshDirectory(): string {
  const path = join(engine.directory, `files-${++directories}`);
  mkdirSync(path);
  return path;
}

const anyValue = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: false,
  withNullPrototype: false,
  withObjectString: false,
  stringUnit: "binary",
  maxDepth: 3,
});
/** Columns that fit one type, and nearly so. */
const column = fc.oneof(
  fc.array(anyValue, { maxLength: 30 }),
  fc.array(fc.double(), { maxLength: 30 }),
  fc.array(fc.string({ unit: "binary" }), { maxLength: 30 }),
  fc.array(fc.bigInt(), { maxLength: 30 }),
  fc.array(fc.oneof(fc.boolean(), fc.constant(null), fc.constant(undefined)), { maxLength: 30 }),
  fc.array(fc.record({ a: fc.oneof(fc.integer(), fc.constant(undefined)), b: fc.string() }, { requiredKeys: ["a"] }), {
    maxLength: 30,
  }),
  fc.array(fc.tuple(fc.integer(), fc.oneof(fc.string(), fc.constant(null))), { maxLength: 30 }),
  fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 30 }),
  fc.array(fc.float64Array({ maxLength: 5 }), { maxLength: 30 }),
);

test(
  "any value comes back equal from every way that records go",
  () =>
    fc.assert(
      fc.asyncProperty(column, fc.integer({ min: 1, max: 4 }), async (values, slices) => {
        for (const s of masters) {
          const rdd = s.parallelize<unknown>(values, slices);
          expect(await rdd.collect()).toStrictEqual(values);
          const numbered = rdd.mapPartitionsWithIndex((partition, all) =>
            [...all].map((value, at) => [partition * 100 + at, value] as const),
          );
          expect(await numbered.sortByKey(true, 3).values().collect()).toStrictEqual(values);
          const groups = await numbered
            .map(([, value]) => ["one", value] as const)
            .groupByKey(2)
            .collect();
          expect(groups).toStrictEqual(values.length === 0 ? [] : [["one", values]]);
          const kept = numbered.reduceByKey((a) => a, 2).persist(slices % 2 === 0 ? "DISK_ONLY" : "MEMORY_ONLY");
          for (let time = 0; time < 2; time++) expect(await kept.sortByKey().values().collect()).toStrictEqual(values);
          kept.unpersist();
          expect(
            await rdd.aggregate(
              [] as unknown[],
              (list, value) => [...list, value],
              (a, b) => [...a, ...b],
            ),
          ).toStrictEqual(values);
        }
      }),
      { numRuns: 25, seed: SEED },
    ),
  180_000,
);

describe("files", () => {
  const line = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => text.replace(/[\r\n]/g, "")),
    fc.constantFrom("", " ", "\t", "x".repeat(70_000), "é".repeat(3_000)),
  );
  const text = fc.record({
    lines: fc.array(line, { maxLength: 60 }),
    end: fc.constantFrom("\n", "\r\n"),
    closed: fc.boolean(),
    minPartitions: fc.integer({ min: 1, max: 9 }),
    gzip: fc.boolean(),
  });

  test(
    "textFile gives every line once, in order, however the file is split",
    () =>
      fc.assert(
        fc.asyncProperty(text, text, async (first, second) => {
          const directory = freshDirectory();
          const expected: string[] = [];
          for (const [index, { lines, end, closed, gzip }] of [first, second].entries()) {
            const content = lines.join(end) + (closed && lines.length > 0 ? end : "");
            const name = join(directory, `${index}.txt${gzip ? ".gz" : ""}`);
            writeFileSync(name, gzip ? gzipSync(content) : content);
            // A last line without content and without an end is none.
            expected.push(...(closed || lines.at(-1) !== "" ? lines : lines.slice(0, -1)));
          }
          for (const s of masters) {
            const read = s.textFile(`${directory}/*.txt*`, first.minPartitions);
            expect(await read.collect()).toEqual(expected);
            expect(await read.count()).toBe(expected.length);
          }
        }),
        { numRuns: 25, seed: SEED },
      ),
    120_000,
  );

  test("binaryRecords gives every record once, in order", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.nat({ max: 300 }),
        fc.integer({ min: 1, max: 7 }),
        async (length, count, slices) => {
          const path = join(freshDirectory(), "data.bin");
          const bytes = Uint8Array.from({ length: length * count }, (_, at) => (at * 31) % 256);
          writeFileSync(path, bytes);
          const expected = Array.from({ length: count }, (_, at) => bytes.slice(at * length, (at + 1) * length));
          for (const s of masters) {
            const read = await s
              .binaryRecords(path, length, slices)
              .map((record) => new Uint8Array(record))
              .collect();
            expect(read).toEqual(expected);
          }
        },
      ),
      { numRuns: 20, seed: SEED },
    ));

  test("saveAsTextFile writes one line a record, and textFile reads them back", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer(), line), { maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (pairs, slices, gzip) => {
          for (const s of masters) {
            const output = join(freshDirectory(), "out");
            await s
              .parallelize<readonly [number, string]>(pairs, slices)
              .saveAsTextFile(output, { compression: gzip ? "gzip" : "none" });
            const lines = pairs.map(([key, value]) => `${key}\t${value}`);
            const names = readdirSync(output)
              .filter((name) => name.startsWith("part-"))
              .sort();
            expect(names).toHaveLength(slices);
            const contents = names.map((name) => readFileSync(join(output, name)));
            const written = contents.map((bytes) => (gzip ? gunzipSync(bytes) : bytes).toString()).join("");
            expect(written).toBe(lines.map((one) => `${one}\n`).join(""));
            expect(await s.textFile(`${output}/part-*`).collect()).toEqual(lines);
          }
        },
      ),
      { numRuns: 12, seed: SEED },
    ));
});
