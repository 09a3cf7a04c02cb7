// Evaluates a fragment's nodes for one partition, like an iterator over an RDD: narrow inputs in the same task, shuffle
// inputs by the context. A chain of narrow operators above a source is not run here: it is handed out with the source, so
// that the output compiles chain and sink into one loop.

import { MillraceError } from "../core/errors.js";
import type { NodeId } from "../core/ids.js";
import { formatCallSite } from "../plan/function.js";
import { isWhole } from "../plan/lineage.js";
import type { FragmentNode } from "../plan/stages.js";
import { ConcatSource, LazySource } from "./batches.js";
import { CachingSource } from "./caching-source.js";
import { cartesianSource } from "./cartesian.js";
import type { ChainOperator, UserFunction } from "./chain/chain-code.js";
import { type NodeOpener, type OpenChain, recordsOf } from "./chain/open-chain.js";
import { cogroupSource, combineSource, joinSource } from "./keyed-sources.js";
import { batchesSource } from "./map-batches.js";
import { partitionsSource } from "./map-partitions.js";
import { feedPairs } from "./pair-inputs.js";
import { badPlan, isFusable, liveOperator, narrowInput } from "./plan-nodes.js";
import { sortedPairs } from "./sort/sort-pairs.js";
import type { BatchSource, TaskContext } from "./task-context.js";
import { countedSplit, FrameRecords } from "./task-inputs.js";
import { indexedSource, type Side, zippedSource } from "./zip.js";

export class Evaluator implements NodeOpener {
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
      return { source: joinSource(node, partition, this), operators: operators.slice(1) };
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
        return combineSource(node, partition, this);
      case "cogroup":
        return cogroupSource(node, partition, this);
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

  #openExchange(node: FragmentNode, partition: number): BatchSource {
    const input = node.inputs[0];
    if (input === undefined) throw badPlan(node, "an exchange has no input");
    const { context } = this;
    const sort = node.sort ?? null;
    if (sort !== null) {
      return new LazySource(() =>
        sortedPairs(context, sort, node.callSite, (add) => feedPairs(node, input, partition, this, add)),
      );
    }
    if (input.kind === "narrow") return this.open(input.node, partition);
    return new FrameRecords(context.openShuffle(input.shuffle, partition), context, true);
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
