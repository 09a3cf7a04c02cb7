// What of a session was made from which shuffle: other shuffles (also those that earlier jobs left) and persisted nodes. Learnt
// from the stages of every job; asked when a shuffle turns out to hold other records than before.

import type { NodeId, ShuffleId, StageId } from "../../core/ids.js";
import type { Stage, StageGraph } from "../../plan/stages.js";

export interface Derived {
  readonly shuffles: ReadonlySet<ShuffleId>;
  readonly nodes: ReadonlySet<NodeId>;
}

export class Derivations {
  readonly #shuffles = new Map<ShuffleId, Set<ShuffleId>>();
  readonly #nodes = new Map<ShuffleId, Set<NodeId>>();

  learn(graph: StageGraph): void {
    const reads = new Map<StageId, readonly ShuffleId[]>();
    for (const stage of graph.stages) {
      // What a value was folded from (range bounds) decides where records go.
      const own = new Set(stage.shuffleInputs);
      for (const value of stage.valueInputs) for (const shuffle of reads.get(value) ?? []) own.add(shuffle);
      reads.set(stage.id, [...own]);
      if (stage.shuffleOutput !== null) for (const from of own) add(this.#shuffles, from, stage.shuffleOutput);
      if (stage.reach.length > 1) this.#learnNodes(stage, graph, reads);
    }
  }

  forget(shuffle: ShuffleId): void {
    this.#shuffles.delete(shuffle);
    this.#nodes.delete(shuffle);
    for (const derived of this.#shuffles.values()) derived.delete(shuffle);
  }

  forgetNode(node: NodeId): void {
    for (const nodes of this.#nodes.values()) nodes.delete(node);
  }

  /** All that was made from it, by any number of steps; without itself. */
  from(shuffle: ShuffleId): Derived {
    const shuffles = new Set<ShuffleId>();
    const nodes = new Set<NodeId>();
    const stack = [shuffle];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (const node of this.#nodes.get(at) ?? []) nodes.add(node);
      for (const next of this.#shuffles.get(at) ?? []) {
        if (shuffles.has(next)) continue;
        shuffles.add(next);
        stack.push(next);
      }
    }
    return { shuffles, nodes };
  }

  #learnNodes(stage: Stage, graph: StageGraph, reads: ReadonlyMap<StageId, readonly ShuffleId[]>): void {
    const { reach } = stage;
    for (let start = 1; start < reach.length; start++) {
      const { node } = reach[start] as (typeof reach)[number];
      if (node === null) continue;
      const seen = new Set([start]);
      const stack = [start];
      for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
        const { parents, next } = reach[place] as (typeof reach)[number];
        for (const parent of parents)
          for (const shuffle of madeBy(graph, parent, reads)) add(this.#nodes, shuffle, node);
        for (const further of next) {
          if (seen.has(further)) continue;
          seen.add(further);
          stack.push(further);
        }
      }
    }
  }
}

function madeBy(
  graph: StageGraph,
  id: StageId,
  reads: ReadonlyMap<StageId, readonly ShuffleId[]>,
): readonly ShuffleId[] {
  const stage = graph.stages.find((one) => one.id === id);
  if (stage === undefined) return [];
  return stage.shuffleOutput === null ? (reads.get(id) ?? []) : [stage.shuffleOutput];
}

function add<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  map.set(key, (map.get(key) ?? new Set<V>()).add(value));
}
