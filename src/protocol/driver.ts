// The conversation of one driver's session and the master. The driver dials; nobody dials the driver.

import type { WireError } from "../core/errors.js";
import type { BlobHash, JobId, NodeId, SessionId, StageId } from "../core/ids.js";
import type { PoolDefinitions } from "../core/scheduler-pools.js";
import type { TaskMetrics } from "../core/task-metrics.js";
import type { NamedValue } from "../core/user-metrics.js";
import type { CallSite } from "../plan/function.js";
import type { ActionSpec, LineageNode, StorageLevel } from "../plan/lineage.js";
import type { StageKind } from "../plan/stages.js";
import type { SkewFinding } from "./skew.js";
import type { AccumulatorUpdate } from "./tasks.js";

/** Options of a session that master and workers need, compiled (core/options). */
export interface SessionSettings {
  readonly appName: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** The driver's working directory and platform, for messages and events. */
  readonly workingDirectory: string;
  readonly version: string;
  /** Of the driver, for the event log: its Node.js, its system, its program. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a job is besides what it computes: where it is scheduled, and by which names it is known. */
export interface JobTraits {
  /** The pool of its session that its tasks are launched from. Default "default". */
  readonly pool?: string;
  /** The group that it was started in. Absent: none. */
  readonly group?: string;
  /** What the group is for, in the user's words. */
  readonly description?: string;
  /** Absent: none. */
  readonly tags?: readonly string[];
}

export type DriverToMaster =
  | { readonly kind: "open"; readonly settings: SessionSettings }
  /** One blob in pieces of at most 256 KiB, in order; `last` ends it and the hash is checked. */
  | { readonly kind: "blob"; readonly hash: BlobHash; readonly bytes: Uint8Array; readonly last: boolean }
  | {
      readonly kind: "submit";
      readonly job: JobId;
      readonly nodes: readonly LineageNode[];
      readonly root: NodeId;
      readonly action: ActionSpec;
      readonly callSite: CallSite;
      readonly accumulators: readonly number[];
      /** Default: none. */
      readonly traits?: JobTraits;
    }
  /** Pools are added, or get other values. */
  | { readonly kind: "pools"; readonly pools: PoolDefinitions }
  /** Answers how many partitions the node will have. */
  | {
      readonly kind: "countPartitions";
      readonly request: number;
      readonly nodes: readonly LineageNode[];
      readonly node: NodeId;
    }
  | { readonly kind: "cancel"; readonly job: JobId; readonly reason: string }
  /** Result bytes that the user has taken: opens the job's window again. */
  | {
      readonly kind: "acknowledge";
      readonly job: JobId;
      readonly bytes: number;
      /** That of the last resultsRestarted. Default 0. */
      readonly round?: number;
    }
  /** Comes before the first submit that carries the node when it was persisted before any action: levels are kept by id. */
  | { readonly kind: "persist"; readonly node: NodeId; readonly level: StorageLevel; readonly name?: string }
  /**
   * The records of the node are in object files below `url`, or (null) in the caches of workers: jobs to come begin with them.
   * Answered by `partitions`, with an error where they are not all there; the lineage is whole then.
   */
  | { readonly kind: "cutLineage"; readonly request: number; readonly node: NodeId; readonly url: string | null }
  /** A broadcast value: off the workers only (unpersist; the master keeps it), or everywhere (destroy). */
  | { readonly kind: "releaseBlob"; readonly hash: BlobHash; readonly scope: "workers" | "everywhere" }
  /** What accumulators come to that only the driver can add up, after a job: for the event log. */
  | { readonly kind: "accumulatorValues"; readonly job: JobId; readonly values: readonly NamedValue[] }
  | { readonly kind: "releaseNodes"; readonly nodes: readonly NodeId[] }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "close" };

export type MasterToDriver =
  | { readonly kind: "opened"; readonly session: SessionId; readonly slots: number; readonly heartbeatMs: number }
  /** Answers each heartbeat. */
  | { readonly kind: "heartbeat" }
  | { readonly kind: "refused"; readonly error: WireError }
  | {
      readonly kind: "partitions";
      readonly request: number;
      readonly count: number | null;
      readonly error: WireError | null;
    }
  /** Part of one partition's result, partitions in order, undecoded. */
  | {
      readonly kind: "result";
      readonly job: JobId;
      readonly partition: number;
      readonly bytes: Uint8Array;
      readonly last: boolean;
      readonly records: number;
    }
  /** What came of the job's results so far is void: they come again from the first partition on. */
  | { readonly kind: "resultsRestarted"; readonly job: JobId; readonly round: number }
  | { readonly kind: "accumulators"; readonly job: JobId; readonly updates: readonly AccumulatorUpdate[] }
  | { readonly kind: "jobEnded"; readonly job: JobId; readonly error: WireError | null; readonly summary: JobSummary }
  | {
      readonly kind: "log";
      readonly stage: StageId;
      readonly partition: number;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
      readonly dropped?: number;
    }
  | { readonly kind: "progress"; readonly stages: readonly StageProgress[] }
  | { readonly kind: "closed"; readonly error: WireError | null };

/** What a job came to: `session.lastJob`, `session.onJobEnd`. */
export interface JobSummary {
  /** Stages that the job ran; those whose outputs were there from an earlier job are not among them. */
  readonly stages: number;
  /** Tasks that ended well, those among them that ran again because their output was lost. */
  readonly tasks: number;
  /** Attempts that failed and were charged to their task. */
  readonly failedAttempts: number;
  /** Milliseconds from the job's arrival at the master to its end. */
  readonly elapsedMs: number;
  /** Bytes that map tasks wrote, as stored: metrics.shuffleWriteBytes. */
  readonly shuffleBytes: number;
  /** Bytes that operators put on disk because their share of memory was full: metrics.diskBytesSpilled. */
  readonly spillBytes: number;
  /** Sums over the attempts that succeeded; of peakExecutionMemory the largest. */
  readonly metrics: TaskMetrics;
  /** The same by stage, in the order of the job's plan; stages that had nothing to do are not in it. */
  readonly byStage: readonly StageSummary[];
  /** Named accumulators and metrics that the job's tasks have added to, and what; of custom ones what they come to in all jobs. */
  readonly accumulators: readonly NamedValue[];
  /** Tasks that ran on each worker, by worker id and role: "what ran where". */
  readonly workers: readonly {
    readonly worker: string;
    readonly role: string;
    readonly tasks: number;
    readonly runMs: number;
  }[];
  /** Partitions far larger than the others, and keys with a large part of all records; absent: none. formatSkew says it in words. */
  readonly skew?: readonly SkewFinding[];
}

/** What one stage of a job did: `summary.byStage`. */
export interface StageSummary {
  /** Counted from 1 in a session. */
  readonly stage: StageId;
  /** The operation that ends the stage, with its place: "reduceByKey at counts.ts:9:4". */
  readonly name: string;
  /** "shuffleMap" writes map outputs; "value" makes a value that later stages need (a sample, counts); "result" the answer. */
  readonly kind: StageKind;
  /** That succeeded in this job; more than the stage has where outputs were lost and made again. */
  readonly tasks: number;
  /** Attempts that failed and were charged to their task. */
  readonly failedAttempts: number;
  /** Milliseconds from its start to the end of its last task. */
  readonly elapsedMs: number;
  /** That its tasks have made. */
  readonly records: number;
  /** Sums over the attempts that succeeded; of peakExecutionMemory the largest. */
  readonly metrics: TaskMetrics;
  /** Named accumulators and metrics that its tasks have added to, and what. */
  readonly accumulators: readonly NamedValue[];
}

/** How far a running stage is: `session.onProgress`, `millrace status`. */
export interface StageProgress {
  /** The job that the stage runs for; counted from 1 in a session. */
  readonly job: JobId;
  /** Counted from 1 in a session. */
  readonly stage: StageId;
  /** The operation that ends the stage, with its place: "reduceByKey at counts.ts:7:4". */
  readonly name: string;
  /** All tasks of the stage. */
  readonly tasks: number;
  /** Tasks that have succeeded. */
  readonly done: number;
  /** Attempts that run now. */
  readonly running: number;
  /** Attempts that have failed. */
  readonly failed: number;
  /** Records that ended tasks have made. */
  readonly records: number;
  /** Bytes that ended tasks have read, from files and from shuffles. */
  readonly bytes: number;
  /** When the stage began, in milliseconds since 1970 by the master's clock. */
  readonly startedMs: number;
  /** The pool of its job; absent: none was named. */
  readonly pool?: string;
  /** The job group of its job; absent: none was named. */
  readonly group?: string;
  /** Of the tasks that are done. */
  readonly metrics: TaskMetrics;
  /** Named accumulators of the tasks that are done; absent: none. */
  readonly accumulators?: readonly NamedValue[];
  /** Of what the stage reads; absent: none. */
  readonly skew?: readonly SkewFinding[];
}
