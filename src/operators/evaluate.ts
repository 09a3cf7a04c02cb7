// Evaluates a fragment's nodes for one partition, like an iterator over an RDD: narrow inputs in the same task, shuffle
// inputs by the context. A chain of narrow operators above a source is not run here: it is handed out with the source, so
// that the output compiles chain and sink into one loop.

import { decodePairs } from "../codec/pairs.js";
import { MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { type CallSite, formatCallSite } from "../plan/function.js";
import { type Aggregator, isWhole } from "../plan/lineage.js";
import type { FragmentInput, FragmentNode } from "../plan/stages.js";
import { ConcatSource, chainMaybe, drain, isPromise, LazySource } from "./batches.js";
import { CachingSource } from "./caching-source.js";
import { cartesianSource } from "./cartesian.js";
import type { ChainOperator, UserFunction } from "./chain/chain-code.js";
import { type OpenChain, recordsOf } from "./chain/open-chain.js";
import { runChain, settleChain } from "./chain/settle.js";
import { Combine, combineFunctions, type PairColumns } from "./combine/combine.js";
import { GroupTable } from "./combine/group-table.js";
import { batchesSource } from "./map-batches.js";
import { partitionsSource } from "./map-partitions.js";
import { PairSource } from "./pair-source.js";
import { badPlan, isFusable, liveOperator, narrowInput } from "./plan-nodes.js";
import { sortedPairs } from "./sort/sort-pairs.js";
import type { BatchSource, MapRange, MaybePromise, TaskContext } from "./task-context.js";
import { countedSplit, FrameRecords } from "./task-inputs.js";
import { notAPair } from "./user-errors.js";
import { indexedSource, type Side, zippedSource } from "./zip.js";

/** An input of which some map outputs may be all that is read. */
type PartialInput = FragmentInput & { readonly range?: MapRange };

export class Evaluator {
  readonly #nodes: ReadonlyMap<NodeId, FragmentNode>;
  readonly #awaits = new Map<NodeId, boolean>();
  constructor(
    nodes: readonly FragmentNode[],
    readonly context: TaskContext,
  ) {
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
  }

  /** The partition as a source and its open chain. */
  openChain(id: NodeId, partition: number): OpenChain {
    return this.#chain(this.#node(id), partition);
  }

  #chain(top: FragmentNode, partition: number): OpenChain {
    const operators: ChainOperator[] = [];
    let node = top;
    while (isFusable(node)) {
      operators.unshift(liveOperator(node, this.context));
      node = this.#node(narrowInput(node, 0));
    }
    if (operators[0]?.op === "joinPairs" && node.kind === "cogroup" && node.storage === "NONE") {
      return { source: this.#openJoin(node, partition), operators: operators.slice(1) };
    }
    return { source: this.#openBase(node, partition), operators };
  }

  /** The partition as a source of its records. */
  open(id: NodeId, partition: number): BatchSource {
    return recordsOf(this.openChain(id, partition), this.context);
  }

  /** Whether a function that is declared async runs in this task at the node or below it. */
  mayAwait(id: NodeId): boolean {
    const known = this.#awaits.get(id);
    if (known !== undefined) return known;
    const node = this.#node(id);
    const { operator } = node;
    const own = (operator !== undefined && "fn" in operator && operator.fn.async) || node.fn?.async === true;
    const awaits = own || node.inputs.some((input) => input.kind === "narrow" && this.mayAwait(input.node));
    this.#awaits.set(id, awaits);
    return awaits;
  }

  /** A node whose operator is not fused into a chain: everything but plain narrow operators. */
  #openBase(node: FragmentNode, partition: number): BatchSource {
    if (node.storage === "NONE") return this.#compute(node, partition);
    const cached = this.context.openCached(node.id, partition);
    if (cached !== null) return new FrameRecords(cached, this.context, false);
    const plain = { ...node, storage: "NONE" as const };
    const below = isFusable(plain)
      ? recordsOf(this.#chain(plain, partition), this.context)
      : this.#compute(plain, partition);
    return new CachingSource(below, this.context.openCacheWriter(node.id, partition, node.storage), this.context);
  }

  #compute(node: FragmentNode, partition: number): BatchSource {
    switch (node.kind) {
      case "source":
        if (node.format?.kind === "localCheckpoint") throw lostBlock(node, partition);
        return countedSplit(this.context.openSplit(node, partition), this.context);
      case "union":
        return this.#openUnion(node, partition);
      case "coalesce":
        return this.#openCoalesce(node, partition);
      case "combine":
        return this.#openCombine(node, partition);
      case "cogroup":
        return this.#openCogroup(node, partition);
      case "exchange":
        return this.#openExchange(node, partition);
      case "narrow":
        return this.#openMapPartitions(node, partition);
      case "zip":
        return zippedSource(this.#sides(node, partition), node, this.context);
      case "cartesian": {
        const seconds = this.#node(narrowInput(node, 1)).partitions;
        const left = this.open(narrowInput(node, 0), Math.floor(partition / seconds));
        return cartesianSource(left, this.open(narrowInput(node, 1), partition % seconds), this.context, node.callSite);
      }
      case "index":
        return indexedSource(this.open(narrowInput(node, 0), partition), node, partition, this.context);
    }
  }

  #openMapPartitions(node: FragmentNode, partition: number): BatchSource {
    const { operator } = node;
    if (!isWhole(operator)) throw badPlan(node, "a narrow node has no operator");
    const fn = this.context.revive(operator.fn) as UserFunction;
    const indexed = operator.op === "mapPartitionsWithIndex";
    const { signal } = this.context;
    const below = this.open(narrowInput(node, 0), partition);
    if (operator.op === "mapBatches") return batchesSource({ below, fn, operator, node, context: this.context });
    return partitionsSource({
      below,
      call: indexed ? (records) => fn(partition, records, signal) : (records) => fn(records, signal),
      context: this.context,
      site: node.callSite,
      gather: this.mayAwait(narrowInput(node, 0)),
    });
  }

  #sides(node: FragmentNode, partition: number): Side[] {
    return node.inputs.map((_, at) => {
      const id = narrowInput(node, at);
      return { source: this.open(id, partition), gather: this.mayAwait(id) };
    });
  }

  #openUnion(node: FragmentNode, partition: number): BatchSource {
    const offsets = node.offsets ?? [];
    let input = offsets.length - 1;
    while (input > 0 && (offsets[input] as number) > partition) input--;
    return this.open(narrowInput(node, input), partition - (offsets[input] ?? 0));
  }

  #openCoalesce(node: FragmentNode, partition: number): BatchSource {
    const parent = this.#node(narrowInput(node, 0));
    const from = node.offsets?.[partition] ?? 0;
    const to = node.offsets?.[partition + 1] ?? parent.partitions;
    return new ConcatSource(Array.from({ length: to - from }, (_, i) => () => this.open(parent.id, from + i)));
  }

  #openCombine(node: FragmentNode, partition: number): BatchSource {
    const input = node.inputs[0];
    const aggregator = node.aggregator;
    if (input === undefined || aggregator === undefined) throw badPlan(node, "a combine has no input or aggregator");
    return this.#lazily(() =>
      aggregator.kind === "group"
        ? this.#group(node, [input], 0, partition)
        : this.#combine(node, input, aggregator, partition),
    );
  }

  #openCogroup(node: FragmentNode, partition: number): BatchSource {
    return this.#lazily(() => this.#group(node, node.inputs, node.inputs.length, partition));
  }

  /** A cogroup of two and the pairing of its groups in one. */
  #openJoin(node: FragmentNode, partition: number): BatchSource {
    const pair = (inputs: readonly PartialInput[]) => this.#lazily(() => this.#group(node, inputs, 2, partition, true));
    const parts = this.context.joinParts ?? null;
    if (parts === null) return pair(node.inputs);
    const { shuffle, cuts } = parts;
    const inputsOf = (from: number, to: number) =>
      node.inputs.map((input) =>
        input.kind === "shuffle" && input.shuffle === shuffle ? { ...input, range: { from, to } } : input,
      );
    return new ConcatSource(cuts.slice(1).map((to, i) => () => pair(inputsOf(cuts[i] as number, to))));
  }

  #combine(
    node: FragmentNode,
    input: FragmentInput,
    aggregator: Exclude<Aggregator, { kind: "group" }>,
    partition: number,
  ): MaybePromise<BatchSource> {
    const { context } = this;
    const table = (combiners: boolean, operators: readonly ChainOperator[]) =>
      new Combine({
        context,
        functions: combineFunctions(aggregator, combiners ? "combiners" : "values", context),
        operators,
        sites: [...operators.map((operator) => operator.site), node.callSite],
        flushBytes: Infinity,
      });
    if (input.kind === "shuffle") {
      const combine = table(input.combined, []);
      return this.#collected(combine, () => {
        this.#eachFrame(input, partition, (keys, values) => combine.addColumns(keys, values, 0, keys.length));
        return combine.results();
      });
    }
    const open = this.openChain(input.node, partition);
    return chainMaybe(settleChain(open.source, open.operators, context), (chain) => {
      const combine = table(false, chain.operators);
      return this.#collected(combine, () =>
        chainMaybe(runChain(chain, combine.runner, context), () => combine.results()),
      );
    });
  }

  #group(
    node: FragmentNode,
    inputs: readonly PartialInput[],
    parents: number,
    partition: number,
    joined = false,
  ): MaybePromise<BatchSource> {
    const { context } = this;
    const table = new GroupTable({ context, parents, site: node.callSite });
    const feed = (at: number): MaybePromise<void> => {
      const input = inputs[at];
      if (input === undefined) return;
      return chainMaybe(
        this.#feedPairs(node, input, partition, (keys, values) => table.addColumns(keys, values, at)),
        () => feed(at + 1),
      );
    };
    return this.#collected({ abort: () => table.release() }, () =>
      chainMaybe(feed(0), () => (joined ? table.joined() : table.results())),
    );
  }

  #openExchange(node: FragmentNode, partition: number): BatchSource {
    const input = node.inputs[0];
    if (input === undefined) throw badPlan(node, "an exchange has no input");
    const sort = node.sort ?? null;
    if (sort !== null) {
      return this.#lazily(() =>
        sortedPairs(this.context, sort, node.callSite, (add) => this.#feedPairs(node, input, partition, add)),
      );
    }
    if (input.kind === "narrow") return this.open(input.node, partition);
    return new FrameRecords(this.context.openShuffle(input.shuffle, partition), this.context, true);
  }

  /** Keys and values of an input in canonical order, by columns. */
  #feedPairs(
    node: FragmentNode,
    input: PartialInput,
    partition: number,
    add: (keys: ArrayLike<unknown>, values: ArrayLike<unknown>) => void,
  ): MaybePromise<void> {
    const { context } = this;
    if (input.kind === "shuffle") {
      this.#eachFrame(input, partition, add);
      return;
    }
    const source = this.open(input.node, partition);
    const drained = drain(
      source,
      () => context.checkCancelled(),
      (batch) => {
        const keys: unknown[] = [];
        const values: unknown[] = [];
        for (const record of batch) {
          const [key, value] = pairOf(record, node.callSite, context.partition);
          keys.push(key);
          values.push(value);
        }
        add(keys, values);
        return false;
      },
    );
    return isPromise(drained) ? drained.finally(() => source.close()) : source.close();
  }

  #eachFrame(
    input: PartialInput & { readonly kind: "shuffle" },
    partition: number,
    add: (keys: ArrayLike<unknown>, values: ArrayLike<unknown>) => void,
  ): void {
    const { context } = this;
    const frames = context.openShuffle(input.shuffle, partition, input.range);
    try {
      for (let next = frames.next(); next !== null; next = frames.next()) {
        context.checkCancelled();
        const { keys, values } = decodePairs(next.frame, next.schemas, context.classes);
        context.metrics.shuffleReadRecords += keys.length;
        add(keys, values);
      }
    } finally {
      frames.close();
    }
  }

  /** Runs `body`; on failure, and when the source is closed, `owner` gives back what it holds. */
  #collected(owner: { abort(): void }, body: () => MaybePromise<Iterator<PairColumns>>): MaybePromise<BatchSource> {
    const failed = (error: unknown): never => {
      owner.abort();
      throw error;
    };
    try {
      const results = body();
      const source = (pairs: Iterator<PairColumns>) => new PairSource(pairs, () => owner.abort());
      return isPromise(results) ? results.then(source, failed) : source(results);
    } catch (error) {
      return failed(error);
    }
  }

  #lazily(open: () => MaybePromise<BatchSource>): BatchSource {
    return new LazySource(open);
  }

  #node(id: NodeId): FragmentNode {
    const node = this.#nodes.get(id);
    if (node === undefined)
      throw new MillraceError("INTERNAL", `a fragment lacks node ${id}`, { fields: { node: id } });
    return node;
  }
}

/** The cached partition of a cut lineage is not where the master believed it, or nowhere any more. */
function lostBlock(node: FragmentNode, partition: number): MillraceError {
  return new MillraceError(
    "CHECKPOINT_LOST",
    `partition ${partition} of the RDD of ${formatCallSite(node.callSite)}, locally checkpointed, is gone: the worker that held it was lost, or the RDD was unpersisted. Its lineage was cut, so it cannot be computed again; checkpoint() keeps it in files`,
    { fields: { node: node.id, partition } },
  );
}

export function pairOf(record: unknown, site: CallSite, partition: number): readonly [unknown, unknown] {
  if (!Array.isArray(record) || record.length !== 2) throw notAPair(record, site, partition);
  return record as unknown as readonly [unknown, unknown];
}
