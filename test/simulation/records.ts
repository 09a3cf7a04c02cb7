// What simulated tasks compute: records are pairs of small integers, functions are named by a number in FunctionRef.name.
// The model (whole lineage at once) and the simulated slots (one fragment, one partition) share these and nothing else.

import type { Operator } from "../../src/plan/lineage.js";

export type Pair = readonly [key: number, value: number];

const PRIME = 10007;

export function applyOperator(operator: Operator, records: readonly Pair[]): Pair[] {
  const code = "fn" in operator ? Number(operator.fn.name) : 0;
  switch (operator.op) {
    case "map":
      return records.map(([k, v]) => [(k * 3 + code) % 23, (v * 7 + code) % PRIME]);
    case "filter":
      return records.filter(([k, v]) => (k + v + code) % 3 !== 0);
    case "flatMap":
      return records.flatMap(([k, v]): Pair[] =>
        v % 2 === 0
          ? [
              [k, v],
              [(k + code) % 23, v + 1],
            ]
          : [],
      );
    case "mapValues":
      return records.map(([k, v]) => [k, (v + code) % PRIME]);
    default:
      throw new Error(`the simulation has no operator ${operator.op}`);
  }
}

/** First-come order of keys, as a table that is filled in map order gives. */
export function sumByKey(records: readonly Pair[]): Pair[] {
  const sums = new Map<number, number>();
  for (const [k, v] of records) sums.set(k, ((sums.get(k) ?? 0) + v) % PRIME);
  return [...sums];
}

/** One number stands for the lists of values of all parents, so that their order counts. */
export function cogroup(inputs: readonly (readonly Pair[])[]): Pair[] {
  const groups = new Map<number, number>();
  inputs.forEach((records, parent) => {
    for (const [k, v] of records) groups.set(k, ((groups.get(k) ?? 1) * 31 + v + parent * 101) % PRIME);
  });
  return [...groups];
}

/** Every pair of records with the same key, as one number; keys in the order of the left side. */
export function joinPairs(left: readonly Pair[], right: readonly Pair[]): Pair[] {
  const groups = new Map<number, [number[], number[]]>();
  for (const [k, v] of left) groups.set(k, [[...(groups.get(k)?.[0] ?? []), v], []]);
  for (const [k, v] of right) groups.get(k)?.[1].push(v);
  return [...groups].flatMap(([k, [ls, rs]]) => ls.flatMap((l) => rs.map((r): Pair => [k, (l * 13 + r) % PRIME])));
}

export function sortPairs(records: readonly Pair[], direction: "ascending" | "descending"): Pair[] {
  const sign = direction === "ascending" ? 1 : -1;
  return [...records].sort((a, b) => sign * (a[0] - b[0]));
}

export function place(
  kind: "hash" | "range" | "roundRobin" | "custom",
  partitions: number,
  bounds: readonly number[],
  key: number,
  turn: number,
): number {
  if (kind === "roundRobin") return turn % partitions;
  if (kind !== "range") return (key * 2654435761) % partitions;
  let at = 0;
  while (at < bounds.length && key > (bounds[at] as number)) at++;
  return at;
}

/** At most partitions - 1 bounds from all distinct keys. */
export function boundsOf(keys: readonly number[], partitions: number): number[] {
  const sorted = [...new Set(keys)].sort((a, b) => a - b);
  const bounds: number[] = [];
  for (let i = 1; i < partitions; i++) {
    const at = sorted[Math.floor((i * sorted.length) / partitions)];
    if (at !== undefined && at !== bounds.at(-1)) bounds.push(at);
  }
  return bounds;
}

export function sourceRecords(start: number, count: number): Pair[] {
  return Array.from({ length: count }, (_, i) => [((start + i) * 5) % 23, (start + i) % PRIME]);
}
