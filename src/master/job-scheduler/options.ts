// Slice of the master's options that decides when a job gives up.

import { defaultSkewRule, type SkewRule } from "./skew.js";
import type { MoveObserver } from "./transitions.js";

/** What a session may choose for its own jobs: a master serves sessions with different options. */
export interface SessionPolicy {
  /** Failures of one task that end its job. Option `task.maxFailures`. */
  readonly maxTaskFailures: number;
  /** With tasks pending and no worker for so long a job fails with NO_WORKERS. Option `scheduler.workerTimeout`, ms. */
  readonly workerTimeoutMs: number;
  /** Bytes of results that may wait for the driver before result tasks do. Option `driver.maxResultsAhead`. */
  readonly maxResultsAheadBytes: number;
  /** Options `join.skew.*`. */
  readonly skew: SkewRule;
}

export interface JobSchedulerOptions extends SessionPolicy {
  /** Times in a row that a stage may be stopped by lost shuffle data. */
  readonly maxConsecutiveStageAttempts: number;
  /** Sees every move of a stage or task; for tests and the event log. */
  readonly onMove?: MoveObserver;
}

export const defaultJobSchedulerOptions: JobSchedulerOptions = {
  maxTaskFailures: 4,
  maxConsecutiveStageAttempts: 4,
  workerTimeoutMs: 60_000,
  maxResultsAheadBytes: 128 * 1024 * 1024,
  skew: defaultSkewRule,
};
