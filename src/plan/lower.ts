// Cuts a lineage into the stages of one job: a stage ends where records must be exchanged. Every stage is made, also those
// whose shuffle an earlier job has computed: the scheduler runs only what is missing, and can recompute what gets lost.
//
//   lineage -> drafts (one an exchange, sample, fold of bounds, result), found from the result down
//           -> ids in the order of their dependencies -> fragments packed and hashed, tasks with their splits
//
// A range exchange becomes three stages: sampleKeys over the parent's chain, rangeBounds, the map stage with these bounds.

import { createHash } from "node:crypto";
import { type BlobHash, blobHash, type JobId, type NodeId, type ShuffleId, type StageId } from "../core/ids.js";
import { pack } from "../core/packed.js";
import { type CallSite, type FunctionRef, formatCallSite, functionsIn } from "./function.js";
import { type ActionSpec, type Aggregator, type LineageNode, outputUrl, type StorageLevel } from "./lineage.js";
import {
  type CountedPartitioner,
  countPartitioner,
  nodeOf,
  parentsOf,
  placedAlready,
  postOrder,
  type ResolvedNode,
  resolveLineage,
} from "./resolve.js";
import { type ShuffleTable, shuffleKey } from "./shuffle-table.js";
import { joinInputsOf } from "./skew-join.js";
import { planTasks, StageShape } from "./stage-tasks.js";
import type {
  Fragment,
  FragmentInput,
  FragmentNode,
  FragmentOutput,
  Partitioner,
  Split,
  Stage,
  StageGraph,
  StageKind,
} from "./stages.js";

export interface LowerRequest {
  readonly job: JobId;
  readonly nodes: ReadonlyMap<NodeId, LineageNode>;
  readonly root: NodeId;
  readonly action: ActionSpec;
  readonly callSite: CallSite;
  readonly resolvedSources: ReadonlyMap<NodeId, readonly Split[]>;
  /** Persisted nodes; absent ones are NONE. */
  readonly storage: ReadonlyMap<NodeId, StorageLevel>;
  readonly accumulators: readonly number[];
  /** The session's shuffles and stage numbers: new ones are added. */
  readonly table: ShuffleTable;
  /** Encoded bytes at which map-side combining flushes. Default 32 MiB. */
  readonly flushBytes?: number;
}

/** What a sample reads of each split at most where the chain before it is narrow and the format can seek. */
export const SAMPLE_SPLIT_BYTES = 1024 * 1024;
const DEFAULT_FLUSH_BYTES = 32 * 1024 * 1024;
/** Spark's: 20 keys a partition of the output, at most a million, three times over because partitions differ in size. */
const SAMPLE_PER_PARTITION = 20;
const SAMPLE_LIMIT = 1_000_000;
const SAMPLE_OVERDRAW = 3;
const MIN_SAMPLE = 20;
/** take: each round looks at this many times the partitions looked at before. */
const GROWTH_FACTOR = 4;

/** How one parent of a node is read. */
type Edge =
  | { readonly kind: "narrow"; readonly node: NodeId }
  | { readonly kind: "shuffle"; readonly draft: Draft; readonly shuffle: ShuffleId; readonly combined: boolean };

interface Draft {
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

export function lowerJob(request: LowerRequest): StageGraph {
  return new Lowering(request).graph();
}

class Lowering {
  readonly #request: LowerRequest;
  readonly #resolved: ReadonlyMap<NodeId, ResolvedNode>;
  /** By shuffle, by sample key: each is made once a job. */
  readonly #drafts = new Map<string, Draft>();
  readonly #edges = new Map<NodeId, readonly Edge[]>();
  readonly #orders = new Map<NodeId, readonly NodeId[]>();
  readonly #ids = new Map<Draft, StageId>();
  readonly #shapes = new Map<NodeId, StageShape>();
  /** Of the whole lineage below a draft: a function for every travelling class, by the class's id. */
  readonly #carried = new Map<Draft, ReadonlyMap<string, FunctionRef>>();

  constructor(request: LowerRequest) {
    this.#request = request;
    this.#resolved = resolveLineage(request.nodes, request.root, request.resolvedSources);
  }

  graph(): StageGraph {
    const { action, callSite, job, root, table } = this.#request;
    const result: Draft = {
      kind: "result",
      root,
      site: callSite,
      name: formatCallSite(callSite),
      shuffle: null,
      values: [],
      output: () => ({ kind: "action", action, callSite }),
      limitSplits: false,
    };
    const drafts = postOrder(result, (draft) => this.#parents(draft));
    for (const draft of drafts) this.#ids.set(draft, table.nextStage());
    const stages = drafts.map((draft) => this.#stage(draft));
    const resultStage = this.#idOf(result);
    const limit = action.kind === "collect" ? action.limit : null;
    return {
      job,
      stages,
      resultStage,
      growth: limit === null ? null : { stage: resultStage, limit, factor: GROWTH_FACTOR },
    };
  }

  #idOf(draft: Draft): StageId {
    return this.#ids.get(draft) as StageId;
  }

  /** The stages that a stage reads: shuffles first, each once. */
  #parents(draft: Draft): Draft[] {
    const shuffles = this.#nodesOf(draft.root).flatMap((id) =>
      this.#edgesOf(id).filter((edge) => edge.kind === "shuffle"),
    );
    return [...new Set([...shuffles.map((edge) => edge.draft), ...this.#valuesOf(draft)])];
  }

  /** Value stages whose results the tasks of a draft get: its output's, and those that its nodes need. */
  #valuesOf(draft: Draft): Draft[] {
    const counts = this.#nodesOf(draft.root).flatMap((id) => this.#countsOf(id) ?? []);
    return [...new Set([...draft.values, ...counts])];
  }

  /** The value stage that counts the partitions below an index. */
  #countsOf(id: NodeId): Draft | null {
    const node = nodeOf(this.#request.nodes, id);
    if (node.kind !== "index" || node.unique || this.#of(id).partitions < 2) return null;
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
  #nodesOf(root: NodeId | null): readonly NodeId[] {
    if (root === null) return [];
    const known = this.#orders.get(root);
    if (known !== undefined) return known;
    const order = postOrder(root, (id) =>
      this.#edgesOf(id).flatMap((edge) => (edge.kind === "narrow" ? [edge.node] : [])),
    );
    this.#orders.set(root, order);
    return order;
  }

  #edgesOf(id: NodeId): readonly Edge[] {
    const known = this.#edges.get(id);
    if (known !== undefined) return known;
    const edges = this.#makeEdges(nodeOf(this.#request.nodes, id));
    this.#edges.set(id, edges);
    return edges;
  }

  #makeEdges(node: LineageNode): Edge[] {
    const parents = parentsOf(node);
    if (node.kind !== "combine" && node.kind !== "cogroup" && node.kind !== "exchange") {
      return parents.map((parent) => ({ kind: "narrow", node: parent }));
    }
    const partitioner = singleRange(countPartitioner(node.partitioner, parents, (id) => this.#of(id)));
    const aggregator =
      node.kind === "combine" && node.mapSideCombine && node.aggregator.kind !== "group" ? node.aggregator : null;
    const pairs = node.kind === "exchange" ? node.pairs : true;
    return parents.map((parent) => {
      if (placedAlready(this.#of(parent).partitioner, partitioner)) return { kind: "narrow", node: parent };
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
    const shuffle = this.#request.table.shuffleFor(key, node.id);
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
        flushBytes: this.#request.flushBytes ?? DEFAULT_FLUSH_BYTES,
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
    const size = Math.max(MIN_SAMPLE, Math.ceil(wanted / Math.max(1, this.#of(parent).partitions)));
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
    return this.#nodesOf(root).every((id) => {
      const { kind } = nodeOf(this.#request.nodes, id);
      return (
        this.#storage(id) === "NONE" &&
        (kind === "source" || kind === "narrow" || kind === "union" || kind === "coalesce")
      );
    });
  }

  #stage(draft: Draft): Stage {
    const { job, accumulators, action, resolvedSources } = this.#request;
    const nodes = this.#nodesOf(draft.root).map((id) => this.#fragmentNode(id));
    const output = draft.output((one) => this.#idOf(one));
    const carriers = this.#carriers(draft, [nodes, output]);
    const fragment: Fragment = { nodes, output, accumulators, ...(carriers.length === 0 ? {} : { carriers }) };
    const bytes = pack(fragment);
    const shape = draft.root === null ? null : this.#shapeOf(draft.root);
    const parents = this.#parents(draft);
    const values = draft.values.map((one) => this.#idOf(one));
    const valueInputs = this.#valuesOf(draft).map((one) => this.#idOf(one));
    // Counts of partitions are summed up by number.
    const join = joinInputsOf(nodes, output, draft.kind === "value" && output.kind === "action");
    return {
      id: this.#idOf(draft),
      kind: draft.kind,
      job,
      name: draft.name,
      callSite: draft.site,
      fragment: bytes,
      fragmentHash: hashOf(bytes),
      tasks: planTasks(shape, resolvedSources, (split, node) =>
        draft.limitSplits ? this.#limited(split, node) : split,
      ),
      parents: parents.map((one) => this.#idOf(one)),
      shuffleInputs: parents.flatMap((one) => (one.shuffle === null ? [] : [one.shuffle])),
      valueInputs,
      shuffleOutput: draft.shuffle,
      reach: shape === null ? [{ node: null, partitions: 1, parents: values, next: [] }] : shape.reach(values),
      commitsOutput:
        draft.kind === "result" &&
        (outputUrl(action) !== null || action.kind === "foreach" || action.kind === "foreachPartition"),
      ...(join === null ? {} : { join }),
    };
  }

  /** What the fragment must carry besides its own functions. Drafts come parents first. */
  #carriers(draft: Draft, own: unknown): FunctionRef[] {
    const here = new Map<string, FunctionRef>();
    const below = new Map<string, FunctionRef>();
    for (const fn of functionsIn(own)) for (const id of fn.classes ?? []) keepSmaller(here, id, fn);
    for (const parent of this.#parents(draft)) {
      for (const [id, fn] of this.#carried.get(parent) ?? []) keepSmaller(below, id, fn);
    }
    const extra = new Set([...below].flatMap(([id, fn]) => (here.has(id) ? [] : [fn])));
    for (const [id, fn] of here) keepSmaller(below, id, fn);
    this.#carried.set(draft, below);
    return [...extra];
  }

  #shapeOf(root: NodeId): StageShape {
    const known = this.#shapes.get(root);
    if (known !== undefined) return known;
    const shape = new StageShape(root, {
      partitions: (id) => this.#of(id).partitions,
      kind: (id) => nodeOf(this.#request.nodes, id).kind,
      persisted: (id) => this.#storage(id) !== "NONE",
      narrow: (id) => this.#edgesOf(id).flatMap((edge) => (edge.kind === "narrow" ? [edge.node] : [])),
      stages: (id) => {
        const shuffles = this.#edgesOf(id).flatMap((edge) => (edge.kind === "shuffle" ? [edge.draft] : []));
        return [...shuffles, this.#countsOf(id) ?? []].flat().map((draft) => this.#idOf(draft));
      },
      offsets: (id) => this.#offsets(id) ?? [],
    });
    this.#shapes.set(root, shape);
    return shape;
  }

  #fragmentNode(id: NodeId): FragmentNode {
    const node = nodeOf(this.#request.nodes, id);
    const offsets = this.#offsets(id);
    const inputs = this.#edgesOf(id).map((edge): FragmentInput => {
      if (edge.kind === "narrow") return edge;
      const maps = this.#of(edge.draft.root as NodeId).partitions;
      return { kind: "shuffle", shuffle: edge.shuffle, maps, combined: edge.combined };
    });
    return {
      id,
      kind: node.kind,
      callSite: node.callSite,
      partitions: this.#of(id).partitions,
      inputs,
      storage: this.#storage(id),
      ...(node.kind === "narrow" ? { operator: node.operator } : {}),
      ...(node.kind === "combine" ? { aggregator: node.aggregator } : {}),
      ...(node.kind === "exchange" ? { sort: node.sort } : {}),
      ...(node.kind === "zip" ? { fn: node.fn } : {}),
      ...(node.kind === "index" ? { index: this.#indexOf(id, node.unique) } : {}),
      ...(node.kind === "source" ? { format: formatOf(node) } : {}),
      ...(offsets === null ? {} : { offsets }),
    };
  }

  #indexOf(id: NodeId, unique: boolean): NonNullable<FragmentNode["index"]> {
    const counts = this.#countsOf(id);
    return { counts: counts === null ? null : this.#idOf(counts), unique };
  }

  #offsets(id: NodeId): readonly number[] | null {
    const node = nodeOf(this.#request.nodes, id);
    if (node.kind === "union") {
      let at = 0;
      return node.parents.map((parent) => {
        at += this.#of(parent).partitions;
        return at - this.#of(parent).partitions;
      });
    }
    if (node.kind !== "coalesce") return null;
    const from = this.#of(node.parent).partitions;
    const to = this.#of(id).partitions;
    return Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
  }

  #limited(split: Split, id: NodeId): Split {
    if (split.kind !== "file" || split.compression !== "none" || split.length <= SAMPLE_SPLIT_BYTES) return split;
    const node = nodeOf(this.#request.nodes, id);
    const record = node.kind === "source" && node.source.kind === "binaryRecords" ? node.source.recordLength : 1;
    return { ...split, length: Math.max(record, SAMPLE_SPLIT_BYTES - (SAMPLE_SPLIT_BYTES % record)) };
  }

  #of(id: NodeId): ResolvedNode {
    return this.#resolved.get(id) as ResolvedNode;
  }

  #storage(id: NodeId): StorageLevel {
    return this.#request.storage.get(id) ?? "NONE";
  }
}

function keepSmaller(carried: Map<string, FunctionRef>, id: string, fn: FunctionRef): void {
  const known = carried.get(id);
  if (known === undefined || fn.bytes.byteLength < known.bytes.byteLength) carried.set(id, fn);
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

function formatOf(node: LineageNode & { readonly kind: "source" }): NonNullable<FragmentNode["format"]> {
  const { source } = node;
  switch (source.kind) {
    case "collection":
    case "object":
    case "localCheckpoint":
      return { kind: source.kind, classes: source.classes };
    case "wholeFiles":
      return { kind: "wholeFiles", content: source.content };
    case "binaryRecords":
      return { kind: "binaryRecords", recordLength: source.recordLength };
    case "text": {
      const { encoding, keepEnds } = source;
      return { kind: "text", ...(encoding && { encoding }), ...(keepEnds && { keepEnds }) };
    }
    case "range":
      return { kind: source.kind };
  }
}

function hashOf(bytes: Uint8Array): BlobHash {
  return blobHash(createHash("sha256").update(bytes).digest("hex"));
}
