// What `millrace status` shows of a master: plain data, made when it is asked for.

import type { StageProgress } from "../protocol/driver.js";
import type { WorkerRecord } from "./worker-registry/state.js";

export interface SessionSnapshot {
  readonly id: string;
  readonly appName: string;
  /** Milliseconds since 1970. */
  readonly openedMs: number;
  /** Jobs that run. */
  readonly jobs: readonly number[];
  readonly stages: readonly StageProgress[];
}

export interface WorkerSnapshot {
  readonly id: string;
  readonly state: string;
  readonly role: string;
  readonly node: string;
  readonly slots: number;
  readonly running: number;
  readonly memoryBytes: number;
  readonly pid: number;
  readonly blocks: string;
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
    readonly excluded: (record: WorkerRecord) => readonly ExclusionSnapshot[];
  },
): MasterSnapshot {
  const { workers, excluded, ...rest } = parts;
  return {
    ...rest,
    workers: workers.map((record) => ({
      ...describeWorker(record),
      excluded: excluded(record).map(({ scope, session, reason, forMs }) => ({ scope, session, reason, forMs })),
    })),
  };
}

function describeWorker({ id, state, registration, attempts }: WorkerRecord): Omit<WorkerSnapshot, "excluded"> {
  return {
    id,
    state: state.kind,
    role: registration.role,
    node: registration.node,
    slots: registration.slots,
    running: attempts.size,
    memoryBytes: registration.memoryBytes,
    pid: registration.pid,
    blocks: registration.address.blocks,
  };
}
