// The lineage of one job with what is resolved of it: of every node at or below the job's root how many partitions it has, how
// their records are placed, whether they are kept, and which partitions of its parents they are made of. Pure; knows no stages.

import type { NodeId } from "../core/ids.js";
import type { KnownPartitioner, LineageNode, StorageLevel } from "./lineage.js";
import { nodeOf, type ResolvedNode, resolveLineage } from "./resolve.js";
import type { Split } from "./stages.js";

export interface JobNodes {
  readonly nodes: ReadonlyMap<NodeId, LineageNode>;
  readonly root: NodeId;
  readonly resolvedSources: ReadonlyMap<NodeId, readonly Split[]>;
  /** Persisted nodes; absent ones are NONE. */
  readonly storage: ReadonlyMap<NodeId, StorageLevel>;
}

export class JobLineage {
  readonly #given: JobNodes;
  readonly #resolved: ReadonlyMap<NodeId, ResolvedNode>;

  constructor(given: JobNodes) {
    this.#given = given;
    this.#resolved = resolveLineage(given.nodes, given.root, given.resolvedSources);
  }

  node(id: NodeId): LineageNode {
    return nodeOf(this.#given.nodes, id);
  }

  resolved(id: NodeId): ResolvedNode {
    return this.#resolved.get(id) as ResolvedNode;
  }

  partitions(id: NodeId): number {
    return this.resolved(id).partitions;
  }

  partitioner(id: NodeId): KnownPartitioner | null {
    return this.resolved(id).partitioner;
  }

  storage(id: NodeId): StorageLevel {
    return this.#given.storage.get(id) ?? "NONE";
  }

  /** Of a union: where each parent's partitions begin; of a coalesce: the parent's partition with which each begins. */
  offsets(id: NodeId): readonly number[] | null {
    const node = this.node(id);
    if (node.kind === "union") {
      let at = 0;
      return node.parents.map((parent) => {
        at += this.partitions(parent);
        return at - this.partitions(parent);
      });
    }
    if (node.kind !== "coalesce") return null;
    const from = this.partitions(node.parent);
    const to = this.partitions(id);
    return Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
  }
}
