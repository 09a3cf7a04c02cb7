// What a map task says of the keys of its records, and a join made in parts.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ShuffleId, shuffleId } from "../../src/core/ids.js";
import { runFragment } from "../../src/operators/index.js";
import { HotKeys, printKey } from "../../src/operators/outputs/hot-keys.js";
import type { FragmentResult } from "../../src/operators/task-context.js";
import type { JoinParts } from "../../src/plan/skew.js";
import { FragmentBuilder, LocalRun, shuffleInput } from "../support/task-context.js";

type MapOutput = FragmentResult & { kind: "mapOutput" };
type Pair = readonly [unknown, unknown];

/** Writes pairs, a map task each, to a shuffle of `partitions`; number keys go where they say. */
async function shuffled(
  run: LocalRun,
  shuffle: ShuffleId,
  maps: readonly (readonly Pair[])[],
  partitions: number,
): Promise<MapOutput[]> {
  const fn = run.fn((key: number, count: number) => (typeof key === "number" ? key % count : 0));
  const fragment = new FragmentBuilder(maps.length).source(run, maps).to({
    kind: "shuffle",
    shuffle,
    partitioner: { kind: "custom", partitions, fn },
    aggregator: null,
    pairs: true,
    flushBytes: 2 ** 20,
  });
  return (await run.run(fragment, maps.length)) as MapOutput[];
}

describe("hot keys", () => {
  test("are found with their share and partition, however they lie among the others", async () => {
    const records = 200_000;
    const pairs = Array.from({ length: records }, (_, n): Pair => [n % 2 === 0 ? 7 : n, n]);
    const [output] = await shuffled(new LocalRun(), shuffleId(1), [pairs], 4);
    expect(output!.hotKeys).toHaveLength(1);
    expect(output!.hotKeys![0]).toMatchObject({ key: "7", partition: 3 });
    expect(output!.hotKeys![0]!.records / records).toBeCloseTo(0.5, 1);
  });

  test.each([2, 16, 64, 128])("of data that repeats every %i records each key has its own share", (period) => {
    const hot = new HotKeys();
    const keys = Array.from({ length: 400_000 }, (_, n) => n % period);
    hot.look(keys, keys, keys.length);
    const told = hot.told(keys.length);
    expect(told).toHaveLength(period === 2 ? 2 : period === 16 ? 8 : 0);
    for (const { records } of told) expect(Math.abs((records * period) / keys.length - 1)).toBeLessThan(0.15);
  });

  test("do not depend on how the records were cut into blocks", () => {
    const keys = Array.from({ length: 50_000 }, (_, n) => (n % 3 === 0 ? "hot" : `k${n}`));
    const parts = keys.map((_, n) => n % 5);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 40 }), (blocks) => {
        const hot = new HotKeys();
        let at = 0;
        for (const size of [...blocks, keys.length]) {
          const end = Math.min(keys.length, at + size);
          hot.look(keys.slice(at, end), parts.slice(at, end), end - at);
          at = end;
        }
        const whole = new HotKeys();
        whole.look(keys, parts, keys.length);
        expect(hot.told(keys.length)).toEqual(whole.told(keys.length));
      }),
      { numRuns: 30 },
    );
  });

  test("of many keys none is told; nor of a few records", () => {
    const hot = new HotKeys();
    const keys = Array.from({ length: 300_000 }, (_, n) => n);
    hot.look(keys, keys, keys.length);
    expect(hot.told(keys.length)).toEqual([]);
    const few = new HotKeys();
    few.look([1, 1, 1, 1, 1], [0, 0, 0, 0, 0], 5);
    expect(few.told(5)).toEqual([]);
  });

  test("with equal content are one key", () => {
    const hot = new HotKeys();
    const keys = Array.from({ length: 20_000 }, (_, n) => (n % 2 === 0 ? { b: 1, a: [2] } : [n, "x"]));
    hot.look(keys, new Array(keys.length).fill(1), keys.length);
    expect(hot.told(keys.length).map(({ key }) => key)).toEqual(['{"b":1,"a":[2]}']);
  });
});

describe("a key is printed", () => {
  test.each([
    ["plain", '"plain"'],
    [12.5, "12.5"],
    [3n, "3n"],
    [null, "null"],
    [[1, "two"], '[1,"two"]'],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Uint8Array([1, 2]), "[1,2]"],
    ["\u001b[31mred\n", '"\\u001b[31mred\\n"'],
    ["a\u202eb\u009bc", '"a\\u202eb\\u009bc"'],
  ])("%o as %s", (key, text) => {
    expect(printKey(key)).toBe(text);
  });

  test("short, in one line, whatever it is", () => {
    fc.assert(
      fc.property(fc.anything(), (key) => {
        const text = printKey(key);
        // 64 characters, each of them at most escaped twice.
        expect(text.length).toBeLessThan(64 * 12);
        expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
    expect(printKey("x".repeat(10_000))).toBe(`"${"x".repeat(64)}..."`);
  });

  test("even when its own JSON form throws", () => {
    class Bad {
      toJSON() {
        throw new Error("no");
      }
    }
    expect(printKey(new Bad())).toBe("a Bad");
  });
});

describe("weights", () => {
  test("are the records' own: the same for any memory and compression, and about what is written", async () => {
    const pairs = Array.from({ length: 30_000 }, (_, n): Pair => [n % 4 === 0 ? 1 : n % 10, `value ${n}`]);
    const told = [];
    for (const memoryBytes of [1, 2 ** 40]) {
      const [output] = await shuffled(new LocalRun({ memoryBytes }), shuffleId(1), [pairs], 3);
      told.push(output!.weights);
    }
    expect(told[0]).toEqual(told[1]);
    const sum = (n: number) =>
      pairs
        .filter(([key]) => (key as number) % 3 === n)
        .reduce((all, [, value]) => all + 12 + (value as string).length, 0);
    expect(told[0]).toEqual([sum(0), sum(1), sum(2)]);
  });

  test("are not told of records that were combined", async () => {
    const run = new LocalRun();
    const fragment = new FragmentBuilder(1).source(run, [[[1, 2]]]).to({
      kind: "shuffle",
      shuffle: shuffleId(1),
      partitioner: { kind: "hash", partitions: 1 },
      aggregator: { kind: "first" },
      pairs: true,
      flushBytes: 2 ** 20,
    });
    const [output] = (await run.run(fragment, 1)) as MapOutput[];
    expect(output).not.toHaveProperty("weights");
    expect(output).not.toHaveProperty("hotKeys");
  });
});

describe("a join made in parts", () => {
  const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer()), { maxLength: 12 });
  const maps = fc.array(rows, { minLength: 1, maxLength: 5 });

  async function join(
    left: readonly (readonly Pair[])[],
    right: readonly (readonly Pair[])[],
    joinParts: JoinParts | null,
  ) {
    const run = new LocalRun();
    await shuffled(run, shuffleId(1), left, 1);
    await shuffled(run, shuffleId(2), right, 1);
    const fragment = new FragmentBuilder(1)
      .add("cogroup", "join", {
        inputs: [shuffleInput(shuffleId(1), left.length, false), shuffleInput(shuffleId(2), right.length, false)],
      })
      .narrow({ op: "joinPairs" })
      .to({ kind: "action", action: { kind: "collect", limit: null } });
    const result = await runFragment(fragment, { ...run.context(0), joinParts });
    run.assertNothingLeft();
    return run.records(result) as [unknown, readonly [unknown, unknown]][];
  }

  const sorted = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record)).sort();

  test("has the records of the whole; one task makes the parts in the order of tasks of their own", async () => {
    await fc.assert(
      fc.asyncProperty(
        maps,
        maps,
        fc.boolean(),
        fc.infiniteStream(fc.boolean()),
        async (left, right, isLeft, draws) => {
          const side = isLeft ? left : right;
          const cuts = [
            0,
            ...Array.from({ length: side.length - 1 }, (_, i) => i + 1).filter(() => draws.next().value),
            side.length,
          ];
          const shuffle = shuffleId(isLeft ? 1 : 2);
          const model = left
            .flat()
            .flatMap(([key, l]) => right.flat().flatMap(([other, r]) => (other === key ? [[key, [l, r]]] : [])));
          const inOne = await join(left, right, { shuffle, cuts });
          expect(sorted(inOne)).toEqual(sorted(model));
          const parts = [];
          for (let i = 1; i < cuts.length; i++) {
            parts.push(...(await join(left, right, { shuffle, cuts: [cuts[i - 1]!, cuts[i]!] })));
          }
          expect(inOne).toEqual(parts);
        },
      ),
      { numRuns: 60 },
    );
  });
});
