// What combiners are estimated to take on the heap, against what V8 says that they take.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { heapBytes } from "../../src/operators/combine/heap-bytes.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const COUNT = 20_000;

function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const text = (i: number, j: number) => `value number ${i * 31 + j} of a combiner that grows`;
const times = <T>(n: number, make: (j: number) => T) => Array.from({ length: n }, (_, j) => make(j));

/** As merge functions make them: one element after the other. */
const kinds: Readonly<Record<string, (i: number) => unknown>> = {
  "lists of 3 texts": (i) => {
    const list: string[] = [];
    for (let j = 0; j < 3; j++) list.push(text(i, j));
    return list;
  },
  "lists of 40 numbers": (i) => {
    const list: number[] = [];
    for (let j = 0; j < 40; j++) list.push(i + j + 0.5);
    return list;
  },
  "sets of 3 texts": (i) => new Set(times(3, (j) => text(i, j))),
  "sets of 50 numbers": (i) => new Set(times(50, (j) => i + j)),
  "maps of 10 texts to numbers": (i) => new Map(times(10, (j) => [text(i, j), j])),
  "texts joined of 10": (i) => times(10, (j) => text(i, j)).reduce((all, one) => all + one),
  "objects with three fields": (i) => ({ sum: i + 0.5, count: i, name: text(i, 0) }),
  "objects with a list of objects": (i) => ({ seen: times(4, (j) => ({ at: i + j, what: text(i, j) })) }),
  "columns of 100 numbers": (i) => new Float64Array(100).fill(i),
};

test.each(Object.entries(kinds))("%s", (_name, make) => {
  const held: unknown[] = new Array(COUNT);
  const before = heldBytes();
  for (let i = 0; i < COUNT; i++) held[i] = make(i);
  const found = (heldBytes() - before) / COUNT;
  const estimated = held.reduce<number>((sum, one) => sum + heapBytes(one), 0) / COUNT;
  // Too much costs a spill that was not needed, too little the process.
  expect(estimated / found).toBeGreaterThan(0.75);
  expect(estimated / found).toBeLessThan(2.5);
});

test("of a large container few elements are looked at, spread over a list", () => {
  const list = times(100_000, (i) => (i % 2 === 0 ? "x".repeat(100) : 0));
  const looked = heapBytes(list) / list.length;
  expect(looked).toBeGreaterThan(60);
  expect(looked).toBeLessThan(300);
  expect(heapBytes(new Set(times(100_000, (i) => i)))).toBeGreaterThan(100_000 * 40);
});
