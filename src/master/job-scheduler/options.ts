// Slice of the master's options that decides when a job gives up.

import type { PoolScheme } from "../task-assigner/index.js";
import { defaultSkewRule, type SkewRule } from "./skew.js";
import type { MoveObserver } from "./transitions.js";

/** When a second attempt of a slow task is launched: Spark's rule (speculation.ts). */
export interface SpeculationPolicy {
  readonly intervalMs: number;
  readonly multiplier: number;
  readonly quantile: number;
  readonly minTaskRuntimeMs: number;
  readonly processRateMultiplier: number;
  readonly longRunTaskFactor: number;
}

/** After how many failures tasks are kept away from a place: Spark's counts (exclusion.ts). */
export interface ExclusionPolicy {
  readonly timeoutMs: number;
  readonly attemptsOfTaskPerWorker: number;
  readonly attemptsOfTaskPerNode: number;
  readonly tasksOfStagePerWorker: number;
  readonly workersOfStagePerNode: number;
  readonly tasksOfSessionPerWorker: number;
  readonly workersOfSessionPerNode: number;
}

/** What a session may choose for its own jobs: a master serves sessions with different options. */
export interface SessionPolicy {
  /** Failures of one task that end its job. Option `task.maxFailures`. */
  readonly maxTaskFailures: number;
  /** With tasks pending and no worker for so long a job fails with NO_WORKERS. Option `scheduler.workerTimeout`, ms. */
  readonly workerTimeoutMs: number;
  /** Bytes of results that may wait for the driver before result tasks do. Option `driver.maxResultsAhead`. */
  readonly maxResultsAheadBytes: number;
  /** null: no task gets a second attempt beside its first. Options `speculation.*`. */
  readonly speculation: SpeculationPolicy | null;
  /** null: a failure keeps no task away from anywhere. Options `exclude.*`. */
  readonly exclusion: ExclusionPolicy | null;
  /** Options `join.skew.*`. */
  readonly skew: SkewRule;
}

/** What a session may choose for how its tasks are assigned; by default the master's own. */
export interface SessionScheduling {
  /** Option `locality.wait`. */
  readonly localityWaitMs?: number;
  /** Option `scheduler.groupTime`. */
  readonly groupMs?: number;
  /** Options `scheduler.mode`, `scheduler.pools`. By default FIFO. */
  readonly pools?: PoolScheme;
}

export interface JobSchedulerOptions extends SessionPolicy {
  /** Times in a row that a stage may be stopped by lost shuffle data. */
  readonly maxConsecutiveStageAttempts: number;
  /** Sees every move of a stage or task; for tests and the event log. */
  readonly onMove?: MoveObserver;
}

/** Where it is on and says nothing else. */
export const usualSpeculation: SpeculationPolicy = {
  intervalMs: 100,
  multiplier: 3,
  quantile: 0.9,
  minTaskRuntimeMs: 100,
  processRateMultiplier: 0.75,
  longRunTaskFactor: 2,
};

export const usualExclusion: ExclusionPolicy = {
  timeoutMs: 3_600_000,
  attemptsOfTaskPerWorker: 1,
  attemptsOfTaskPerNode: 2,
  tasksOfStagePerWorker: 2,
  workersOfStagePerNode: 2,
  tasksOfSessionPerWorker: 2,
  workersOfSessionPerNode: 2,
};

export const defaultJobSchedulerOptions: JobSchedulerOptions = {
  maxTaskFailures: 4,
  maxConsecutiveStageAttempts: 4,
  workerTimeoutMs: 60_000,
  maxResultsAheadBytes: 128 * 1024 * 1024,
  speculation: null,
  exclusion: usualExclusion,
  skew: defaultSkewRule,
};
