// groupByKey of ten million pairs of about a million keys: every value travels. Of each group the span of its values is taken;
// the value has their sums, one of them weighted by the key, and the number of groups and of all values.

import { lines, pairOfNumbers } from "./lines.js";
import type { Workload } from "./workload.js";

type Sums = readonly [groups: number, records: number, span: number, weighted: number];

export const groupByKey: Workload = {
  title: "groupByKey of 10 M pairs, from text",
  input: "pairs",
  async run(session, { input }) {
    const sums = await session
      .textFile(input)
      .map(pairOfNumbers)
      .groupByKey()
      .mapValues(sizeAndSpan)
      .aggregate<Sums>([0, 0, 0, 0], addGroup, (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]);
    return () => named(sums);
  },
  plain({ input }) {
    const groups = new Map<number, number[]>();
    for (const line of lines(input)) {
      const [key, value] = pairOfNumbers(line);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [value]);
      else group.push(value);
    }
    let sums: Sums = [0, 0, 0, 0];
    for (const [key, values] of groups) sums = addGroup(sums, [key, sizeAndSpan(values)]);
    return () => named(sums);
  },
};

function sizeAndSpan(values: Iterable<number>): readonly [number, number] {
  let size = 0;
  let least = Infinity;
  let greatest = -Infinity;
  for (const value of values) {
    size++;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return [size, greatest - least];
}

function addGroup(sums: Sums, [key, [size, span]]: readonly [number, readonly [number, number]]): Sums {
  return [sums[0] + 1, sums[1] + size, sums[2] + span, sums[3] + span * ((key % 1_000) + 1)];
}

function named([groups, records, span, weighted]: Sums) {
  return { groups, records, span, weighted };
}
