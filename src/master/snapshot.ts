// What `millrace status` shows of a master: plain data, made when it is asked for.

import type { WorkerId } from "../core/ids.js";
import type { StageProgress } from "../protocol/driver.js";
import type { PressureLevel } from "../protocol/worker.js";
import type { DecommissionProgress } from "./decommission/index.js";
import type { JobProgress } from "./job-scheduler/index.js";
import type { StorageSnapshot } from "./storage-snapshot.js";
import type { PoolSnapshot } from "./task-assigner/index.js";
import type { WorkerRecord } from "./worker-registry/state.js";

export interface SessionSnapshot {
  readonly id: string;
  readonly appName: string;
  /** Milliseconds since 1970. */
  readonly openedMs: number;
  /** None where the session schedules FIFO. */
  readonly pools: readonly PoolSnapshot[];
  /** Jobs that run, with their pools, groups and tags; `startedMs` in milliseconds since 1970, here and of stages. */
  readonly jobs: readonly JobProgress[];
  /** Stages that run. */
  readonly stages: readonly StageProgress[];
  /** Map outputs that the session keeps, over all workers. */
  readonly shuffleBytes: number;
  /** Persisted RDDs, by id. */
  readonly storage: readonly StorageSnapshot[];
}

export interface WorkerSnapshot {
  readonly id: string;
  readonly state: string;
  readonly role: string;
  readonly node: string;
  readonly slots: number;
  readonly running: number;
  readonly memoryBytes: number;
  /** As of its last heartbeat; null before the first. */
  readonly rssBytes: number | null;
  readonly cacheBytes: number | null;
  readonly pressure: PressureLevel | null;
  readonly pid: number;
  readonly blocks: string;
  /** How far it is, where it is to go; null otherwise. */
  readonly decommission: DecommissionProgress | null;
  /** Whose tasks are kept away from it, and why. */
  readonly excluded: readonly ExclusionSnapshot[];
}

export interface ExclusionSnapshot {
  readonly scope: "stage" | "session" | "cluster";
  /** null: every session. */
  readonly session: string | null;
  readonly reason: string;
  /** null: as long as the stage runs. */
  readonly forMs: number | null;
}

export interface MasterSnapshot {
  readonly url: string;
  readonly version: string;
  readonly startedMs: number;
  readonly sessions: readonly SessionSnapshot[];
  readonly workers: readonly WorkerSnapshot[];
}

export function describeMaster(
  parts: Omit<MasterSnapshot, "workers"> & {
    readonly workers: readonly WorkerRecord[];
    readonly decommission: (worker: WorkerId) => DecommissionProgress | null;
    readonly excluded: (record: WorkerRecord) => readonly ExclusionSnapshot[];
  },
): MasterSnapshot {
  const { workers, decommission, excluded, ...rest } = parts;
  return {
    ...rest,
    workers: workers.map((record) => ({
      ...describeWorker(record),
      decommission: decommission(record.id),
      excluded: excluded(record).map(({ scope, session, reason, forMs }) => ({ scope, session, reason, forMs })),
    })),
  };
}

function describeWorker({
  id,
  state,
  diskShort,
  registration,
  attempts,
  memory,
}: WorkerRecord): Omit<WorkerSnapshot, "decommission" | "excluded"> {
  return {
    id,
    state: diskShort ? `${state.kind}, short of disk` : state.kind,
    role: registration.role,
    node: registration.node,
    slots: registration.slots,
    running: attempts.size,
    memoryBytes: registration.memoryBytes,
    rssBytes: memory?.rssBytes ?? null,
    cacheBytes: memory?.cacheBytes ?? null,
    pressure: memory?.pressure ?? null,
    pid: registration.pid,
    blocks: registration.address.blocks,
  };
}
