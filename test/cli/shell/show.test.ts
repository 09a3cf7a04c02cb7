// What the prompt shows of a value, and what it offers when Tab is pressed.

import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { complete } from "../../../src/cli/shell/complete.js";
import { showTable, showValue } from "../../../src/cli/shell/show.js";
import { MillraceError } from "../../../src/core/errors.js";
import { RDD } from "../../../src/rdd/rdd.js";
import { RddSession } from "../../../src/rdd/session.js";
import { openFakeSession } from "../../support/fake-session.js";

const options = { rows: 3, width: 80, colors: false };
const show = (value: unknown) => showValue(value, options, (one) => one instanceof RDD);

describe("a table", () => {
  test("of pairs, with the rows that the limit allows, numbers to the right", () => {
    const pairs = [
      ["a", 1],
      ["bcd", 20],
      ["e\n", 3],
      ["f", 4],
    ];
    expect(showTable(pairs, options)).toBe(
      [
        "┌─────┬───────┐",
        "│ key │ value │",
        "│ a   │     1 │",
        "│ bcd │    20 │",
        "│ e\\n │     3 │",
        "└─────┴───────┘",
        "... 1 more rows (.rows <n> shows so many)",
      ].join("\n"),
    );
  });

  test("of objects has every column that a row has", () => {
    expect(showTable([{ a: 1 }, { b: { c: [1, 2] } }], options)).toBe(
      [
        "┌───┬─────────────────┐",
        "│ a │ b               │",
        "│ 1 │                 │",
        "│   │ { c: [ 1, 2 ] } │",
        "└───┴─────────────────┘",
      ].join("\n"),
    );
  });

  test("keeps within the terminal, however long the values are", () => {
    const row = { one: "x".repeat(500), two: "y".repeat(500), three: "z".repeat(500) };
    const lines = showTable([row], { ...options, width: 60 })?.split("\n") ?? [];
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines[2]).toContain("x…");
  });

  test("is made of a Map, too, but of nothing that is no rows of one kind", async () => {
    expect(await show(new Map([["a", 1]]))).toMatch(/│ key │ value │\n│ a +│ +1 │/);
    for (const value of [
      [],
      [1, 2],
      [[1, 2], [3]],
      [[1, 2], { a: 1 }],
      [[1]],
      [{}],
      [null, { a: 1 }],
      ["ab"],
      [new Date(0)],
    ])
      expect(await show(value)).toBe(inspect(value));
  });
});

test("nothing is shown of undefined, and of an RDD no job is needed", async () => {
  expect(await show(undefined)).toBeNull();
  const { session } = await openFakeSession();
  const rdd = session.range(10, 20, 1, 4).setName("tens").cache();
  expect(await show(rdd)).toMatch(/^RDD \d+ "tens", range at show\.test\.ts:\d+:\d+: 4 partitions, MEMORY_ONLY$/);
  expect(session.statistics.jobs).toBe(0);
  await session.stop();
});

test("of an RDD whose partitions the master cannot count the reason is shown", async () => {
  class Lost extends RDD<number> {
    override numPartitions(): Promise<number> {
      return Promise.reject(new MillraceError("PATH_NOT_FOUND", "there is no a.txt"));
    }
  }
  const { session } = await openFakeSession();
  const rdd = session.range(3);
  Object.setPrototypeOf(rdd, Lost.prototype);
  expect(await show(rdd)).toMatch(/: its partitions are not known: PATH_NOT_FOUND: there is no a\.txt$/);
  await session.stop();
});

describe("Tab offers", () => {
  const classes = { rdd: RDD, session: RddSession };
  const commands = ["exit", "editor", "help"];
  let read = 0;
  const scope = Object.assign(Object.create(null) as object, {
    visits: Object.create(RDD.prototype) as object,
    session: Object.create(RddSession.prototype) as object,
    box: {
      inner: { deep: "text", list: [1] },
      get costly() {
        return ++read;
      },
    },
    _last: 1,
  });
  const offered = (text: string) => complete(text, scope, classes, commands);

  test.each<[string, string[], string]>([
    ["vis", ["visits"], "vis"],
    ["const a = vis", ["visits"], "vis"],
    ["visits.mapP", ["mapPartitions", "mapPartitionsWithIndex"], "mapP"],
    ["visits?.collectA", ["collectAsMap"], "collectA"],
    ["const n = await visits.sortByK", ["sortByKey"], "sortByK"],
    ["session.textF", ["textFile"], "textF"],
    ['session.textFile("a.b").reduceByK', ["reduceByKey"], "reduceByK"],
    ["f(visits.map((x) => [x, 1]).mapV", ["mapValues"], "mapV"],
    ["visits.map((x) => x.a).filter(Boolean).cache().treeR", ["treeReduce"], "treeR"],
    ["visits.count().th", ["then"], "th"],
    ["visits.numPartitions().fin", ["finally"], "fin"],
    ["box.inner.de", ["deep"], "de"],
    ["box.inner.deep.startsW", ["startsWith"], "startsW"],
    ["box.inner.list.at", ["at"], "at"],
    ['"a".padS', ["padStart"], "padS"],
    ["[1, 2].flatM", ["flatMap"], "flatM"],
    ["Math.cbr", ["cbrt"], "cbr"],
    ["awa", ["await"], "awa"],
    [".e", [".editor", ".exit"], ".e"],
    ["_la", ["_last"], "_la"],
    ['"visits.ma', [], "ma"],
    ["unknown.ma", [], "ma"],
    ["unknown().ma", [], "ma"],
    ["box.costly.toF", [], "toF"],
    ["1.5", [], "5"],
  ])("%s", (text, names, part) => {
    expect(offered(text)).toEqual([names, part]);
  });

  test("all methods after a dot, and runs nothing for it", () => {
    const [names] = offered("visits.");
    expect(names).toEqual(expect.arrayContaining(["map", "collect", "cache", "numPartitions"]));
    expect(names).not.toContain("constructor");
    expect(read).toBe(0);
  });

  test("no name that begins with an underscore, unless it is asked for", () => {
    expect(offered("")[0]).toContain("visits");
    expect(offered("")[0]).not.toContain("_last");
  });
});
