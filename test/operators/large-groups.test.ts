// One key that memory does not hold: its values come out of the table in the same order and place as with much memory, as
// often as they are iterated; a join streams them; where they would leave the task as one array and do not fit, it fails.

import { describe, expect, test } from "vitest";
import { StoredValues } from "../../src/codec/stored-values.js";
import type { MillraceError } from "../../src/core/errors.js";
import { shuffleId } from "../../src/core/ids.js";
import { FragmentBuilder, LocalRun, shuffleInput } from "../support/task-context.js";

type Pair = readonly [unknown, unknown];
const BUDGETS = [64 * 1024, 2 ** 20, 32 * 2 ** 20, 2 ** 40];

/** `count` values of 64 bytes and more for the giant, with others before, between and after. */
function pairsOf(count: number, others: number): Pair[] {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    if (i % 7 === 3) pairs.push([`other ${(i * 31) % others}`, i]);
    pairs.push(["giant", `value ${i} ${"x".repeat(56)}`]);
  }
  for (let i = 0; i < others; i++) pairs.push([`other ${i}`, -i]);
  return pairs;
}

interface Ran {
  readonly run: LocalRun;
  readonly records: unknown[];
  readonly largeGroups: number;
}

/** Groups or cogroups in one task, with `operators` above. */
async function grouped(
  inputs: readonly (readonly Pair[])[],
  memoryBytes: number,
  above: (builder: FragmentBuilder, run: LocalRun) => FragmentBuilder,
): Promise<Ran> {
  const run = new LocalRun({ memoryBytes });
  const shuffles = [];
  for (const [i, records] of inputs.entries()) {
    const shuffle = shuffleId(i + 1);
    const map = new FragmentBuilder(1).source(run, [records]).to({
      kind: "shuffle",
      shuffle,
      partitioner: { kind: "hash", partitions: 1 },
      aggregator: null,
      pairs: true,
      flushBytes: 1 << 25,
    });
    await run.run(map, 1);
    shuffles.push(shuffleInput(shuffle, 1, false));
  }
  const base =
    inputs.length === 1
      ? new FragmentBuilder(1).add("combine", "groupByKey", { inputs: shuffles, aggregator: { kind: "group" } })
      : new FragmentBuilder(1).add("cogroup", "cogroup", { inputs: shuffles });
  const fragment = above(base, run).to({ kind: "action", action: { kind: "collect", limit: null } });
  const results = await run.run(fragment, 1);
  run.assertNothingLeft();
  return {
    run,
    records: results.flatMap((result) => run.records(result)),
    largeGroups: run.spills.reduce((sum, spill) => sum + spill.largeGroups, 0),
  };
}

describe.each([
  ["a key between many", pairsOf(60_000, 3000)],
  ["a key almost alone", pairsOf(60_000, 2)],
] as const)("%s", (_name, pairs) => {
  test("groupByKey gives the same groups in the same order with any memory, iterated twice in a lazy chain", async () => {
    const answers = [];
    for (const budget of BUDGETS) {
      const { records, largeGroups } = await grouped([pairs], budget, (builder, run) =>
        builder.narrow({ op: "mapValues", fn: run.fn((values: Iterable<unknown>) => values) }).narrow({
          op: "map",
          fn: run.fn(([key, values]: [string, Iterable<unknown>]) => {
            let count = 0;
            let digest = "";
            for (const value of values) digest = `${digest.length}${++count}${String(value)}`;
            let again = 0;
            for (const _ of values) again++;
            return [key, count, again, digest];
          }),
        }),
      );
      answers.push({ records, large: largeGroups > 0 });
    }
    expect(answers.map(({ large }) => large)).toEqual([true, true, false, false]);
    for (const { records } of answers) expect(records).toEqual(answers.at(-1)?.records);
    expect(answers[0]?.records).toContainEqual(expect.arrayContaining(["giant", 60_000]));
  });

  test("flatMap streams them out", async () => {
    const flat = async (budget: number) => {
      const { records } = await grouped([pairs], budget, (builder, run) =>
        builder.narrow({ op: "flatMapValues", fn: run.fn((values: Iterable<unknown>) => values) }),
      );
      return records;
    };
    expect(await flat(64 * 1024)).toEqual(await flat(2 ** 40));
  });

  test("a group that fits becomes an array where it leaves the task", async () => {
    const collect = (budget: number) => grouped([pairs], budget, (builder) => builder);
    const tight = await collect(5 * 2 ** 20);
    expect(tight.largeGroups).toBe(1);
    expect(tight.records).toEqual((await collect(2 ** 40)).records);
  });

  test("a join with a small side streams the huge one, whichever it is", async () => {
    const small: Pair[] = [
      ["other 1", "one"],
      ["giant", "two"],
      ["giant", "three"],
    ];
    for (const inputs of [
      [pairs, small],
      [small, pairs],
    ]) {
      const joined = (budget: number) => grouped(inputs, budget, (builder) => builder.narrow({ op: "joinPairs" }));
      const tight = await joined(64 * 1024);
      expect(tight.largeGroups).toBeGreaterThan(0);
      expect(tight.records).toEqual((await joined(2 ** 40)).records);
    }
  });
});

test("one that does not fit fails where it would leave the task, and says which key, where, how large", async () => {
  const pairs = pairsOf(120_000, 10);
  const error = (await grouped([pairs], 64 * 1024, (builder) => builder).catch(
    (thrown: unknown) => thrown,
  )) as MillraceError;
  expect(error).toMatchObject({
    code: "GROUP_TOO_LARGE",
    fields: { operator: "groupByKey at program.ts:7:3", partition: 0, key: '"giant"', values: 120_000 },
  });
  expect(error.message).toMatch(/the key "giant" has 120000 values of about \d+(?:\.\d)? MiB, more than the 4 MiB/);
  expect(error.fields.bytes).toBeGreaterThan(7_000_000);
});

test("what is stored is an iterable and no array", async () => {
  const { records } = await grouped([pairsOf(60_000, 2)], 64 * 1024, (builder, run) =>
    builder.narrow({
      op: "map",
      fn: run.fn(([key, values]: [string, unknown]) => [key, Array.isArray(values), values instanceof StoredValues]),
    }),
  );
  expect(records).toContainEqual(["giant", false, true]);
});
