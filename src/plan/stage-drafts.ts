// The stages of one job before they have ids: which there are, what each writes, which it reads. Found from the result down, one
// an exchange, a count of partitions, a sample, a fold of bounds; what two nodes need alike is made once.
//
//   sortByKey:  sampleKeys over the parent's chain -> rangeBounds -> the map stage with these bounds

import type { NodeId, ShuffleId, StageId } from "../core/ids.js";
import { type CallSite, formatCallSite } from "./function.js";
import type { JobLineage } from "./job-lineage.js";
import type { Aggregator, LineageNode } from "./lineage.js";
import { type CountedPartitioner, countPartitioner, parentsOf, placedAlready, postOrder } from "./resolve.js";
import { type ShuffleTable, shuffleKey } from "./shuffle-table.js";
import type { FragmentOutput, Partitioner, StageKind } from "./stages.js";

/** Spark's: 20 keys a partition of the output, at most a million, three times over because partitions differ in size. */
const SAMPLE_PER_PARTITION = 20;
const SAMPLE_LIMIT = 1_000_000;
const SAMPLE_OVERDRAW = 3;
const MIN_SAMPLE = 20;

/** How one parent of a node is read. */
export type Edge =
  | { readonly kind: "narrow"; readonly node: NodeId }
  | { readonly kind: "shuffle"; readonly draft: Draft; readonly shuffle: ShuffleId; readonly combined: boolean };

export interface Draft {
  readonly kind: StageKind;
  readonly root: NodeId | null;
  readonly site: CallSite;
  readonly name: string;
  readonly shuffle: ShuffleId | null;
  /** Value stages whose results its tasks get. */
  readonly values: readonly Draft[];
  /** Needs the ids of its value stages. */
  readonly output: (idOf: (draft: Draft) => StageId) => FragmentOutput;
  readonly limitSplits: boolean;
}

export class StageDrafts {
  readonly #lineage: JobLineage;
  readonly #table: ShuffleTable;
  readonly #flushBytes: number;
  /** By shuffle, by sample key: each is made once a job. */
  readonly #drafts = new Map<string, Draft>();
  readonly #edges = new Map<NodeId, readonly Edge[]>();
  readonly #orders = new Map<NodeId, readonly NodeId[]>();

  /** `flushBytes`: encoded bytes at which map-side combining flushes. */
  constructor(lineage: JobLineage, table: ShuffleTable, flushBytes: number) {
    this.#lineage = lineage;
    this.#table = table;
    this.#flushBytes = flushBytes;
  }

  /** The stages that a stage reads: shuffles first, each once. */
  parents(draft: Draft): Draft[] {
    const shuffles = this.nodesOf(draft.root).flatMap((id) =>
      this.edgesOf(id).filter((edge) => edge.kind === "shuffle"),
    );
    return [...new Set([...shuffles.map((edge) => edge.draft), ...this.valuesOf(draft)])];
  }

  /** Value stages whose results the tasks of a draft get: its output's, and those that its nodes need. */
  valuesOf(draft: Draft): Draft[] {
    const counts = this.nodesOf(draft.root).flatMap((id) => this.countsOf(id) ?? []);
    return [...new Set([...draft.values, ...counts])];
  }

  /** The value stage that counts the partitions below an index. */
  countsOf(id: NodeId): Draft | null {
    const node = this.#lineage.node(id);
    if (node.kind !== "index" || node.unique || this.#lineage.partitions(id) < 2) return null;
    return this.#once(`count ${node.parent}`, () => ({
      kind: "value",
      root: node.parent,
      site: node.callSite,
      name: `count for ${formatCallSite(node.callSite)}`,
      shuffle: null,
      values: [],
      output: () => ({ kind: "action", action: { kind: "count" } }),
      limitSplits: false,
    }));
  }

  /** The nodes evaluated in the tasks of a stage with this root, parents first. */
  nodesOf(root: NodeId | null): readonly NodeId[] {
    if (root === null) return [];
    const known = this.#orders.get(root);
    if (known !== undefined) return known;
    const order = postOrder(root, (id) =>
      this.edgesOf(id).flatMap((edge) => (edge.kind === "narrow" ? [edge.node] : [])),
    );
    this.#orders.set(root, order);
    return order;
  }

  edgesOf(id: NodeId): readonly Edge[] {
    const known = this.#edges.get(id);
    if (known !== undefined) return known;
    const edges = this.#makeEdges(this.#lineage.node(id));
    this.#edges.set(id, edges);
    return edges;
  }

  #makeEdges(node: LineageNode): Edge[] {
    const parents = parentsOf(node);
    if (node.kind !== "combine" && node.kind !== "cogroup" && node.kind !== "exchange") {
      return parents.map((parent) => ({ kind: "narrow", node: parent }));
    }
    const partitioner = singleRange(countPartitioner(node.partitioner, parents, (id) => this.#lineage.resolved(id)));
    const aggregator =
      node.kind === "combine" && node.mapSideCombine && node.aggregator.kind !== "group" ? node.aggregator : null;
    const pairs = node.kind === "exchange" ? node.pairs : true;
    return parents.map((parent) => {
      if (placedAlready(this.#lineage.partitioner(parent), partitioner)) return { kind: "narrow", node: parent };
      return this.#exchange(node, parent, partitioner, aggregator, pairs);
    });
  }

  #exchange(
    node: LineageNode,
    parent: NodeId,
    partitioner: CountedPartitioner,
    aggregator: Aggregator | null,
    pairs: boolean,
  ): Edge {
    const key = shuffleKey(parent, partitioner, aggregator, pairs);
    const shuffle = this.#table.shuffleFor(key, node.id);
    const bounds = partitioner.kind === "range" ? this.#bounds(node, parent, partitioner) : null;
    const draft = this.#once(`shuffle ${shuffle}`, () => ({
      kind: "shuffleMap",
      root: parent,
      site: node.callSite,
      name: formatCallSite(node.callSite),
      shuffle,
      values: bounds === null ? [] : [bounds],
      output: (idOf) => ({
        kind: "shuffle",
        shuffle,
        partitioner: finalPartitioner(partitioner, bounds === null ? null : idOf(bounds)),
        aggregator,
        pairs,
        flushBytes: this.#flushBytes,
        callSite: node.callSite,
      }),
      limitSplits: false,
    }));
    return { kind: "shuffle", draft, shuffle, combined: aggregator !== null };
  }

  /** The two value stages that find a range's bounds, by the keys of the node that is asked for, else of the exchange's parent. */
  #bounds(node: LineageNode, own: NodeId, partitioner: CountedPartitioner & { kind: "range" }): Draft {
    const { partitions, ascending, of: parent = own } = partitioner;
    const wanted = Math.min(SAMPLE_LIMIT, SAMPLE_PER_PARTITION * partitions) * SAMPLE_OVERDRAW;
    const size = Math.max(MIN_SAMPLE, Math.ceil(wanted / Math.max(1, this.#lineage.partitions(parent))));
    const common = { kind: "value", site: node.callSite, shuffle: null } as const;
    const sample = this.#once(`sample ${parent} ${size}`, () => ({
      ...common,
      root: parent,
      name: `sample for ${formatCallSite(node.callSite)}`,
      values: [],
      output: () => ({ kind: "sampleKeys", size, seed: parent }),
      limitSplits: this.#canLimit(parent),
    }));
    return this.#once(`bounds ${parent} ${size} ${partitions} ${ascending}`, () => ({
      ...common,
      root: null,
      name: `range bounds for ${formatCallSite(node.callSite)}`,
      values: [sample],
      output: (idOf) => ({ kind: "rangeBounds", of: idOf(sample), partitions }),
      limitSplits: false,
    }));
  }

  #once(key: string, make: () => Draft): Draft {
    const known = this.#drafts.get(key);
    if (known !== undefined) return known;
    const draft = make();
    this.#drafts.set(key, draft);
    return draft;
  }

  /** Only a chain that keeps nothing may read a part of its splits: a cached partition must be whole. */
  #canLimit(root: NodeId): boolean {
    return this.nodesOf(root).every((id) => {
      const { kind } = this.#lineage.node(id);
      return (
        this.#lineage.storage(id) === "NONE" &&
        (kind === "source" || kind === "narrow" || kind === "union" || kind === "coalesce")
      );
    });
  }
}

/** A range of one partition needs no bounds: everything goes to the same place. */
function singleRange(partitioner: CountedPartitioner): CountedPartitioner {
  return partitioner.kind === "range" && partitioner.partitions === 1 ? { kind: "hash", partitions: 1 } : partitioner;
}

function finalPartitioner(partitioner: CountedPartitioner, bounds: StageId | null): Partitioner {
  if (partitioner.kind !== "range") return partitioner;
  return {
    kind: "range",
    partitions: partitioner.partitions,
    ascending: partitioner.ascending,
    bounds: bounds as StageId,
  };
}
