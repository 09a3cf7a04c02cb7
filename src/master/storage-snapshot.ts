// What `millrace status` shows of persisted RDDs: how many partitions lie somewhere, as the scheduler knows at once, and what
// bytes they take where, as each worker's last heartbeat said; the two may be a heartbeat apart.

import type { NodeId, SessionId } from "../core/ids.js";
import { type CallSite, formatCallSite } from "../plan/function.js";
import type { StorageLevel } from "../plan/lineage.js";
import type { NodeStorage } from "./map-outputs/index.js";
import type { WorkerRecord } from "./worker-registry/state.js";

/** A persisted node as the driver has named it. */
export interface PersistedNode {
  readonly level: StorageLevel;
  readonly name: string | null;
  readonly callSite: CallSite;
}

export interface StoredOnWorker {
  readonly worker: string;
  readonly partitions: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export interface StorageSnapshot {
  readonly node: number;
  /** By setName. */
  readonly name: string | null;
  /** "map at counts.ts:7:4". */
  readonly operation: string;
  readonly level: StorageLevel;
  /** Of `partitions`, those that lie on some worker. */
  readonly cached: number;
  readonly partitions: number;
  /** Over all workers: a partition that lies on two counts twice. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly workers: readonly StoredOnWorker[];
}

export function describeStorage(
  nodes: readonly NodeStorage[],
  parts: {
    readonly session: SessionId;
    readonly persisted: (node: NodeId) => PersistedNode | undefined;
    readonly workers: readonly WorkerRecord[];
  },
): StorageSnapshot[] {
  const described = nodes.flatMap(({ node, partitions, cached, byWorker }) => {
    const known = parts.persisted(node);
    if (known === undefined) return [];
    const workers = parts.workers.flatMap((record): StoredOnWorker[] => {
      const said = record.memory?.stored.find((one) => one.session === parts.session && one.node === node);
      const here = byWorker.get(record.id) ?? 0;
      if (said === undefined && here === 0) return [];
      const { memoryBytes = 0, diskBytes = 0 } = said ?? {};
      return [{ worker: record.id, partitions: here, memoryBytes, diskBytes }];
    });
    const sum = (field: "memoryBytes" | "diskBytes") => workers.reduce((total, one) => total + one[field], 0);
    return [
      {
        node,
        name: known.name,
        operation: formatCallSite(known.callSite),
        level: known.level,
        cached,
        partitions,
        memoryBytes: sum("memoryBytes"),
        diskBytes: sum("diskBytes"),
        workers,
      },
    ];
  });
  return described.sort((a, b) => a.node - b.node);
}
