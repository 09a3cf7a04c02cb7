// Object files give back what was saved, any value and class instances; whole files are what is on the disk.

import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let masters: readonly Session[];
let directories = 0;
beforeAll(async () => {
  masters = [await engine.open("local[2]"), await engine.open("local-cluster[2,1,512m]")];
});

const fresh = () => join(engine.directory, `out-${++directories}`);

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  get norm(): number {
    return Math.hypot(this.x, this.y);
  }
}

const anyValue = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, maxDepth: 2 });

test("any records come back equal, partition by partition, on every master", () =>
  fc.assert(
    fc.asyncProperty(fc.array(anyValue, { maxLength: 20 }), fc.integer({ min: 1, max: 4 }), async (values, slices) => {
      for (const s of masters) {
        const path = fresh();
        await s.parallelize(values, slices).saveAsObjectFile(path);
        expect(readdirSync(path).sort()).toEqual([
          "_SUCCESS",
          ...Array.from({ length: slices }, (_, i) => `part-0000${i}`),
        ]);
        const back = s.objectFile<unknown>(path);
        expect(await back.numPartitions()).toBe(slices);
        expect(await back.collect()).toStrictEqual(await s.parallelize(values, slices).collect());
      }
    }),
    { numRuns: 8, seed: 20_261 },
  ));

test("a large partition is several segments", async () => {
  const s = masters[0] as Session;
  const path = fresh();
  const lines = s.range(0, 200_000, 1, 2).map((n) => `line ${n} ${"x".repeat(n % 50)}`);
  await lines.saveAsObjectFile(path);
  expect(
    await s
      .objectFile<string>(path)
      .zip(lines)
      .filter(([a, b]) => a !== b)
      .count(),
  ).toBe(0);
});

test("class instances come back as their class when it is named, and are refused when not", async () => {
  for (const s of masters) {
    const path = fresh();
    await s.parallelize([new Point(3, 4)]).saveAsObjectFile(path);
    const points = s.objectFile<Point>(path, { classes: [Point] });
    expect(await points.map((p) => p.norm).collect()).toEqual([5]);
    expect((await points.first()) instanceof Point).toBe(true);
  }
});

test("a cut file, and what is no object file, are told with the path", async () => {
  const s = masters[0] as Session;
  const path = fresh();
  await s.range(100).saveAsObjectFile(path);
  const part = join(path, "part-00000");
  truncateSync(part, readFileSync(part).length - 3);
  await expect(s.objectFile(path).count()).rejects.toMatchObject({
    cause: { code: "INVALID_FILE", message: expect.stringContaining("part-00000") },
  });
  writeFileSync(part, "some text that is no object file");
  await expect(s.objectFile(path).count()).rejects.toMatchObject({ cause: { code: "INVALID_FILE" } });
});

test("whole files: text and bytes, gunzipped by name, many in a partition, in the order of their names", async () => {
  const directory = fresh();
  mkdirSync(directory);
  const names = Array.from({ length: 30 }, (_, i) => `file-${String(i).padStart(2, "0")}`);
  for (const name of names) writeFileSync(join(directory, name), `content of ${name}\n`);
  writeFileSync(join(directory, "z.gz"), gzipSync("zipped"));
  writeFileSync(join(directory, "zz-empty"), "");
  const expected = [
    ...names.map((name) => [join(directory, name), `content of ${name}\n`]),
    [join(directory, "z.gz"), "zipped"],
    [join(directory, "zz-empty"), ""],
  ];
  for (const s of masters) {
    const texts = s.wholeTextFiles(join(directory, "*"));
    expect(await texts.collect()).toEqual(expected);
    expect(await texts.numPartitions()).toBe(1);
    expect(await s.wholeTextFiles(join(directory, "*"), 8).numPartitions()).toBeGreaterThanOrEqual(8);
    const bytes = await s
      .binaryFiles(join(directory, "*"))
      .mapValues((one) => Buffer.from(one).toString())
      .collect();
    expect(bytes).toEqual(expected);
  }
  writeFileSync(join(directory, "bad"), Buffer.from([0xff, 0xfe]));
  await expect((masters[0] as Session).wholeTextFiles(join(directory, "bad")).collect()).rejects.toMatchObject({
    cause: { code: "INVALID_TEXT", message: expect.stringContaining("bad") },
  });
});
