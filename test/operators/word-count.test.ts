import { expect, test } from "vitest";
import { shuffleId } from "../../src/core/ids.js";
import { FragmentBuilder, LocalRun, shuffleInput } from "../support/task-context.js";

const lines = [
  ["the quick brown fox", "the lazy dog"],
  ["the end", "", "quick quick"],
];

async function wordCount(memoryBytes?: number) {
  const run = new LocalRun(memoryBytes === undefined ? {} : { memoryBytes });
  const aggregator = { kind: "reduce", merge: run.fn((a, b) => a + b) } as const;
  const shuffle = shuffleId(1);
  const map = new FragmentBuilder(2)
    .source(run, lines)
    .narrow({ op: "flatMap", fn: run.fn((line) => line.split(" ")) })
    .narrow({ op: "filter", fn: run.fn((word) => word !== "") })
    .narrow({ op: "map", fn: run.fn((word) => [word, 1]) })
    .to({
      kind: "shuffle",
      shuffle,
      partitioner: { kind: "hash", partitions: 3 },
      aggregator,
      pairs: true,
      flushBytes: 1 << 25,
    });
  const outputs = await run.run(map, 2);
  const reduce = new FragmentBuilder(3)
    .add("combine", "reduceByKey", { inputs: [shuffleInput(shuffle, 2, true)], aggregator })
    .to({ kind: "action", action: { kind: "collect", limit: null } });
  const records = await run.collect(reduce, 3);
  run.assertNothingLeft();
  return { outputs, records };
}

test("a word count over two map tasks and three reduce partitions", async () => {
  const { outputs, records } = await wordCount();
  expect(new Map(records as [string, number][])).toEqual(
    new Map([
      ["the", 3],
      ["quick", 3],
      ["brown", 1],
      ["fox", 1],
      ["lazy", 1],
      ["dog", 1],
      ["end", 1],
    ]),
  );
  expect(outputs.map((output) => output.records)).toEqual([6, 3]);
});
