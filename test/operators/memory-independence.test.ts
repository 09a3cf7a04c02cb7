// Whatever memory a task has, its results are the same: values, order, float sums to the last bit. Each property runs one program with
// a budget of 1 byte (everything beyond the operators' floor spills), one of 1 MiB, and one without limit.

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keysEqual } from "../../src/codec/keys.js";
import { shuffleId } from "../../src/core/ids.js";
import type { Aggregator } from "../../src/plan/lineage.js";
import type { FragmentNode } from "../../src/plan/stages.js";
import { FragmentBuilder, LocalRun, shuffleInput } from "../support/task-context.js";

type Pair = [unknown, unknown];
const BUDGETS = [1, 2 ** 20, 2 ** 40];

/** Some thousand pairs from a seed: keys of several kinds, values that are sensitive to the order of addition. */
function pairsOf(seed: number, count: number, distinct: number, kinds: number): Pair[] {
  let state = seed | 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
  const key = (n: number): unknown => {
    switch (n % kinds) {
      case 0:
        return `key-${n}-${"x".repeat(n % 37)}`;
      case 1:
        return n % 3 === 0 ? n + 0.5 : n;
      case 2:
        return [n, `part ${n}`];
      case 3:
        return `ключ ${n}`;
      default:
        return n % 2 === 0 ? BigInt(n) : { b: n, a: null };
    }
  };
  return Array.from({ length: count }, () => [
    key(Math.floor(next() ** 2 * distinct)),
    (next() - 0.5) * 10 ** (next() * 12),
  ]);
}

const workload = fc.record({
  seed: fc.integer(),
  count: fc.integer({ min: 0, max: 9000 }),
  distinct: fc.integer({ min: 1, max: 6000 }),
  kinds: fc.integer({ min: 1, max: 5 }),
});

/** Enough to spill on every level, in every run of the tests. */
const LARGE = { seed: 42, count: 40_000, distinct: 30_000, kinds: 5 };

function cut<T>(records: readonly T[], parts: number): T[][] {
  const size = Math.ceil(records.length / parts) || 1;
  return Array.from({ length: parts }, (_, i) => records.slice(i * size, (i + 1) * size));
}

interface Answer {
  readonly records: Pair[];
  readonly spilled: number;
}

interface Program {
  readonly inputs: readonly (readonly Pair[])[];
  readonly aggregator: (run: LocalRun) => Aggregator | null;
  readonly mapSide: boolean;
  readonly flushBytes: number;
  readonly reduce: (run: LocalRun) => Partial<FragmentNode> & { readonly kind: FragmentNode["kind"] };
  /** The groups of a cogroup are paired. */
  readonly join?: boolean;
}

const MAPS = 3;
const REDUCES = 2;

async function execute(program: Program, memoryBytes: number): Promise<Answer> {
  const run = new LocalRun({ memoryBytes });
  const aggregator = program.aggregator(run);
  const inputs = [];
  for (const [i, records] of program.inputs.entries()) {
    const shuffle = shuffleId(i + 1);
    const fragment = new FragmentBuilder(MAPS).source(run, cut(records, MAPS)).to({
      kind: "shuffle",
      shuffle,
      partitioner: { kind: "hash", partitions: REDUCES },
      aggregator: program.mapSide ? aggregator : null,
      pairs: true,
      flushBytes: program.flushBytes,
    });
    await run.run(fragment, MAPS);
    inputs.push(shuffleInput(shuffle, MAPS, program.mapSide));
  }
  const { kind, ...rest } = program.reduce(run);
  const reduced = new FragmentBuilder(REDUCES).add(kind, kind, {
    inputs,
    ...(aggregator === null ? {} : { aggregator }),
    ...rest,
  });
  const reduce = (program.join === true ? reduced.narrow({ op: "joinPairs" }) : reduced).to({
    kind: "action",
    action: { kind: "collect", limit: null },
  });
  const results = await run.run(reduce, REDUCES);
  run.assertNothingLeft();
  return {
    records: results.flatMap((result) => run.records(result)) as Pair[],
    spilled: run.spilledBytes,
  };
}

/** The greatest budget is to be wide enough for everything. */
async function sameWithAnyMemory(program: Program, budgets: readonly number[] = BUDGETS): Promise<Answer> {
  const answers: Answer[] = [];
  for (const budget of budgets) answers.push(await execute(program, budget));
  const wide = answers.at(-1) as Answer;
  expect(wide.spilled).toBe(0);
  // Object.is on every number: the last bit of a sum and the sign of a zero count.
  for (const { records } of answers) expect(isDeepStrictEqual(records, wide.records)).toBe(true);
  return { ...wide, spilled: (answers[0] as Answer).spilled };
}

/** Lists, strings and objects that grow with every record of their key. */
const growing: Readonly<Record<string, (run: LocalRun) => Aggregator>> = {
  "lists, as created by the first value": (run) => ({
    kind: "functions",
    create: run.fn((v) => [v]),
    mergeValue: run.fn((list, v) => {
      list.push(v);
      return list;
    }),
    mergeCombiners: run.fn((a, b) => a.concat(b)),
  }),
  "lists in a zero value": (run) => ({
    kind: "aggregate",
    zero: run.zero({ list: [], sum: 0 }),
    seq: run.fn((c, v) => {
      c.list.push(v);
      c.sum += v;
      return c;
    }),
    comb: run.fn((a, b) => ({ list: [...a.list, ...b.list], sum: a.sum + b.sum })),
  }),
  // A reduce of what does not look like a list: each string is the whole history of its key.
  strings: (run) => ({ kind: "reduce", merge: run.fn((a, b) => `${a} ${b}`) }),
};

const reduceNode = { kind: "combine" } as const;

/** Keys with their values in order, in the order of first occurrence. */
function grouped(records: readonly Pair[]): [unknown, unknown[]][] {
  const groups: [unknown, unknown[]][] = [];
  const simple = new Map<unknown, [unknown, unknown[]]>();
  const complex: [unknown, unknown[]][] = [];
  for (const [key, value] of records) {
    const isSimple = typeof key !== "object" || key === null;
    let group = isSimple ? simple.get(key) : complex.find(([other]) => keysEqual(other, key));
    if (group === undefined) {
      group = [key, []];
      groups.push(group);
      if (isSimple) simple.set(key, group);
      else complex.push(group);
    }
    group[1].push(value);
  }
  return groups;
}

describe("results do not depend on memory", () => {
  test("reduce with map-side combine, flushed and not", async () => {
    let spilled = 0;
    await fc.assert(
      fc.asyncProperty(workload, fc.constantFrom(3_000, 100_000, 1 << 25), async (load, flushBytes) => {
        const answer = await sameWithAnyMemory({
          inputs: [pairsOf(load.seed, load.count, load.distinct, load.kinds)],
          aggregator: (run) => ({ kind: "reduce", merge: run.fn((a, b) => a + b) }),
          mapSide: true,
          flushBytes,
          reduce: () => reduceNode,
        });
        spilled += answer.spilled;
      }),
      {
        numRuns: 5,
        examples: [
          [LARGE, 1 << 25],
          [LARGE, 500_000],
        ],
      },
    );
    expect(spilled).toBeGreaterThan(0);
  });

  test("reduce, aggregate and create give the left fold of each key's values", async () => {
    await fc.assert(
      fc.asyncProperty(workload, fc.constantFrom("reduce", "aggregate", "functions", "first"), async (load, kind) => {
        const records = pairsOf(load.seed, load.count, load.distinct, Math.min(2, load.kinds));
        const answer = await sameWithAnyMemory({
          inputs: [records],
          aggregator: (run) => {
            if (kind === "reduce") return { kind, merge: run.fn((a, b) => a * 0.5 + b) };
            if (kind === "first") return { kind };
            const seq = run.fn((sums: number[], v: number) => [(sums[0] as number) * 0.5 + v, (sums[1] as number) + 1]);
            if (kind === "aggregate") return { kind, zero: run.zero([0, 0]), seq, comb: seq };
            return { kind, create: run.fn((v) => [v, 1]), mergeValue: seq, mergeCombiners: seq };
          },
          mapSide: false,
          flushBytes: 1 << 25,
          reduce: () => reduceNode,
        });
        const expected = grouped(records).map(([key, values]) => {
          const numbers = values as number[];
          const folded = (start: number) =>
            numbers.slice(start).reduce((a, b) => a * 0.5 + b, start === 0 ? 0 : (numbers[0] as number));
          if (kind === "first") return [key, numbers[0]];
          if (kind === "reduce") return [key, folded(1)];
          return [key, [kind === "aggregate" ? folded(0) : folded(1), numbers.length]];
        });
        expect(isDeepStrictEqual(sortedByKey(answer.records), sortedByKey(expected as Pair[]))).toBe(true);
      }),
      { numRuns: 6, examples: [[{ ...LARGE, count: 20_000, distinct: 15_000 }, "functions"]] },
    );
  });

  describe.each(Object.entries(growing))("%s", (_name, aggregator) => {
    // Of 300 keys the table takes less than the operators' floor: what spills are combiners that have grown.
    const keysAlone = { seed: 7, count: 60_000, distinct: 300 };
    const budgets = [1, 64 * 1024, 256 * 1024, 2 ** 40];

    test.each([
      [false, 1 << 25],
      [true, 1 << 25],
      [true, 9_000],
    ])("that grow are put aside and continued (map side %s, flushed by %d bytes)", async (mapSide, flushBytes) => {
      let spilled = 0;
      const some = fc.record({
        seed: fc.integer(),
        count: fc.integer({ min: 0, max: 40_000 }),
        distinct: fc.integer({ min: 1, max: 3_000 }),
        kinds: fc.integer({ min: 1, max: 5 }),
      });
      await fc.assert(
        fc.asyncProperty(some, async (load) => {
          const inputs = [pairsOf(load.seed, load.count, load.distinct, load.kinds)];
          const program = { inputs, aggregator, mapSide, flushBytes, reduce: () => reduceNode };
          spilled += (await sameWithAnyMemory(program, budgets)).spilled;
        }),
        { numRuns: 2, examples: [[{ ...keysAlone, kinds: 5 }], [{ ...keysAlone, kinds: 1, distinct: 3 }]] },
      );
      if (flushBytes > 9_000) expect(spilled).toBeGreaterThan(0);
    });
  });

  test("group", async () => {
    let spilled = 0;
    await fc.assert(
      fc.asyncProperty(workload, async (load) => {
        const records = pairsOf(load.seed, load.count, load.distinct, Math.min(2, load.kinds));
        const answer = await sameWithAnyMemory({
          inputs: [records],
          aggregator: () => ({ kind: "group" }),
          mapSide: false,
          flushBytes: 1 << 25,
          reduce: () => reduceNode,
        });
        spilled += answer.spilled;
        expect(isDeepStrictEqual(sortedByKey(answer.records), sortedByKey(grouped(records)))).toBe(true);
      }),
      { numRuns: 5, examples: [[{ ...LARGE, count: 15_000 }]] },
    );
    expect(spilled).toBeGreaterThan(0);
  });

  test("cogroup", async () => {
    let spilled = 0;
    await fc.assert(
      fc.asyncProperty(workload, workload, async (one, two) => {
        const left = pairsOf(one.seed, one.count, one.distinct, 2);
        const right = pairsOf(two.seed, two.count, two.distinct, 2);
        const answer = await sameWithAnyMemory({
          inputs: [left, right],
          aggregator: () => null,
          mapSide: false,
          flushBytes: 1 << 25,
          reduce: () => ({ kind: "cogroup" }),
        });
        spilled += answer.spilled;
        const lefts = new Map(grouped(left) as [unknown, unknown[]][]);
        const rights = new Map(grouped(right) as [unknown, unknown[]][]);
        const keys = new Set([...lefts.keys(), ...rights.keys()]);
        const expected = [...keys].map((key) => [key, [lefts.get(key) ?? [], rights.get(key) ?? []]]);
        expect(isDeepStrictEqual(sortedByKey(answer.records), sortedByKey(expected as Pair[]))).toBe(true);
      }),
      { numRuns: 4, examples: [[{ ...LARGE, count: 15_000 }, LARGE]] },
    );
    expect(spilled).toBeGreaterThan(0);
  });

  test("join makes the pairs of a cogroup's groups, in their order", async () => {
    let spilled = 0;
    const some = fc.record({
      seed: fc.integer(),
      count: fc.integer({ min: 0, max: 4000 }),
      distinct: fc.integer({ min: 300, max: 4000 }),
    });
    await fc.assert(
      fc.asyncProperty(some, some, async (one, two) => {
        const program: Program = {
          inputs: [pairsOf(one.seed, one.count, one.distinct, 3), pairsOf(two.seed, two.count, two.distinct, 3)],
          aggregator: () => null,
          mapSide: false,
          flushBytes: 1 << 25,
          reduce: () => ({ kind: "cogroup" }),
        };
        const answer = await sameWithAnyMemory({ ...program, join: true });
        spilled += answer.spilled;
        const { records } = await execute(program, BUDGETS.at(-1) as number);
        const expected = (records as unknown as readonly [unknown, readonly [unknown[], unknown[]]][]).flatMap(
          ([key, [left, right]]) => left.flatMap((l) => right.map((r) => [key, [l, r]])),
        );
        expect(isDeepStrictEqual(answer.records, expected)).toBe(true);
      }),
      { numRuns: 4, examples: [[{ ...LARGE, count: 15_000 }, LARGE]] },
    );
    expect(spilled).toBeGreaterThan(0);
  });

  test("sort", async () => {
    let spilled = 0;
    await fc.assert(
      fc.asyncProperty(workload, fc.constantFrom("ascending" as const, "descending" as const), async (load, sort) => {
        const answer = await sameWithAnyMemory({
          inputs: [pairsOf(load.seed, load.count, load.distinct, load.kinds)],
          aggregator: () => null,
          mapSide: false,
          flushBytes: 1 << 25,
          reduce: () => ({ kind: "exchange", sort }),
        });
        spilled += answer.spilled;
        expect(answer.records.length).toBe(load.count);
      }),
      { numRuns: 5, examples: [[{ ...LARGE, count: 15_000 }, "ascending"]] },
    );
    expect(spilled).toBeGreaterThan(0);
  });
});

function sortedByKey(records: readonly Pair[]): Pair[] {
  return [...records].sort(([a], [b]) => (`${typeof a}${String(a)}` < `${typeof b}${String(b)}` ? -1 : 1));
}
