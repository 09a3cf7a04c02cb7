// What the scheduler of jobs asks of the master: bytes to deliver, files to commit, attempts to cancel.

import type { WireError } from "../../core/errors.js";
import type { JobId, NodeId, SessionId, ShuffleId, StageId, TaskKey, WorkerId } from "../../core/ids.js";
import type { JobSummary } from "../../protocol/driver.js";
import type { SkewFinding } from "../../protocol/skew.js";
import type { AccumulatorUpdate, TaskResult } from "../../protocol/tasks.js";
import type { Exclusion } from "./blame.js";

export type JobCommand =
  /** The next result in partition order; again for a partition whose bytes were lost. The shell keeps it from now on. */
  | {
      readonly kind: "deliver";
      readonly session: SessionId;
      readonly job: JobId;
      readonly partition: number;
      readonly key: TaskKey;
      readonly worker: WorkerId;
      readonly result: TaskResult;
    }
  /** What was delivered so far is void, wherever it is: results come again from the first partition on. */
  | { readonly kind: "restartResults"; readonly session: SessionId; readonly job: JobId }
  | {
      readonly kind: "accumulators";
      readonly session: SessionId;
      readonly job: JobId;
      readonly updates: readonly AccumulatorUpdate[];
    }
  /** A stage starts with other tasks than was planned, or reads what is skewed. */
  | {
      readonly kind: "stagePlanned";
      readonly session: SessionId;
      readonly job: JobId;
      readonly stage: StageId;
      readonly tasks: number;
      readonly skew: readonly SkewFinding[];
    }
  /** To be passed on after all results delivered before it. */
  | {
      readonly kind: "jobEnded";
      readonly session: SessionId;
      readonly job: JobId;
      readonly error: WireError | null;
      readonly summary: JobSummary;
    }
  /** Answered by outputCommitted. */
  | {
      readonly kind: "commitOutput";
      readonly session: SessionId;
      readonly job: JobId;
      readonly files: readonly { readonly pending: string; readonly final: string }[];
    }
  | { readonly kind: "abortOutput"; readonly session: SessionId; readonly job: JobId }
  /** A value stage's result lies in a block of the worker. Answered by valueFetched. */
  | { readonly kind: "fetchValue"; readonly key: TaskKey; readonly worker: WorkerId; readonly bytes: number }
  | { readonly kind: "cancelAttempt"; readonly worker: WorkerId; readonly key: TaskKey; readonly reason: string }
  /** Tasks of the session are kept away from a worker. */
  | ({ readonly kind: "workerExcluded"; readonly session: SessionId } & Exclusion)
  /** No job reads it any more: its files may go, everywhere. */
  | { readonly kind: "releaseShuffle"; readonly session: SessionId; readonly shuffle: ShuffleId }
  /** A map output that nobody counts on. */
  | {
      readonly kind: "discardOutput";
      readonly worker: WorkerId;
      readonly session: SessionId;
      readonly shuffle: ShuffleId;
      readonly output: { readonly map: number; readonly stage: StageId; readonly attempt: number };
    }
  /** The worker has cached a partition of a node that was unpersisted meanwhile. */
  | { readonly kind: "uncache"; readonly worker: WorkerId; readonly session: SessionId; readonly node: NodeId }
  | { readonly kind: "releaseResult"; readonly worker: WorkerId; readonly key: TaskKey };
