// What `millrace status` shows of a master: plain data, made when it is asked for.

import { version } from "../core/version.js";
import type { StageProgress } from "../protocol/driver.js";
import type { PressureLevel } from "../protocol/worker.js";
import type { DecommissionProgress } from "./decommission/index.js";
import type { DriverLink } from "./driver-link.js";
import type { JobProgress } from "./job-scheduler/index.js";
import type { MasterView } from "./machine/view.js";
import { describeStorage, type StorageSnapshot } from "./storage-snapshot.js";
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

export interface SnapshotParts {
  readonly url: string;
  readonly startedMs: number;
  readonly view: MasterView;
  /** Open sessions. */
  readonly drivers: Iterable<DriverLink>;
  /** By the shell's clock. */
  readonly nowMs: number;
}

export function describeMaster({ url, startedMs, view, drivers, nowMs }: SnapshotParts): MasterSnapshot {
  return {
    url,
    version,
    startedMs,
    sessions: [...drivers].map((driver) => describeSession(driver, view, nowMs)),
    workers: view.workers.map((record) => ({
      ...describeWorker(record),
      decommission: view.decommission(record.id, nowMs),
      excluded: view
        .exclusionsOf(record, nowMs)
        .map(({ scope, session, reason, forMs }) => ({ scope, session, reason, forMs })),
    })),
  };
}

function describeSession({ host, openedMs }: DriverLink, view: MasterView, nowMs: number): SessionSnapshot {
  const { id, settings } = host;
  const since1970 = <T extends { readonly startedMs: number }>(one: T): T => ({
    ...one,
    startedMs: Date.now() - (nowMs - one.startedMs),
  });
  return {
    id,
    appName: settings.appName,
    openedMs,
    pools: view.pools(id),
    jobs: view.jobProgress(id).map(since1970),
    stages: view.progress(id).map(since1970),
    shuffleBytes: view.shuffleBytes(id),
    storage: describeStorage(view.storage(id), {
      session: id,
      persisted: (node) => host.persisted(node),
      workers: view.workers,
    }),
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
