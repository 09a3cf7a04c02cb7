// A random program: a lineage of narrow steps, exchanges, joins, groups, sorts, unions and coalesces over small collections, some
// nodes persisted at some level, and a few jobs over it, several at once, of which later ones share shuffles and cached partitions
// with earlier ones. Made so small that a sort's sample is all its keys: then the model (model.ts) knows its bounds.

import { RecordStreamWriter } from "../../../src/codec/stream.js";
import { noClasses } from "../../../src/core/class-registry.js";
import { type NodeId, nodeId } from "../../../src/core/ids.js";
import type { ActionSpec, LineageNode, Operator, PartitionerSpec, StorageLevel } from "../../../src/plan/lineage.js";
import type { Random } from "../world/random.js";
import { fn, KEYS, type Pair, PRIME, site } from "./functions.js";
import { Model } from "./model.js";

export interface SimulatedJob {
  readonly root: NodeId;
  readonly action: ActionSpec;
  /** ms after the session opened. */
  readonly atMs: number;
  readonly cancelAfterMs: number | null;
}

/** What the driver does beside its jobs, in ms after the session opened. */
export interface DriverStep {
  readonly atMs: number;
  readonly kind: "unpersist" | "release" | "close";
}

export interface Program {
  readonly nodes: ReadonlyMap<NodeId, LineageNode>;
  readonly storage: ReadonlyMap<NodeId, StorageLevel>;
  readonly jobs: readonly SimulatedJob[];
  readonly steps: readonly DriverStep[];
  readonly model: Model;
}

export interface ProgramTraits {
  /** Some functions give other records each time they run. */
  readonly isUnsteady: boolean;
  /** Joins may be divided: the order of their records is then not the model's. */
  readonly dividesJoins: boolean;
}

/** More records in one partition would make a sort's sample a choice, and answers large. */
const MAX_PARTITION = 19;
const MAX_RECORDS = 150;

export function randomProgram(random: Random, traits: ProgramTraits, outputUrl: (job: number) => string): Program {
  const builder = new ProgramBuilder(random, traits);
  const pool = [builder.start(), builder.start()];
  const operations = 2 + random.below(9);
  for (let i = 0; i < operations; i++) {
    // Mostly the latest: chains, not bushes.
    const parent = random.chance(0.6) ? (pool.at(-1) as NodeId) : random.pick(pool);
    pool.push(builder.operation(parent, random.pick(pool)));
  }
  const count = 1 + random.below(4);
  const atOnce = random.chance(0.4);
  const jobs = Array.from({ length: count }, (_, i): SimulatedJob => {
    return {
      root: random.pick(pool.slice(-4)),
      action: randomAction(random, outputUrl(i + 1)),
      atMs: atOnce ? random.below(20) : random.below(600),
      cancelAfterMs: random.chance(0.06) ? 20 + random.below(400) : null,
    };
  });
  const steps: DriverStep[] = [];
  for (const kind of ["unpersist", "release"] as const) {
    if (random.chance(0.3)) steps.push({ kind, atMs: random.below(900) });
  }
  if (random.chance(0.08)) steps.push({ kind: "close", atMs: 50 + random.below(700) });
  const { nodes, storage, model } = builder;
  return { nodes, storage, jobs, steps, model };
}

function randomAction(random: Random, url: string): ActionSpec {
  switch (random.below(10)) {
    case 0:
    case 1:
      return { kind: "collect", limit: 1 + random.below(12) };
    case 2:
    case 3:
      return { kind: "saveAsTextFile", url, compression: "none" };
    case 4:
      return { kind: "count" };
    case 5:
      return { kind: "reduce", fn: fn("sumPairs") };
    case 6:
      return { kind: "countByKey" };
    default:
      return { kind: "collect", limit: null, streamed: random.chance(0.3) };
  }
}

class ProgramBuilder {
  readonly nodes = new Map<NodeId, LineageNode>();
  readonly storage = new Map<NodeId, StorageLevel>();
  readonly model = new Model(this.nodes);

  constructor(
    private readonly random: Random,
    private readonly traits: ProgramTraits,
  ) {}

  /** What a program begins with. */
  start(): NodeId {
    const source = this.#source();
    if (!this.traits.isUnsteady) return source;
    return this.#narrow(source, { op: "map", fn: fn("unsteadyMap", this.random.below(50)) }, false);
  }

  #source(): NodeId {
    const { random } = this;
    const slices = Array.from({ length: 1 + random.below(5) }, () => {
      const writer = new RecordStreamWriter(noClasses);
      const records = Array.from({ length: random.below(9) }, (): Pair => [random.below(KEYS), random.below(PRIME)]);
      writer.addBatch(records);
      return writer.finish();
    });
    return this.#add((id) => ({
      id,
      callSite: site,
      kind: "source",
      source: { kind: "collection", slices, classes: [] },
    }));
  }

  /** One operation over `parent`; a narrow one where the drawn one would make too many records. */
  operation(parent: NodeId, other: NodeId): NodeId {
    const before = this.nodes.size;
    const made = this.#draw(parent, other);
    const tooLarge = [...this.nodes.keys()].slice(before).some((id) => {
      const parts = this.model.partitions(id);
      return parts.some((part) => part.length > MAX_PARTITION) || parts.flat().length > MAX_RECORDS;
    });
    if (!tooLarge) return made;
    for (const id of [...this.nodes.keys()].slice(before)) {
      this.nodes.delete(id);
      this.storage.delete(id);
      this.model.forget(id);
    }
    return this.#narrow(parent, { op: "mapValues", fn: fn("mapValues", this.random.below(50)) }, true);
  }

  #draw(parent: NodeId, other: NodeId): NodeId {
    const { random } = this;
    const partitions = random.chance(0.3) ? null : 1 + random.below(5);
    const hash = this.#partitioner(partitions);
    const base = { callSite: site };
    switch (random.below(17)) {
      case 0:
      case 1:
      case 2: {
        const op = random.pick(["map", "filter", "flatMap", "mapValues"] as const);
        const kind = op === "map" && this.traits.isUnsteady ? "unsteadyMap" : op;
        return this.#narrow(parent, { op, fn: fn(kind, random.below(50)) }, op === "filter" || op === "mapValues");
      }
      case 3:
        return this.#narrow(parent, { op: "mapPartitions", fn: fn("reverse") }, true);
      case 4:
        return this.#add((id) => ({ ...base, id, kind: "union", parents: [parent, other] }));
      case 5:
        return this.#add((id) => ({ ...base, id, kind: "coalesce", parent, partitions: 1 + random.below(4) }));
      case 6:
      case 7: {
        const mapSideCombine = random.chance(0.7);
        const aggregator = { kind: "reduce", merge: fn("sum") } as const;
        return this.#add((id) => ({
          ...base,
          id,
          kind: "combine",
          parent,
          partitioner: hash,
          aggregator,
          mapSideCombine,
        }));
      }
      case 8: {
        const groups = this.#add((id) => ({
          ...base,
          id,
          kind: "cogroup",
          parents: [parent, other],
          partitioner: hash,
        }));
        return this.#narrow(groups, { op: "mapValues", fn: fn("digest") }, true);
      }
      case 9: {
        const groups = this.#add((id) => ({
          ...base,
          id,
          kind: "cogroup",
          parents: [parent, other],
          partitioner: hash,
        }));
        const joined = this.#narrow(groups, { op: "joinPairs" }, true);
        const paired = this.#narrow(joined, { op: "mapValues", fn: fn("pairUp") }, true);
        return this.traits.dividesJoins ? this.#inOrder(paired) : paired;
      }
      case 10: {
        // Values of 9 KB now and then: tables and outputs outgrow their budgets.
        const fat = random.chance(0.3);
        const from = fat ? this.#narrow(parent, { op: "mapValues", fn: fn("fatten") }, true) : parent;
        const aggregator = { kind: "group" } as const;
        const rest = { partitioner: hash, aggregator, mapSideCombine: false };
        const groups = this.#add((id) => ({ ...base, id, kind: "combine", parent: from, ...rest }));
        return this.#narrow(groups, { op: "mapValues", fn: fn(fat ? "digestFat" : "digestOne") }, true);
      }
      case 11: {
        const drawn = fn("sample", random.below(50));
        return this.#narrow(parent, { op: "mapPartitionsWithIndex", fn: drawn }, true);
      }
      case 12: {
        const unique = random.chance(0.4);
        const index = this.#add((id) => ({ ...base, id, kind: "index", parent, unique }));
        return this.#narrow(index, { op: "map", fn: fn("addIndex") }, false);
      }
      case 13: {
        const product = this.#add((id) => ({ ...base, id, kind: "cartesian", parents: [parent, other] }));
        return this.#narrow(product, { op: "map", fn: fn("joinTwo") }, false);
      }
      case 14:
        return this.#zip(parent, other);
      case 15:
        return this.#add((id) => ({
          ...base,
          id,
          kind: "exchange",
          parent,
          partitioner: { kind: "roundRobin", partitions },
          sort: null,
          pairs: false,
        }));
      default: {
        const ascending = random.chance(0.7);
        const sort = ascending ? "ascending" : "descending";
        const partitioner = { kind: "range", partitions, ascending } as const;
        return this.#add((id) => ({ ...base, id, kind: "exchange", parent, partitioner, sort, pairs: true }));
      }
    }
  }

  /** By hash, or now and then as some RDD lies: by the ranges of a sort, or by another's hash. */
  #partitioner(partitions: number | null): PartitionerSpec {
    const { random } = this;
    // Ranges of unsteady records are other ranges in every job.
    if (this.traits.isUnsteady || !random.chance(0.2)) return { kind: "hash", partitions };
    const placed = [...this.nodes.keys()].filter((id) => this.model.isPlaced(id));
    return placed.length === 0
      ? { kind: "hash", partitions }
      : { kind: "as", node: random.pick(placed), partitions: null };
  }

  /** Records in pairs where both sides have as many, else partitions side by side, dealt out anew where their numbers differ. */
  #zip(parent: NodeId, other: NodeId): NodeId {
    const base = { callSite: site };
    const [left, right] = [this.model.partitions(parent), this.model.partitions(other)];
    const sides: [NodeId, NodeId] = [parent, other];
    if (left.length !== right.length) {
      const partitions = 1 + this.random.below(4);
      for (const [i, side] of sides.entries()) {
        const partitioner = { kind: "roundRobin", partitions } as const;
        const rest = { kind: "exchange", parent: side, partitioner, sort: null, pairs: false } as const;
        sides[i] = this.#add((id) => ({ ...base, id, ...rest }));
      }
    }
    const [a, b] = sides.map((side) => this.model.partitions(side)) as [typeof left, typeof right];
    // Of unsteady functions nobody knows how many records they give.
    const isEven = !this.traits.isUnsteady && a.every((part, i) => part.length === b[i]?.length);
    const rest = { kind: "zip", parents: sides, preservesPartitioning: false } as const;
    if (!isEven) return this.#add((id) => ({ ...base, id, ...rest, fn: fn("sideBySide", this.random.below(50)) }));
    const pairs = this.#add((id) => ({ ...base, id, ...rest, fn: null }));
    return this.#narrow(pairs, { op: "map", fn: fn("joinTwo") }, false);
  }

  /** Summed by key and sorted: the same whatever the order was. */
  #inOrder(parent: NodeId): NodeId {
    const { random } = this;
    const base = { callSite: site };
    const sums = this.#add((id) => ({
      ...base,
      id,
      kind: "combine",
      parent,
      partitioner: { kind: "hash", partitions: 1 + random.below(4) },
      aggregator: { kind: "reduce", merge: fn("sum") },
      mapSideCombine: random.chance(0.7),
    }));
    const partitioner = { kind: "range", partitions: 1 + random.below(4), ascending: true } as const;
    const rest = { partitioner, sort: "ascending", pairs: true } as const;
    return this.#add((id) => ({ ...base, id, kind: "exchange", parent: sums, ...rest }));
  }

  #narrow(parent: NodeId, operator: Operator, preservesPartitioning: boolean): NodeId {
    return this.#add((id) => ({ id, callSite: site, kind: "narrow", parent, operator, preservesPartitioning }));
  }

  #add(make: (id: NodeId) => LineageNode): NodeId {
    const id = nodeId(this.nodes.size + 1);
    this.nodes.set(id, make(id));
    if (this.random.chance(0.15))
      this.storage.set(id, this.random.pick(["MEMORY_ONLY", "MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"]));
    return id;
  }
}
