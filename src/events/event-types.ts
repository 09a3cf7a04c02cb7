// What happened in a session, as its event log tells it: one JSON object a line, so that status pages, `millrace` and people
// with jq read the same. Additions to an event keep the version; a changed meaning raises it. Nothing secret stands in an
// event: no option values that name credentials, no captured values, no records; of keys only those that skew a stage, cut short.

import type { WireError } from "../core/errors.js";
import { metricNames, noMetrics, type TaskMetrics } from "../core/task-metrics.js";
import type { NamedValue } from "../core/user-metrics.js";

/** Written into sessionStarted; readers refuse a larger one. */
export const eventLogVersion = 2;

/** Those that are not 0; core/task-metrics.ts says what each means. */
export type EventMetrics = Partial<TaskMetrics>;

/** Sums over the jobs of a session that have ended. */
export interface SessionTotals {
  readonly jobs: number;
  readonly failedJobs: number;
  /** That succeeded. */
  readonly tasks: number;
  readonly failedAttempts: number;
  readonly metrics: EventMetrics;
}

interface TaskName {
  readonly job: number;
  readonly stage: number;
  readonly partition: number;
  readonly attempt: number;
}

type EventBody =
  | {
      readonly type: "sessionStarted";
      readonly version: number;
      readonly session: string;
      readonly appName: string;
      readonly millrace: string;
      readonly master: string;
      readonly options: Readonly<Record<string, string | number | boolean>>;
      /** Of the driver: its Node.js, its system, its program; of the master: its Node.js. */
      readonly environment: Readonly<Record<string, string>>;
    }
  /** The first line of every further file of a log. */
  | { readonly type: "logPart"; readonly version: number; readonly session: string; readonly part: number }
  | {
      readonly type: "sessionEnded";
      readonly error: WireError | null;
      readonly elapsedMs: number;
      readonly totals: SessionTotals;
    }
  | {
      readonly type: "jobStarted";
      readonly job: number;
      readonly action: string;
      readonly callSite: string;
      readonly stages: readonly number[];
      /** As in protocol's JobTraits; absent what was not named, and in logs of earlier versions. */
      readonly pool?: string;
      readonly group?: string;
      readonly description?: string;
      readonly tags?: readonly string[];
    }
  | {
      readonly type: "jobEnded";
      readonly job: number;
      readonly error: WireError | null;
      readonly elapsedMs: number;
      /** That succeeded. */
      readonly tasks: number;
      readonly failedAttempts: number;
      readonly metrics: EventMetrics;
      readonly accumulators: readonly NamedValue[];
    }
  /** What accumulators come to that only the driver can add up; after the end of the job. */
  | { readonly type: "accumulatorValues"; readonly job: number; readonly values: readonly NamedValue[] }
  | {
      readonly type: "stageStarted";
      readonly job: number;
      readonly stage: number;
      readonly name: string;
      readonly kind: string;
      readonly tasks: number;
      readonly parents: readonly number[];
    }
  | {
      readonly type: "stageEnded";
      readonly job: number;
      readonly stage: number;
      readonly error: WireError | null;
      readonly elapsedMs: number;
      readonly failedAttempts: number;
      /** Sums over the attempts that succeeded. */
      readonly metrics: EventMetrics;
      readonly accumulators: readonly NamedValue[];
    }
  /** What the stage reads is skewed. `tasks`: those that work on the partition. protocol/skew.ts says what the fields mean. */
  | {
      readonly type: "skew";
      readonly job: number;
      readonly stage: number;
      readonly exchange: string;
      readonly partition: number;
      readonly bytes: number;
      readonly medianBytes: number;
      readonly key: string | null;
      readonly share: number;
      readonly tasks: number;
    }
  | (TaskName & {
      readonly type: "taskStarted";
      readonly worker: string;
      readonly slot: number;
      readonly locality: string;
      /** A second attempt beside one that is slow. Absent in logs of earlier versions. */
      readonly speculative?: boolean;
    })
  | (TaskName & {
      readonly type: "taskEnded";
      readonly worker: string;
      readonly outcome: "succeeded" | "failed" | "fetchFailed" | "cancelled";
      readonly error: WireError | null;
      readonly metrics: EventMetrics | null;
      /** What it has added to accumulators that have a name; absent: nothing. */
      readonly accumulators?: readonly NamedValue[];
    })
  | {
      readonly type: "workerAdded";
      readonly worker: string;
      readonly role: string;
      readonly node: string;
      readonly slots: number;
      readonly memoryBytes: number;
    }
  | { readonly type: "workerLost"; readonly worker: string; readonly reason: string }
  /** Tasks are kept away from a worker, or (`worker` null) from a node: those of a stage, of the session, of everybody. */
  | {
      readonly type: "workerExcluded";
      readonly scope: "stage" | "session" | "cluster";
      readonly worker: string | null;
      readonly node: string;
      readonly reason: string;
      /** null: as long as the stage runs. */
      readonly forMs: number | null;
    }
  | {
      readonly type: "decommissionStarted";
      readonly worker: string;
      readonly reason: string;
      readonly timeoutMs: number;
    }
  /** `blocksLost` lay on the worker alone when it was told to end. */
  | {
      readonly type: "decommissionEnded";
      readonly worker: string;
      readonly reason: string;
      readonly elapsedMs: number;
      readonly outputsMoved: number;
      readonly cachedMoved: number;
      readonly bytesMoved: number;
      readonly blocksLost: number;
    }
  | {
      readonly type: "cached";
      readonly node: number;
      readonly partition: number;
      readonly worker: string;
      readonly sizeBytes: number;
    }
  | { readonly type: "uncached"; readonly node: number; readonly partition: number; readonly worker: string }
  /** Events that are missing here: the disk was too slow. */
  | { readonly type: "eventsDropped"; readonly events: number }
  /** Console lines of tasks that were not passed on. */
  | { readonly type: "logsDropped"; readonly lines: number };

/** `time`: milliseconds since 1970 at the master. */
export type SessionEvent = { readonly time: number } & EventBody;
export type EventType = EventBody["type"];

const known: Record<EventType, true> = {
  sessionStarted: true,
  logPart: true,
  sessionEnded: true,
  jobStarted: true,
  jobEnded: true,
  accumulatorValues: true,
  stageStarted: true,
  stageEnded: true,
  skew: true,
  taskStarted: true,
  taskEnded: true,
  workerAdded: true,
  workerLost: true,
  decommissionStarted: true,
  decommissionEnded: true,
  workerExcluded: true,
  cached: true,
  uncached: true,
  eventsDropped: true,
  logsDropped: true,
};

export function isEventType(type: unknown): type is EventType {
  return typeof type === "string" && Object.hasOwn(known, type);
}

/** Metrics as an event has them. */
export function sparseMetrics(metrics: TaskMetrics): EventMetrics {
  const found: { -readonly [K in keyof TaskMetrics]?: number } = {};
  for (const name of metricNames) if (metrics[name] !== 0) found[name] = metrics[name];
  return found;
}

export function fullMetrics(metrics: EventMetrics | null): TaskMetrics {
  return { ...noMetrics, ...metrics };
}
