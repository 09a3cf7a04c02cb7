// PageRank, ten iterations from a text of edges, in Spark's textbook form: links grouped and kept, join, reduceByKey. A node
// that nobody links to has no rank after the first iteration, in every engine alike.

import { readFileSync } from "node:fs";
import type { Value, Workload } from "./workload.js";

const ITERATIONS = 10;
const PARTITIONS = 8;

export const pagerank: Workload = {
  title: "PageRank, 10 iterations, 4 M edges from text",
  input: "edges",
  async run(session, { input }) {
    const links = session
      .textFile(input)
      .map((line) => {
        const space = line.indexOf(" ");
        return [Number(line.slice(0, space)), Number(line.slice(space + 1))];
      })
      .groupByKey(PARTITIONS)
      .cache();
    let ranks = links.mapValues(() => 1);
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      ranks = links
        .join(ranks)
        .flatMap(([, [targets, rank]]) => {
          const all = Array.isArray(targets) ? (targets as readonly number[]) : [...targets];
          const share = rank / all.length;
          return all.map((target) => [target, share] as const);
        })
        .reduceByKey((a, b) => a + b, PARTITIONS)
        .mapValues((sum) => 0.15 + 0.85 * sum);
    }
    const all = await ranks.collect();
    links.unpersist();
    return () => summary(all);
  },
  plain({ input }) {
    const edges = parseEdges(readFileSync(input));
    const nodes = edges.reduce((greatest, node) => Math.max(greatest, node), 0) + 1;
    const degree = new Uint32Array(nodes);
    for (let at = 0; at < edges.length; at += 2) degree[edges[at]!]!++;
    // NaN: no rank, as a node that is missing from the join.
    let ranks = Float64Array.from(degree, (links) => (links > 0 ? 1 : Number.NaN));
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      const sums = new Float64Array(nodes).fill(Number.NaN);
      for (let at = 0; at < edges.length; at += 2) {
        const rank = ranks[edges[at]!]!;
        if (Number.isNaN(rank)) continue;
        const target = edges[at + 1]!;
        const share = rank / degree[edges[at]!]!;
        sums[target] = Number.isNaN(sums[target]!) ? share : sums[target]! + share;
      }
      ranks = sums.map((sum) => 0.15 + 0.85 * sum);
    }
    return () => summary([...ranks].flatMap((rank, node) => (Number.isNaN(rank) ? [] : [[node, rank] as const])));
  },
};

function summary(ranks: readonly (readonly [number, number])[]): Value {
  let sum = 0;
  let weighted = 0;
  let greatest = 0;
  for (const [node, rank] of [...ranks].sort((a, b) => a[0] - b[0])) {
    sum += rank;
    // Two nodes with each other's ranks would not show in the plain sum.
    weighted += rank * ((node % 1000) + 1);
    greatest = Math.max(greatest, rank);
  }
  return { nodes: ranks.length, sum, weighted, greatest };
}

function parseEdges(bytes: Buffer): Uint32Array {
  const numbers = new Uint32Array(bytes.length);
  let count = 0;
  let number = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte > 32) {
      number = number * 10 + byte - 48;
    } else {
      numbers[count++] = number;
      number = 0;
    }
  }
  return numbers.subarray(0, count);
}
