// Sessions, jobs, stages and tasks as the scheduler holds them. States are unions with only what that state needs; moves go
// through transitions.ts.

import type { JobId, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../../core/ids.js";
import type { MutableMetrics } from "../../core/task-metrics.js";
import type { JoinParts } from "../../plan/skew.js";
import type { Stage, StageGraph, StageTask } from "../../plan/stages.js";
import type { JobTraits } from "../../protocol/driver.js";
import type { NamedSums } from "../../protocol/named-values.js";
import type { SkewFinding } from "../../protocol/skew.js";
import type { TaskResult } from "../../protocol/tasks.js";
import type { CachedPartitions, MapOutputs } from "../map-outputs/index.js";
import type { ProcessName, SessionBlame, StageBlame } from "./blame.js";
import type { Derivations } from "./derivations.js";
import type { SessionPolicy } from "./options.js";
import type { ResultWindow } from "./result-window.js";
import type { StagePace } from "./stage-pace.js";

/** An attempt that somebody waits for, and where it is. */
export interface LiveAttempt {
  readonly attempt: number;
  readonly worker: WorkerId;
  readonly node: string;
  readonly process: ProcessName;
  /** When it was launched; from `running` on: when it began. */
  readonly sinceMs: number;
}

export type TaskState =
  | { readonly kind: "pending" }
  | ({ readonly kind: "launched" } & LiveAttempt)
  | ({ readonly kind: "running" } & LiveAttempt)
  /** It runs and is slow: a copy runs, or will, on another worker. Whichever ends well first counts. */
  | ({ readonly kind: "doubled"; readonly copy: LiveAttempt & { readonly running: boolean } } & LiveAttempt)
  /** `result` is null for map outputs (map-outputs has them) and for what the shell has taken over. */
  | {
      readonly kind: "succeeded";
      readonly attempt: number;
      readonly worker: WorkerId | null;
      readonly result: TaskResult | null;
    };

export interface TaskRecord {
  /** Of its last success, as they are in the stage's sum. Absent: none yet. */
  countedRecords?: number;
  /** Its place among the stage's tasks; where a join is divided among tasks, not the partition of the data. */
  readonly partition: number;
  state: TaskState;
  nextAttempt: number;
  failures: number;
  /** A worker may be to blame for a failure of it: not every place will do (exclusion.ts). */
  blamed: boolean;
  /** It ran out of memory: its attempts run with nothing beside them. */
  alone: boolean;
  /** Records that its running attempt has read, as its worker last said. */
  recordsRead: number;
  /** Accumulator updates of this partition were delivered: never twice. */
  accumulated: boolean;
  /** By attempt: the session's count of changed map outputs when it was launched. Empty where no shuffle is read. */
  readonly launchedAt: number[];
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
  /** Times that it started over because what it had read turned out to be another version. */
  restarts: number;
  /** Encoded results of a value stage, by partition. Another list after it started over. */
  values: (Uint8Array | undefined)[];
  missingValues: number;
  startedMs: number;
  failed: number;
  /** Attempts that somebody waits for, copies too. */
  running: number;
  /** Tasks with two of them. */
  doubled: number;
  /** How fast its tasks are; null where no task of it may get a copy. */
  readonly pace: StagePace | null;
  /** Failures that workers may be to blame for; null before the first. */
  blame: StageBlame | null;
  records: number;
  bytes: number;
  /** Tasks of it that succeeded. */
  succeeded: number;
  /** When the last of them did. */
  lastEndMs: number;
  readonly metrics: MutableMetrics;
  readonly accumulators: NamedSums;
}

export interface AttemptStory {
  readonly task: string;
  readonly stage: number;
  readonly partition: number;
  readonly attempt: number;
  readonly worker: string;
  readonly node: string;
  readonly code: string;
  readonly message: string;
  /** Milliseconds after the job was submitted. */
  readonly startedMs: number;
  readonly ranMs: number;
}

/** The attempts of a task that somebody waits for. */
export function liveAttempts(state: TaskState): readonly LiveAttempt[] {
  if (state.kind === "launched" || state.kind === "running") return [state];
  return state.kind === "doubled" ? [state, state.copy] : [];
}

export interface JobRecord {
  readonly id: JobId;
  readonly session: SessionRecord;
  readonly graph: StageGraph;
  readonly stages: Map<StageId, StageRecord>;
  result: StageRecord;
  readonly submittedMs: number;
  readonly traits: JobTraits;
  readonly savesFiles: boolean;
  readonly maxResultBytes: number | null;
  /** The user sees the records as they come: they cannot be taken back. */
  readonly streamed: boolean;
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
  /** When its running tasks are next looked at for slow ones. */
  nextLookMs: number;
  readonly jobs: Map<JobId, JobRecord>;
  readonly outputs: MapOutputs;
  readonly cached: CachedPartitions;
  /** What was made from which shuffle, by all jobs so far. */
  readonly derivations: Derivations;
  /** Of persisted nodes whose partitions had to be made anew: how often. Cached partitions of an earlier one are void. */
  readonly generations: Map<NodeId, number>;
  /** The running stage that computes a shuffle. */
  readonly owners: Map<ShuffleId, StageRecord>;
  /** What was settled when their inputs were whole for the first time (plan-stage.ts). */
  readonly joins: SettledJoin[];
  /** Nodes that jobs may fill the cache with: named persisted by a job and not unpersisted since. With their partitions. */
  readonly persisted: Map<NodeId, number>;
  readonly blame: SessionBlame;
  /** Shuffles that the driver has let go of and running jobs still use. */
  readonly releasing: Set<ShuffleId>;
}
