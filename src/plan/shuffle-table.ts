// The shuffles and stage numbers of one session. A shuffle is named by what it moves (parent node, partitioner, map-side
// aggregator), so that a later job finds the one that an earlier job computed. It lives while a node that reads it lives.
// Whether its outputs are there is not known here: master/map-outputs is asked for that.

import { type NodeId, type ShuffleId, type StageId, shuffleId, stageId } from "../core/ids.js";
import type { Aggregator } from "./lineage.js";
import type { CountedPartitioner } from "./resolve.js";

export class ShuffleTable {
  readonly #byKey = new Map<string, { readonly id: ShuffleId; readonly readers: Set<NodeId> }>();
  #shuffles = 0;
  #stages = 0;

  nextStage(): StageId {
    return stageId(++this.#stages);
  }

  /** The shuffle of this key, made at its first use. `reader`: the node that reads it. */
  shuffleFor(key: string, reader: NodeId): ShuffleId {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { id: shuffleId(++this.#shuffles), readers: new Set() };
      this.#byKey.set(key, entry);
    }
    entry.readers.add(reader);
    return entry.id;
  }

  /** The nodes are gone in the driver: answers the shuffles that nobody can read any more, and forgets them. */
  release(nodes: Iterable<NodeId>): ShuffleId[] {
    const gone = new Set(nodes);
    const released: ShuffleId[] = [];
    for (const [key, entry] of this.#byKey) {
      for (const node of gone) entry.readers.delete(node);
      if (entry.readers.size > 0) continue;
      this.#byKey.delete(key);
      released.push(entry.id);
    }
    return released;
  }
}

/** Equal for exchanges that move the same records to the same places. */
export function shuffleKey(
  parent: NodeId,
  partitioner: CountedPartitioner,
  aggregator: Aggregator | null,
  pairs: boolean,
): string {
  return `${parent} ${partitionerKey(partitioner)} ${aggregator === null ? "-" : aggregatorKey(aggregator)} ${pairs ? "pairs" : "records"}`;
}

export function partitionerKey(partitioner: CountedPartitioner): string {
  const { kind, partitions } = partitioner;
  switch (kind) {
    case "custom":
      return `custom:${partitions}:${partitioner.fn.hash}`;
    case "range":
      return `range:${partitions}:${partitioner.ascending}:${partitioner.of ?? "own"}`;
    case "bounds":
      return `bounds:${partitions}:${partitioner.ascending}:${Buffer.from(partitioner.bounds).toString("base64")}`;
    case "hash":
    case "roundRobin":
      return `${kind}:${partitions}`;
  }
}

function aggregatorKey(aggregator: Aggregator): string {
  switch (aggregator.kind) {
    case "functions":
      return `functions:${aggregator.create.hash}:${aggregator.mergeValue.hash}:${aggregator.mergeCombiners.hash}`;
    case "reduce":
      return `reduce:${aggregator.merge.hash}`;
    case "aggregate":
      return `aggregate:${aggregator.seq.hash}:${aggregator.comb.hash}:${Buffer.from(aggregator.zero).toString("base64")}`;
    case "group":
    case "first":
      return aggregator.kind;
  }
}
