// Combining by key: what an aggregator means on the map side and on the reduce side, and how the table's entries come out
// again when some of the records were spilled. A task with little memory gives the same entries in the same order as one
// with much: keys that are held stay ahead of those that were spilled (they occurred first), and the buckets of spilled
// records are combined one after the other and merged by the number of each key's first record. Combiners that grew too large
// while they were held are put aside too, and are combined before the records that came after them.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { hashKey, keysEqual } from "../../codec/keys.js";
import { decodeValue } from "../../codec/stream.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import type { Aggregator } from "../../plan/lineage.js";
import { type ChainOperator, type ChainRunner, compileChain } from "../chain/chain-code.js";
import type { TaskContext } from "../task-context.js";
import { settledValue } from "../user-errors.js";
import {
  type CombinedEntries,
  type CombineEnv,
  type CombineFunctions,
  type CombinerMembers,
  combinerSink,
} from "./combiner-code.js";
import { type Bucket, Governor } from "./governor.js";
import { mergeRuns, RunFile, SeqRun } from "./seq-runs.js";

/** Combined pairs, `count` of them; the arrays may be longer. */
export interface PairColumns {
  readonly keys: ArrayLike<unknown>;
  readonly values: ArrayLike<unknown>;
  readonly count: number;
}

/** values: raw values come in (map side, or a reduce side that was not combined before); combiners: combiners come in. */
export type CombineInput = "values" | "combiners";

export interface CombineOptions {
  readonly context: TaskContext;
  readonly functions: CombineFunctions;
  readonly operators: readonly ChainOperator[];
  /** Call sites of the operators, then of the combining operation. */
  readonly sites: readonly CallSite[];
  readonly flushBytes: number;
}

const unused = (): never => {
  throw new Error("not a function of this aggregator");
};

/** The functions that fold `input` for an aggregator; `group` has its own table. */
export function combineFunctions(
  aggregator: Exclude<Aggregator, { kind: "group" }>,
  input: CombineInput,
  context: TaskContext,
): CombineFunctions {
  const revive = context.revive as (fn: unknown) => (...args: unknown[]) => unknown;
  const base = { merge: unused, create: unused, zero: unused, identity: "" };
  switch (aggregator.kind) {
    case "reduce":
      return { ...base, style: "reduce", merge: revive(aggregator.merge), identity: aggregator.merge.hash };
    case "first":
      return { ...base, style: "first" };
    case "aggregate": {
      if (input === "combiners") {
        return { ...base, style: "reduce", merge: revive(aggregator.comb), identity: aggregator.comb.hash };
      }
      const { zero } = aggregator;
      const { classes } = context;
      return {
        ...base,
        style: "zero",
        merge: revive(aggregator.seq),
        zero: freshValues(zero, classes),
        identity: aggregator.seq.hash,
      };
    }
    case "functions": {
      if (input === "combiners") {
        const { hash } = aggregator.mergeCombiners;
        return { ...base, style: "reduce", merge: revive(aggregator.mergeCombiners), identity: hash };
      }
      return {
        ...base,
        style: "create",
        create: revive(aggregator.create),
        merge: revive(aggregator.mergeValue),
        identity: `${aggregator.create.hash},${aggregator.mergeValue.hash}`,
      };
    }
  }
}

/** countByKey as a combining of records. */
export const countFunctions: CombineFunctions = {
  style: "count",
  merge: unused,
  create: unused,
  zero: unused,
  identity: "",
};

/** A zero value decoded afresh at each call: user functions may change it in place. Primitives are decoded once. */
export function freshValues(bytes: Uint8Array, classes: ClassRegistry): () => unknown {
  const first = decodeValue(bytes, classes);
  if (typeof first !== "object" || first === null) return () => first;
  return () => decodeValue(bytes, classes);
}

/** A combining table at the end of a chain. */
export class Combine {
  readonly #options: CombineOptions;
  readonly #governor: Governor;
  readonly #table: ChainRunner & CombinerMembers;
  readonly #level: number;
  readonly #emit: ((pairs: PairColumns) => void) | null;

  /** `emit` gets the entries each time flushBytes are reached, and at `end`. */
  constructor(options: CombineOptions, emit: ((pairs: PairColumns) => void) | null = null, level = 0) {
    this.#options = options;
    this.#level = level;
    this.#emit = emit;
    const { context, functions } = options;
    this.#governor = new Governor({
      memory: context.memory,
      holder: `${formatCallSite(options.sites.at(-1) as CallSite)}: combined by key`,
      spill: context.spill,
      classes: context.classes,
      level,
      flushBytes: options.flushBytes,
      flush: () => this.#flush(),
      dump: () => this.#dump(),
    });
    const env: CombineEnv = { ...functions, governor: this.#governor, hashKey, keysEqual, tracked: level > 0 };
    this.#table = compileChain<CombineEnv, CombinerMembers>(
      options.operators,
      combinerSink(functions.style),
      {
        partition: context.partition,
        sites: options.sites,
        checkCancelled: () => context.checkCancelled(),
        sink: env,
      },
      functions.identity,
    );
  }

  /** The chain's loop, which ends in the table. */
  get runner(): ChainRunner {
    return this.#table;
  }

  add(key: unknown, value: unknown): void {
    this.#table.add(key, value);
  }

  addColumns(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, from: number, to: number): void {
    this.#table.addColumns(keys, values, from, to);
  }

  /** Flushes what is there to `emit`. */
  end(): void {
    for (const pairs of this.results()) this.#emit?.(pairs);
  }

  #flush(): void {
    for (const pairs of this.results(true)) this.#emit?.(pairs);
  }

  /** Frees memory and scratch files without giving anything out. */
  abort(): void {
    this.#governor.reset();
  }

  /** All entries in the order of first occurrence; the table is empty afterwards. `more`: it will be filled again. */
  *results(more = false): Generator<PairColumns, void, void> {
    try {
      const held = this.#take(more);
      if (held.count > 0) yield held;
      if (this.#governor.spilled) {
        for (const { keys, values, seqs } of this.#spilledResults()) yield { keys, values, count: seqs.length };
      }
    } finally {
      this.#governor.reset();
    }
  }

  /** Keys that are held occurred before all that were put aside: at level 0, where those count from 0, they count up to -1. */
  #dump(): void {
    const hashes = this.#table.hashes();
    const { keys, values, seqs, count } = this.#take(false);
    for (let i = 0; i < count; i++)
      this.#governor.putAside(hashes[i] as number, seqs?.[i] ?? i - count, keys[i], values[i]);
  }

  #take(more: boolean): CombinedEntries {
    const held = this.#table.take(more);
    const { sites, context } = this.#options;
    if (Array.isArray(held.values)) {
      for (const value of held.values) settledValue(value, sites.at(-1) as CallSite, context.partition);
    }
    return held;
  }

  *#spilledResults(): Generator<{ keys: ArrayLike<unknown>; values: ArrayLike<unknown>; seqs: Float64Array }> {
    const { context } = this.#options;
    const file = new RunFile(context.spill, context.classes, "combined");
    try {
      const runs = this.#governor.endBuckets().map((bucket) => this.#combineBucket(bucket, new SeqRun(file)));
      yield* mergeRuns(runs);
    } finally {
      file.delete();
    }
  }

  #combineBucket({ dumped, combiners, records }: Bucket, into: SeqRun): SeqRun {
    const below = new Combine(
      { ...this.#options, operators: [], sites: this.#options.sites.slice(-1), flushBytes: Infinity },
      null,
      this.#level + 1,
    );
    const { context } = this.#options;
    try {
      for (const run of [dumped, combiners]) {
        for (const { keys, values, seqs } of run.read()) {
          context.checkCancelled();
          below.#table.addCombiners(keys, values, seqs);
        }
      }
      for (const { keys, values, seqs } of records.read()) {
        context.checkCancelled();
        below.#table.addTracked(keys, values, seqs);
      }
      const held = below.#take(false);
      for (let i = 0; i < held.count; i++) into.add(held.seqs?.[i] as number, held.keys[i], held.values[i]);
      if (below.#governor.spilled) {
        for (const { keys, values, seqs } of below.#spilledResults()) {
          for (let i = 0; i < seqs.length; i++) into.add(seqs[i] as number, keys[i], values[i]);
        }
      }
      into.end();
      return into;
    } finally {
      below.#governor.reset();
    }
  }
}
