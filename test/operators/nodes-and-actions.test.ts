import { describe, expect, test } from "vitest";
import { printRecord } from "../../src/codec/print-record.js";
import { shuffleId, stageId } from "../../src/core/ids.js";
import { rangeBounds } from "../../src/operators/outputs/range-sample.js";
import type { ActionSpec } from "../../src/plan/lineage.js";
import type { FragmentInput } from "../../src/plan/stages.js";
import { FragmentBuilder, LocalRun, shuffleInput } from "../support/task-context.js";

const COLLECT = { kind: "action", action: { kind: "collect", limit: null } } as const;
const action = (spec: ActionSpec) => ({ kind: "action", action: spec }) as const;

describe("nodes with several inputs", () => {
  test("a union reads partition p - offset of the input that owns p", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(2).source(run, [[1], [2]]);
    const left = builder.last;
    builder.source(run, [[3], [4], [5]]);
    const right = builder.last;
    const inputs: FragmentInput[] = [
      { kind: "narrow", node: left },
      { kind: "narrow", node: right },
    ];
    builder.add("union", "union", { inputs, offsets: [0, 2], partitions: 5 });
    builder.narrow({ op: "map", fn: run.fn((x) => x * 10) });
    expect(await run.collect(builder.to(COLLECT), 5)).toEqual([10, 20, 30, 40, 50]);
    run.assertNothingLeft();
  });

  test("a coalesce reads adjacent partitions in order", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(5)
      .source(run, [[1], [2, 3], [], [4], [5]])
      .narrow({ op: "map", fn: run.fn((x) => -x) })
      .add("coalesce", "coalesce", { partitions: 2, offsets: [0, 2] });
    const results = await run.run(builder.to(COLLECT), 2);
    expect(results.map((result) => run.records(result))).toEqual([
      [-1, -2, -3],
      [-4, -5],
    ]);
    run.assertNothingLeft();
  });

  test("a combine over an input that is partitioned already needs no shuffle", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(1)
      .source(run, [["a", "b", "a"]])
      .narrow({ op: "map", fn: run.fn((w) => [w, 1]) })
      .add("combine", "reduceByKey", { aggregator: { kind: "reduce", merge: run.fn((a, b) => a + b) } })
      .narrow({ op: "mapValues", fn: run.fn((n) => n * 10) });
    expect(await run.collect(builder.to(COLLECT), 1)).toEqual([
      ["a", 20],
      ["b", 10],
    ]);
    run.assertNothingLeft();
  });
});

describe("persisted nodes", () => {
  const build = (run: LocalRun, calls: { n: number }) =>
    new FragmentBuilder(1).source(run, [[1, 2, 3]]).narrow(
      {
        op: "map",
        fn: run.fn((x) => {
          calls.n++;
          return x + 1;
        }),
      },
      { storage: "MEMORY_ONLY" },
    );

  test("are computed once and then read", async () => {
    const run = new LocalRun();
    const calls = { n: 0 };
    const builder = build(run, calls).narrow({ op: "map", fn: run.fn((x) => x * 2) });
    expect(await run.collect(builder.to(COLLECT), 1)).toEqual([4, 6, 8]);
    expect(await run.collect(builder.to(COLLECT), 1)).toEqual([4, 6, 8]);
    expect(calls.n).toBe(3);
    run.assertNothingLeft();
  });

  test("are not committed by a partial read", async () => {
    const run = new LocalRun();
    const builder = build(run, { n: 0 });
    expect(await run.collect(builder.to(action({ kind: "collect", limit: 1 })), 1)).toEqual([2]);
    expect(run.cache.size).toBe(0);
  });
});

describe("actions on a partition", () => {
  const one = async (run: LocalRun, records: readonly unknown[], spec: ActionSpec) => {
    const result = await run.runTask(new FragmentBuilder(1).source(run, [records]).to(action(spec)), 0);
    run.assertNothingLeft();
    return result;
  };

  test("reduce gives no record for an empty partition, else the fold", async () => {
    const run = new LocalRun();
    const spec: ActionSpec = { kind: "reduce", fn: run.fn((a, b) => a - b) };
    expect(run.records(await one(run, [], spec))).toEqual([]);
    expect(run.records(await one(run, [10, 1, 2], spec))).toEqual([7]);
  });

  test("aggregate starts from a fresh zero", async () => {
    const run = new LocalRun();
    const seq = run.fn((list: number[], x: number) => {
      list.push(x);
      return list;
    });
    const spec: ActionSpec = { kind: "aggregate", zero: run.zero([]), seq };
    expect(run.records(await one(run, [1, 2], spec))).toEqual([[1, 2]]);
    expect(run.records(await one(run, [3], spec))).toEqual([[3]]);
  });

  test("top orders by the function's result, the earlier record first among equals", async () => {
    const run = new LocalRun();
    const words = Array.from({ length: 5000 }, (_, i) => `w${(i * 37) % 1000}`);
    const fn = run.fn((w: string) => w.length);
    const best = run.records(await one(run, words, { kind: "top", n: 3, fn, order: "greatest" }));
    expect(best).toEqual(words.filter((w) => w.length === 4).slice(0, 3));
    const least = run.records(await one(run, [3, 1, 2], { kind: "top", n: 2, fn: null, order: "least" }));
    expect(least).toEqual([1, 2]);
    expect(run.records(await one(run, [3, 1], { kind: "top", n: 0, fn: null, order: "least" }))).toEqual([]);
  });

  test("countByKey", async () => {
    const run = new LocalRun();
    const pairs = [
      ["a", "x"],
      [1, "y"],
      ["a", "z"],
    ];
    expect(run.records(await one(run, pairs, { kind: "countByKey" }))).toEqual([
      ["a", 2],
      [1, 1],
    ]);
  });

  test("foreachPartition gives the records once, and waits", async () => {
    const run = new LocalRun();
    const seen: unknown[] = [];
    const fn = run.fn(async (records: Iterable<unknown>) => {
      seen.push([...records]);
    });
    await one(run, [1, 2], { kind: "foreachPartition", fn });
    expect(seen).toEqual([[1, 2]]);
  });

  test("saveAsTextFile prints a record a line", async () => {
    const run = new LocalRun();
    const records = ["plain", ["key", 2], [["a"], { n: 1n }], 3.5, null, new Date(0)];
    const result = await one(run, records, { kind: "saveAsTextFile", url: "file:///out", compression: "none" });
    expect(result).toMatchObject({ kind: "file", final: "file:///out/part-00000", records: 6 });
    expect(run.files.get("file:///out/part-00000")).toBe(
      'plain\nkey\t2\n["a"]\t{"n":"1"}\n3.5\nnull\n1970-01-01T00:00:00.000Z\n',
    );
    expect(printRecord(new Map([[1, new Set([2])]]))).toBe("[[1,[2]]]");
    expect(printRecord(Buffer.from([1, 2, 3]))).toBe("[1,2,3]");
  });
});

test("a range sort over three map tasks orders all records", async () => {
  const run = new LocalRun();
  const records = Array.from({ length: 9000 }, (_, i): [number, number] => [(i * 7919) % 4001, i]);
  const parts = [0, 1, 2].map((i) => records.filter((_, at) => at % 3 === i));
  const source = () => new FragmentBuilder(3).source(run, parts);
  const sample = await run.run(source().to({ kind: "sampleKeys", size: 60, seed: 5 }), 3);
  expect(run.records(sample[0] as never)[0]).toBe(3000);
  run.values.set(
    stageId(1),
    sample.map((result) => (result as { bytes: Uint8Array }).bytes),
  );
  const bounds = await run.runTask(
    { nodes: [], output: { kind: "rangeBounds", of: stageId(1), partitions: 4 }, accumulators: [] },
    0,
  );
  run.values.set(stageId(2), [(bounds as { bytes: Uint8Array }).bytes]);
  const partitioner = { kind: "range", partitions: 4, ascending: true, bounds: stageId(2) } as const;
  const shuffle = shuffleId(1);
  const output = { kind: "shuffle", shuffle, partitioner, aggregator: null, pairs: true, flushBytes: 1 << 25 } as const;
  await run.run(source().to(output), 3);
  const reduce = new FragmentBuilder(4).add("exchange", "sortByKey", {
    inputs: [shuffleInput(shuffle, 3, false)],
    sort: "ascending",
  });
  const results = await run.run(reduce.to(COLLECT), 4);
  const sizes = results.map((result) => result.records);
  expect(Math.max(...sizes)).toBeLessThan(4 * Math.min(...sizes));
  const canonical = parts.flat().map((record, at) => ({ record, at }));
  canonical.sort((a, b) => a.record[0] - b.record[0] || a.at - b.at);
  expect(results.flatMap((result) => run.records(result))).toEqual(canonical.map(({ record }) => record));
  run.assertNothingLeft();
});

test("a repartition deals records out in turn and keeps them whole", async () => {
  const run = new LocalRun();
  const shuffle = shuffleId(1);
  await run.run(
    new FragmentBuilder(1).source(run, [[1, "a", [2, 3, 4], null, { x: 1 }]]).to({
      kind: "shuffle",
      shuffle,
      partitioner: { kind: "roundRobin", partitions: 2 },
      aggregator: null,
      pairs: false,
      flushBytes: 1 << 25,
    }),
    1,
  );
  const reduce = new FragmentBuilder(2).add("exchange", "repartition", {
    inputs: [shuffleInput(shuffle, 1, false)],
    sort: null,
  });
  expect(await run.collect(reduce.to(COLLECT), 2)).toEqual([1, [2, 3, 4], { x: 1 }, "a", null]);
});

test("range bounds weigh keys by the records they stand for, and part no equal keys", () => {
  const keys = (weight: number, ...list: number[]) => list.map((key) => ({ key, weight }));
  expect(rangeBounds([...keys(100, 1), ...keys(1, 2, 3, 4)], 3)).toEqual([1, 2]);
  expect(rangeBounds(keys(1, 5, 5, 5, 5), 3)).toEqual([5]);
  expect(rangeBounds([], 3)).toEqual([]);
});
