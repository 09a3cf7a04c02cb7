// A random program: a lineage of narrow steps, exchanges, unions and coalesces over range sources, some nodes persisted, and a
// few jobs over it, of which later ones share shuffles and cached partitions with earlier ones.

import { blobHash, type NodeId, nodeId } from "../../src/core/ids.js";
import type { CallSite, FunctionRef } from "../../src/plan/function.js";
import type { ActionSpec, LineageNode, Operator, PartitionerSpec, StorageLevel } from "../../src/plan/lineage.js";
import type { Split } from "../../src/plan/stages.js";
import type { Random } from "./random.js";

export interface SimulatedJob {
  readonly root: NodeId;
  readonly action: ActionSpec;
  /** ms of virtual time after the session opened. */
  readonly atMs: number;
  readonly cancelAtMs: number | null;
}

/** What the driver does beside its jobs, in ms after the session opened. */
export interface DriverStep {
  readonly atMs: number;
  readonly kind: "unpersist" | "release" | "close";
}

export interface Program {
  readonly nodes: ReadonlyMap<NodeId, LineageNode>;
  readonly splits: ReadonlyMap<NodeId, readonly Split[]>;
  readonly storage: ReadonlyMap<NodeId, StorageLevel>;
  readonly jobs: readonly SimulatedJob[];
  readonly steps: readonly DriverStep[];
}

export const site: CallSite = { file: "/simulated.ts", line: 1, column: 1, method: "simulated" };

function fn(code: number): FunctionRef {
  return { hash: blobHash(`f${code}`), bytes: new Uint8Array(0), async: false, name: String(code) };
}

export function randomProgram(random: Random): Program {
  const nodes = new Map<NodeId, LineageNode>();
  const splits = new Map<NodeId, readonly Split[]>();
  const storage = new Map<NodeId, StorageLevel>();
  const add = (make: (id: NodeId) => LineageNode): NodeId => {
    const id = nodeId(nodes.size + 1);
    nodes.set(id, make(id));
    if (random.chance(0.15)) storage.set(id, "MEMORY_ONLY");
    return id;
  };
  const source = () => {
    const parts = 1 + random.below(5);
    const id = add((id) => ({
      id,
      callSite: site,
      kind: "source",
      source: { kind: "range", start: 0, end: 1, step: 1, slices: parts },
    }));
    splits.set(
      id,
      Array.from({ length: parts }, (_, i) => ({ kind: "range", start: i * 7, step: 1, count: random.below(9) })),
    );
    return id;
  };
  // Summed and sorted: the order of a join's records depends on the parts that it is made in, which the model does not know.
  const joined = (left: NodeId, right: NodeId) => {
    const hash: PartitionerSpec = { kind: "hash", partitions: 1 + random.below(5) };
    const cogroup = add((id) => ({ id, callSite: site, kind: "cogroup", parents: [left, right], partitioner: hash }));
    // Groups are numbers here: only what has not been grouped can be paired.
    storage.delete(cogroup);
    const operator: Operator = { op: "joinPairs" };
    const pairs = add((id) => ({
      id,
      callSite: site,
      kind: "narrow",
      parent: cogroup,
      operator,
      preservesPartitioning: false,
    }));
    const sums = add((id) => ({
      id,
      callSite: site,
      kind: "combine",
      parent: pairs,
      partitioner: { kind: "hash", partitions: 1 + random.below(4) },
      aggregator: { kind: "reduce", merge: fn(1) },
      mapSideCombine: random.chance(0.7),
    }));
    return add((id) => ({
      id,
      callSite: site,
      kind: "exchange",
      parent: sums,
      partitioner: { kind: "range", partitions: 1 + random.below(4), ascending: true },
      sort: "ascending",
      pairs: true,
    }));
  };
  const pool = [source(), source()];
  const operations = 2 + random.below(9);
  for (let i = 0; i < operations; i++) {
    // Mostly the latest: chains, not bushes.
    const parent = random.chance(0.6) ? (pool.at(-1) as NodeId) : random.pick(pool);
    if (random.chance(0.15)) pool.push(joined(parent, random.pick(pool)));
    else pool.push(add((id) => randomNode(random, id, parent, random.pick(pool))));
  }
  const jobs = Array.from({ length: 1 + random.below(3) }, (): SimulatedJob => {
    const action = randomAction(random);
    return {
      root: random.pick(pool.slice(-4)),
      action,
      atMs: random.below(400),
      cancelAtMs: random.chance(0.06) ? 400 + random.below(300) : null,
    };
  });
  const steps: DriverStep[] = [];
  for (const kind of ["unpersist", "release"] as const) {
    if (random.chance(0.3)) steps.push({ kind, atMs: random.below(600) });
  }
  if (random.chance(0.05)) steps.push({ kind: "close", atMs: 50 + random.below(500) });
  return { nodes, splits, storage, jobs, steps };
}

function randomAction(random: Random): ActionSpec {
  if (random.chance(0.25)) return { kind: "collect", limit: 1 + random.below(12) };
  if (random.chance(0.25)) return { kind: "saveAsTextFile", url: "file:///out", compression: "none" };
  return { kind: "collect", limit: null };
}

function randomNode(random: Random, id: NodeId, parent: NodeId, other: NodeId): LineageNode {
  const base = { id, callSite: site };
  const partitions = random.chance(0.3) ? null : 1 + random.below(5);
  const hash: PartitionerSpec = { kind: "hash", partitions };
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2: {
      const op = random.pick(["map", "filter", "flatMap", "mapValues"] as const);
      const operator: Operator = { op, fn: fn(random.below(50)) };
      return {
        ...base,
        kind: "narrow",
        parent,
        operator,
        preservesPartitioning: op === "filter" || op === "mapValues",
      };
    }
    case 3:
      return { ...base, kind: "union", parents: [parent, other] };
    case 4:
      return { ...base, kind: "coalesce", parent, partitions: 1 + random.below(4) };
    case 5:
    case 6:
      return {
        ...base,
        kind: "combine",
        parent,
        partitioner: hash,
        aggregator: { kind: "reduce", merge: fn(1) },
        mapSideCombine: random.chance(0.7),
      };
    case 7:
      return { ...base, kind: "cogroup", parents: [parent, other], partitioner: hash };
    default: {
      if (random.chance(0.4))
        return {
          ...base,
          kind: "exchange",
          parent,
          partitioner: { kind: "roundRobin", partitions },
          sort: null,
          pairs: false,
        };
      const partitioner: PartitionerSpec = { kind: "range", partitions, ascending: true };
      return { ...base, kind: "exchange", parent, partitioner, sort: "ascending", pairs: true };
    }
  }
}
