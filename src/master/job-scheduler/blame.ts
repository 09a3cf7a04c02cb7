// What a stage and a session hold against workers and nodes: plain counts of failed tasks. A worker counts by process: one that
// was started anew begins with a clean slate, its node does not. What follows from the counts stands in exclusion.ts.

import type { StageId, WorkerId } from "../../core/ids.js";

/** A worker's id and incarnation. */
export type ProcessName = string;

export interface ProcessBlame {
  readonly worker: WorkerId;
  readonly node: string;
  /** Failed attempts by partition. */
  readonly tasks: Map<number, number>;
}

export interface StageBlame {
  readonly processes: Map<ProcessName, ProcessBlame>;
  readonly excluded: Set<ProcessName>;
  readonly excludedNodes: Set<string>;
}

export interface SessionFailure {
  readonly stage: StageId;
  readonly partition: number;
  readonly atMs: number;
}

export interface SessionBlame {
  readonly failures: Map<ProcessName, readonly SessionFailure[]>;
  /** Processes that the session keeps away from, by node: until when. */
  readonly excludedByNode: Map<string, Map<ProcessName, number>>;
}

/** That tasks are kept away from a worker, or (`worker` null) from every worker of a node. */
export interface Exclusion {
  readonly scope: "stage" | "session" | "cluster";
  readonly worker: WorkerId | null;
  readonly node: string;
  readonly reason: string;
  /** null: as long as the stage runs. */
  readonly forMs: number | null;
}

export function newSessionBlame(): SessionBlame {
  return { failures: new Map(), excludedByNode: new Map() };
}

export function newStageBlame(): StageBlame {
  return { processes: new Map(), excluded: new Set(), excludedNodes: new Set() };
}
