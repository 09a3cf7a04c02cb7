// Which workers hold which partitions of a session's persisted nodes. Workers may drop a partition at any time and say so
// later: what stands here is a hint for locality and for what need not be computed, never a promise.

import type { NodeId, WorkerId } from "../../core/ids.js";

export interface HeldPartition {
  readonly node: NodeId;
  readonly partition: number;
  readonly holders: ReadonlySet<WorkerId>;
  readonly sizeBytes: number;
}

interface CachedCount {
  /** Partitions that lie somewhere. */
  readonly cached: number;
  /** Partitions on each worker that has some. */
  readonly byWorker: ReadonlyMap<WorkerId, number>;
}

/** A persisted node of so many partitions, and what lies of it where. */
export interface NodeStorage extends CachedCount {
  readonly node: NodeId;
  readonly partitions: number;
}

export class CachedPartitions {
  readonly #nodes = new Map<NodeId, Map<number, Set<WorkerId>>>();
  /** Encoded bytes of each partition, the same wherever it lies. */
  readonly #sizes = new Map<NodeId, Map<number, number>>();

  add(node: NodeId, partition: number, worker: WorkerId, sizeBytes = 0): void {
    const partitions = this.#nodes.get(node) ?? new Map<number, Set<WorkerId>>();
    this.#nodes.set(node, partitions);
    partitions.set(partition, (partitions.get(partition) ?? new Set()).add(worker));
    const sizes = this.#sizes.get(node) ?? new Map<number, number>();
    this.#sizes.set(node, sizes.set(partition, sizeBytes));
  }

  /** What lies on a worker, with everyone who has it. */
  *heldBy(worker: WorkerId): Generator<HeldPartition, void, void> {
    for (const [node, partitions] of this.#nodes) {
      for (const [partition, holders] of partitions) {
        if (!holders.has(worker)) continue;
        yield { node, partition, holders, sizeBytes: this.#sizes.get(node)?.get(partition) ?? 0 };
      }
    }
  }

  count(node: NodeId): CachedCount {
    const byWorker = new Map<WorkerId, number>();
    const partitions = this.#nodes.get(node);
    for (const holders of partitions?.values() ?? []) {
      for (const worker of holders) byWorker.set(worker, (byWorker.get(worker) ?? 0) + 1);
    }
    return { cached: partitions?.size ?? 0, byWorker };
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
    this.#sizes.delete(node);
    return holders;
  }
}
