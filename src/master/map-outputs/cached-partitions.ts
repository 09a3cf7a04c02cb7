// Which workers hold which partitions of a session's persisted nodes. Workers may drop a partition at any time and say so
// later: what stands here is a hint for locality and for what need not be computed, never a promise.

import type { NodeId, WorkerId } from "../../core/ids.js";

export class CachedPartitions {
  readonly #nodes = new Map<NodeId, Map<number, Set<WorkerId>>>();

  add(node: NodeId, partition: number, worker: WorkerId): void {
    const partitions = this.#nodes.get(node) ?? new Map<number, Set<WorkerId>>();
    this.#nodes.set(node, partitions);
    partitions.set(partition, (partitions.get(partition) ?? new Set()).add(worker));
  }

  /** Whether every partition of the node lies somewhere. */
  isComplete(node: NodeId, partitions: number): boolean {
    return (this.#nodes.get(node)?.size ?? 0) >= partitions;
  }

  workers(node: NodeId, partition: number): ReadonlySet<WorkerId> | undefined {
    return this.#nodes.get(node)?.get(partition);
  }

  remove(node: NodeId, partition: number, worker: WorkerId): boolean {
    const partitions = this.#nodes.get(node);
    const holders = partitions?.get(partition);
    if (partitions === undefined || !holders?.delete(worker)) return false;
    if (holders.size === 0) partitions.delete(partition);
    return true;
  }

  removeWorker(worker: WorkerId): boolean {
    let any = false;
    for (const [node, partitions] of this.#nodes) {
      for (const partition of [...partitions.keys()]) any = this.remove(node, partition, worker) || any;
    }
    return any;
  }

  /** Answers who held some of it. */
  removeNode(node: NodeId): ReadonlySet<WorkerId> {
    const holders = new Set<WorkerId>();
    for (const workers of this.#nodes.get(node)?.values() ?? []) for (const worker of workers) holders.add(worker);
    this.#nodes.delete(node);
    return holders;
  }
}
