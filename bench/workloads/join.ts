// An inner join of ten million pairs with one row for most of their keys, both from text. Value: how many pairs came out, and
// the sum of their products, so that a pair too many shows as well as a wrong one.

import { lines, pairOfNumbers } from "./lines.js";
import type { Workload } from "./workload.js";

export const join: Workload = {
  title: "join of 10 M pairs with 1 M, from text",
  input: "pairs",
  second: "weights",
  async run(session, { input, second }) {
    const pairs = session.textFile(input).map(pairOfNumbers);
    const weights = session.textFile(second).map(pairOfNumbers);
    const [records, sum] = await pairs.join(weights).aggregate<readonly [number, number]>(
      [0, 0],
      ([count, total], [, [value, weight]]) => [count + 1, total + value * weight],
      (a, b) => [a[0] + b[0], a[1] + b[1]],
    );
    return () => ({ records, sum });
  },
  plain({ input, second }) {
    const weights = new Map<number, number>();
    for (const line of lines(second)) {
      const [key, weight] = pairOfNumbers(line);
      weights.set(key, weight);
    }
    let records = 0;
    let sum = 0;
    for (const line of lines(input)) {
      const [key, value] = pairOfNumbers(line);
      const weight = weights.get(key);
      if (weight === undefined) continue;
      records++;
      sum += value * weight;
    }
    return () => ({ records, sum });
  },
};
