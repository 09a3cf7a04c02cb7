// Cuts a lineage into the stages of one job: a stage ends where records must be exchanged. Every stage is made, also those
// whose shuffle an earlier job has computed: the scheduler runs only what is missing, and can recompute what gets lost.
//
//   lineage -> drafts (one an exchange, sample, fold of bounds, result), found from the result down (stage-drafts.ts)
//           -> ids in the order of their dependencies -> fragments packed and hashed, tasks with their splits

import { createHash } from "node:crypto";
import { type BlobHash, blobHash, type JobId, type NodeId, type StageId } from "../core/ids.js";
import { pack } from "../core/packed.js";
import { type CallSite, type FunctionRef, formatCallSite, functionsIn } from "./function.js";
import { JobLineage, type JobNodes } from "./job-lineage.js";
import { type ActionSpec, type LineageNode, outputUrl } from "./lineage.js";
import { postOrder } from "./resolve.js";
import type { ShuffleTable } from "./shuffle-table.js";
import { joinInputsOf } from "./skew-join.js";
import { type Draft, StageDrafts } from "./stage-drafts.js";
import { planTasks, StageShape } from "./stage-tasks.js";
import type { Fragment, FragmentInput, FragmentNode, Split, Stage, StageGraph } from "./stages.js";

export interface LowerRequest extends JobNodes {
  readonly job: JobId;
  readonly action: ActionSpec;
  readonly callSite: CallSite;
  readonly accumulators: readonly number[];
  /** The session's shuffles and stage numbers: new ones are added. */
  readonly table: ShuffleTable;
  /** Encoded bytes at which map-side combining flushes. Default 32 MiB. */
  readonly flushBytes?: number;
}

/** What a sample reads of each split at most where the chain before it is narrow and the format can seek. */
export const SAMPLE_SPLIT_BYTES = 1024 * 1024;
const DEFAULT_FLUSH_BYTES = 32 * 1024 * 1024;
/** take: each round looks at this many times the partitions looked at before. */
const GROWTH_FACTOR = 4;

export function lowerJob(request: LowerRequest): StageGraph {
  return new Lowering(request).graph();
}

class Lowering {
  readonly #request: LowerRequest;
  readonly #lineage: JobLineage;
  readonly #drafts: StageDrafts;
  readonly #ids = new Map<Draft, StageId>();
  readonly #shapes = new Map<NodeId, StageShape>();
  /** Of the whole lineage below a draft: a function for every travelling class, by the class's id. */
  readonly #carried = new Map<Draft, ReadonlyMap<string, FunctionRef>>();

  constructor(request: LowerRequest) {
    this.#request = request;
    this.#lineage = new JobLineage(request);
    this.#drafts = new StageDrafts(this.#lineage, request.table, request.flushBytes ?? DEFAULT_FLUSH_BYTES);
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
    const drafts = postOrder(result, (draft) => this.#drafts.parents(draft));
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

  #stage(draft: Draft): Stage {
    const { job, accumulators, action, resolvedSources } = this.#request;
    const nodes = this.#drafts.nodesOf(draft.root).map((id) => this.#fragmentNode(id));
    const output = draft.output((one) => this.#idOf(one));
    const carriers = this.#carriers(draft, [nodes, output]);
    const fragment: Fragment = { nodes, output, accumulators, ...(carriers.length === 0 ? {} : { carriers }) };
    const bytes = pack(fragment);
    const shape = draft.root === null ? null : this.#shapeOf(draft.root);
    const parents = this.#drafts.parents(draft);
    const values = draft.values.map((one) => this.#idOf(one));
    const valueInputs = this.#drafts.valuesOf(draft).map((one) => this.#idOf(one));
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
    for (const parent of this.#drafts.parents(draft)) {
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
      partitions: (id) => this.#lineage.partitions(id),
      kind: (id) => this.#lineage.node(id).kind,
      persisted: (id) => this.#lineage.storage(id) !== "NONE",
      narrow: (id) => this.#drafts.edgesOf(id).flatMap((edge) => (edge.kind === "narrow" ? [edge.node] : [])),
      stages: (id) => {
        const shuffles = this.#drafts.edgesOf(id).flatMap((edge) => (edge.kind === "shuffle" ? [edge.draft] : []));
        return [...shuffles, this.#drafts.countsOf(id) ?? []].flat().map((draft) => this.#idOf(draft));
      },
      offsets: (id) => this.#lineage.offsets(id) ?? [],
    });
    this.#shapes.set(root, shape);
    return shape;
  }

  #fragmentNode(id: NodeId): FragmentNode {
    const node = this.#lineage.node(id);
    const offsets = this.#lineage.offsets(id);
    const inputs = this.#drafts.edgesOf(id).map((edge): FragmentInput => {
      if (edge.kind === "narrow") return edge;
      const maps = this.#lineage.partitions(edge.draft.root as NodeId);
      return { kind: "shuffle", shuffle: edge.shuffle, maps, combined: edge.combined };
    });
    return {
      id,
      kind: node.kind,
      callSite: node.callSite,
      partitions: this.#lineage.partitions(id),
      inputs,
      storage: this.#lineage.storage(id),
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
    const counts = this.#drafts.countsOf(id);
    return { counts: counts === null ? null : this.#idOf(counts), unique };
  }

  #limited(split: Split, id: NodeId): Split {
    if (split.kind !== "file" || split.compression !== "none" || split.length <= SAMPLE_SPLIT_BYTES) return split;
    const node = this.#lineage.node(id);
    const record = node.kind === "source" && node.source.kind === "binaryRecords" ? node.source.recordLength : 1;
    return { ...split, length: Math.max(record, SAMPLE_SPLIT_BYTES - (SAMPLE_SPLIT_BYTES % record)) };
  }
}

function keepSmaller(carried: Map<string, FunctionRef>, id: string, fn: FunctionRef): void {
  const known = carried.get(id);
  if (known === undefined || fn.bytes.byteLength < known.bytes.byteLength) carried.set(id, fn);
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
