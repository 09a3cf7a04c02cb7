// Sessions, jobs, stages and tasks as the scheduler holds them. States are unions with only what that state needs; moves go
// through transitions.ts.

import type { JobId, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../../core/ids.js";
import type { JoinParts } from "../../plan/skew.js";
import type { Stage, StageGraph, StageTask } from "../../plan/stages.js";
import type { SkewFinding } from "../../protocol/skew.js";
import type { TaskResult } from "../../protocol/tasks.js";
import type { CachedPartitions, MapOutputs } from "../map-outputs/index.js";
import type { SessionPolicy } from "./options.js";
import type { ResultWindow } from "./result-window.js";

export type TaskState =
  | { readonly kind: "pending" }
  | { readonly kind: "launched"; readonly attempt: number; readonly worker: WorkerId }
  | { readonly kind: "running"; readonly attempt: number; readonly worker: WorkerId }
  /** `result` is null for map outputs (map-outputs has them) and for what the shell has taken over. */
  | {
      readonly kind: "succeeded";
      readonly attempt: number;
      readonly worker: WorkerId | null;
      readonly result: TaskResult | null;
    };

export interface TaskRecord {
  /** Its place among the stage's tasks; where a join is divided among tasks, not the partition of the data. */
  readonly partition: number;
  state: TaskState;
  nextAttempt: number;
  failures: number;
  /** Accumulator updates of this partition were delivered: never twice. */
  accumulated: boolean;
  readonly moves: string[];
}

export type StageState =
  | { readonly kind: "idle" }
  | { readonly kind: "waiting" }
  | { readonly kind: "sharing" }
  | { readonly kind: "running" }
  | { readonly kind: "committing" }
  | { readonly kind: "complete" };

export interface StageRecord {
  readonly stage: Stage;
  readonly job: JobRecord;
  state: StageState;
  readonly moves: string[];
  tasks: TaskRecord[];
  /** What each task works on: the stage's own list, or a longer one that was made when the stage started. */
  plan: readonly StageTask[];
  /** Skew of what it reads. */
  skew: readonly SkewFinding[];
  /** Partitions [0, roundEnd) are wanted; more only where a job grows. */
  roundEnd: number;
  /** Wanted tasks that have not succeeded. */
  remaining: number;
  /** Times in a row that lost shuffle data stopped it. */
  fetchFailures: number;
  /** Encoded results of a value stage, by partition. */
  readonly values: (Uint8Array | undefined)[];
  missingValues: number;
  startedMs: number;
  failed: number;
  running: number;
  records: number;
  bytes: number;
}

export interface AttemptStory {
  readonly task: string;
  readonly worker: string;
  readonly code: string;
  readonly message: string;
}

export interface JobRecord {
  readonly id: JobId;
  readonly session: SessionRecord;
  readonly graph: StageGraph;
  readonly stages: Map<StageId, StageRecord>;
  result: StageRecord;
  readonly submittedMs: number;
  readonly savesFiles: boolean;
  readonly maxResultBytes: number | null;
  resultBytes: number;
  nextDelivery: number;
  /** How far its result tasks run ahead of the driver; null where no results go to it. */
  readonly window: ResultWindow | null;
  /** Block results with the shell that the driver has not acknowledged. */
  readonly unacknowledged: Map<number, TaskKey>;
  readonly story: AttemptStory[];
  readonly skew: SkewFinding[];
  tasks: number;
  failedAttempts: number;
  shuffleBytes: number;
  spillBytes: number;
  readonly workers: Map<WorkerId, { readonly role: string; tasks: number; runMs: number }>;
  /** Since when tasks are pending and no worker is there; null while one is. */
  workerlessSinceMs: number | null;
}

/** How the partitions of a join of two shuffles are made: kept for as long as both, so that it is the same in every stage and job. */
export interface SettledJoin {
  readonly left: ShuffleId;
  readonly right: ShuffleId;
  /** By partition; null: in one. */
  readonly parts: readonly (JoinParts | null)[];
}

export interface SessionRecord {
  readonly id: SessionId;
  readonly policy: SessionPolicy;
  readonly jobs: Map<JobId, JobRecord>;
  readonly outputs: MapOutputs;
  readonly cached: CachedPartitions;
  /** The running stage that computes a shuffle. */
  readonly owners: Map<ShuffleId, StageRecord>;
  /** What was settled when their inputs were whole for the first time (plan-stage.ts). */
  readonly joins: SettledJoin[];
  /** Nodes that jobs may fill the cache with: named persisted by a job and not unpersisted since. */
  readonly persisted: Set<NodeId>;
  /** Shuffles that the driver has let go of and running jobs still use. */
  readonly releasing: Set<ShuffleId>;
}
