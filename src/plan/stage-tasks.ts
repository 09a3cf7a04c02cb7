// The shape of one stage's nodes with the long one-to-one chains left out: which splits and persisted partitions each task
// reads, and which parent stages are needed when some persisted nodes lie whole in the cache. Iterative throughout.

import type { NodeId, StageId } from "../core/ids.js";
import type { LineageNode } from "./lineage.js";
import type { Split, StageReach, StageTask, TaskSplit } from "./stages.js";

/** What the shape needs to know of the nodes. */
export interface ShapeNodes {
  partitions(id: NodeId): number;
  kind(id: NodeId): LineageNode["kind"];
  persisted(id: NodeId): boolean;
  /** Parents evaluated in the same task. */
  narrow(id: NodeId): readonly NodeId[];
  /** Parents behind an exchange, as stages. */
  stages(id: NodeId): readonly StageId[];
  offsets(id: NodeId): readonly number[];
}

export class StageShape {
  readonly root: NodeId;
  readonly #nodes: ShapeNodes;
  readonly #skipped = new Map<NodeId, NodeId>();

  constructor(root: NodeId, nodes: ShapeNodes) {
    this.root = root;
    this.#nodes = nodes;
  }

  get partitions(): number {
    return this.#nodes.partitions(this.root);
  }

  /** The sources and persisted nodes that one partition of the root reads, each with its own partition. */
  leaves(partition: number): {
    readonly sources: (readonly [NodeId, number])[];
    readonly cached: (readonly [NodeId, number])[];
  } {
    const sources: (readonly [NodeId, number])[] = [];
    const cached: (readonly [NodeId, number])[] = [];
    const seen = new Map<NodeId, Set<number>>();
    const stack: [NodeId, number][] = [[this.root, partition]];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const id = this.#skip(top[0]);
      const at = top[1];
      const before = seen.get(id) ?? new Set();
      if (before.has(at)) continue;
      seen.set(id, before.add(at));
      if (this.#nodes.persisted(id)) cached.push([id, at]);
      if (this.#nodes.kind(id) === "source") sources.push([id, at]);
      stack.push(...this.#below(id, at).reverse());
    }
    return { sources, cached };
  }

  reach(values: readonly StageId[]): StageReach[] {
    const places = new Map<NodeId, number>();
    const starts: (NodeId | null)[] = [null];
    const reach: StageReach[] = [];
    for (let place = 0; place < starts.length; place++) {
      const start = starts[place] as NodeId | null;
      const parents = new Set<StageId>(start === null ? values : []);
      const next = new Set<number>();
      const seen = new Set<NodeId>();
      const stack: NodeId[] = start === null ? [this.root] : [...this.#nodes.narrow(start)];
      if (start !== null) for (const stage of this.#nodes.stages(start)) parents.add(stage);
      for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
        if (seen.has(id)) continue;
        seen.add(id);
        if (this.#nodes.persisted(id)) {
          const known = places.get(id) ?? starts.push(id) - 1;
          places.set(id, known);
          next.add(known);
          continue;
        }
        for (const stage of this.#nodes.stages(id)) parents.add(stage);
        stack.push(...this.#nodes.narrow(id));
      }
      const partitions = this.#nodes.partitions(start ?? this.root);
      reach.push({ node: start, partitions, parents: [...parents], next: [...next] });
    }
    return reach;
  }

  #below(id: NodeId, partition: number): [NodeId, number][] {
    const parents = this.#nodes.narrow(id);
    const offsets = this.#nodes.offsets(id);
    switch (this.#nodes.kind(id)) {
      case "union": {
        let input = offsets.length - 1;
        while (input > 0 && (offsets[input] as number) > partition) input--;
        const parent = parents[input];
        return parent === undefined ? [] : [[parent, partition - (offsets[input] as number)]];
      }
      case "coalesce": {
        const parent = parents[0] as NodeId;
        const from = offsets[partition] ?? 0;
        const to = offsets[partition + 1] ?? this.#nodes.partitions(parent);
        return Array.from({ length: to - from }, (_, i) => [parent, from + i]);
      }
      case "cartesian": {
        const [first, second] = parents as readonly [NodeId, NodeId];
        const seconds = this.#nodes.partitions(second);
        return [
          [first, Math.floor(partition / seconds)],
          [second, partition % seconds],
        ];
      }
      default:
        return parents.map((parent) => [parent, partition]);
    }
  }

  /** Down a chain of one-to-one nodes to the first that matters. */
  #skip(id: NodeId): NodeId {
    const known = this.#skipped.get(id);
    if (known !== undefined) return known;
    let at = id;
    while (this.#nodes.kind(at) === "narrow" && !this.#nodes.persisted(at)) at = this.#nodes.narrow(at)[0] as NodeId;
    this.#skipped.set(id, at);
    return at;
  }
}

/** The tasks of a stage; one without a shape (a fold of values) has a single task. */
export function planTasks(
  shape: StageShape | null,
  sources: ReadonlyMap<NodeId, readonly Split[]>,
  adjust: (split: Split, node: NodeId) => Split,
): StageTask[] {
  if (shape === null) return [{ partition: 0, splits: [], cached: [] }];
  return Array.from({ length: shape.partitions }, (_, partition) => {
    const leaves = shape.leaves(partition);
    const splits = leaves.sources.map(
      ([node, at]): TaskSplit => ({
        node,
        partition: at,
        split: adjust((sources.get(node) as readonly Split[])[at] as Split, node),
      }),
    );
    return { partition, splits, cached: leaves.cached };
  });
}
