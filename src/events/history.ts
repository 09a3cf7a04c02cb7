// A session as its event log tells it: plain data for `millrace status --history` and for pages that show the same. Made by
// giving it events in order, of a log that has ended or of one that still grows; what it holds is bounded by the number of jobs
// and stages, and by eight bytes a task.

import type { WireError } from "../core/errors.js";
import { addMetrics, type MutableMetrics, noMetrics, type TaskMetrics } from "../core/task-metrics.js";
import type { NamedValue } from "../core/user-metrics.js";
import { fullMetrics, type SessionEvent } from "./event-types.js";
import { type Quantiles, TimeSample } from "./quantiles.js";

/** Kept for each stage, slowest first. */
const SLOWEST = 5;
/** Failures kept; more are counted. */
const MAX_FAILURES = 200;

export interface TaskHistory {
  readonly partition: number;
  readonly attempt: number;
  readonly worker: string;
  readonly locality: string | null;
  /** Milliseconds since 1970. */
  readonly endedMs: number;
  readonly metrics: TaskMetrics;
}

export interface StageHistory {
  readonly job: number;
  readonly stage: number;
  readonly name: string;
  readonly kind: string;
  readonly tasks: number;
  readonly parents: readonly number[];
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly error: WireError | null;
  /** Attempts by their ends. */
  readonly succeeded: number;
  readonly failed: number;
  readonly fetchFailed: number;
  readonly cancelled: number;
  readonly speculative: number;
  /** Sums over the attempts that succeeded. */
  readonly metrics: TaskMetrics;
  readonly accumulators: readonly NamedValue[];
  /** executorRunTime of the attempts that succeeded, ms; null: none has. */
  readonly runTime: Quantiles | null;
  readonly slowest: readonly TaskHistory[];
}

export interface JobHistory {
  readonly job: number;
  readonly action: string;
  readonly callSite: string;
  readonly group: string | null;
  readonly description: string | null;
  readonly stages: readonly number[];
  readonly startedMs: number;
  /** null: the log has no end of it. */
  readonly endedMs: number | null;
  readonly elapsedMs: number | null;
  readonly error: WireError | null;
  readonly tasks: number;
  readonly failedAttempts: number;
  readonly metrics: TaskMetrics;
  readonly accumulators: readonly NamedValue[];
}

export interface FailureHistory {
  readonly time: number;
  readonly job: number;
  readonly stage: number;
  readonly partition: number;
  readonly attempt: number;
  readonly worker: string;
  readonly outcome: "failed" | "fetchFailed";
  readonly error: WireError;
}

export interface WorkerHistory {
  readonly worker: string;
  readonly role: string;
  readonly node: string;
  readonly slots: number;
  readonly addedMs: number;
  /** null: it was there to the end. */
  readonly lostMs: number | null;
  readonly reason: string | null;
  readonly excluded: readonly { readonly time: number; readonly scope: string; readonly reason: string }[];
  readonly tasks: number;
  readonly runMs: number;
}

export interface SessionHistory {
  readonly session: string;
  readonly appName: string;
  readonly millrace: string;
  readonly master: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly startedMs: number;
  /** null: the log has no end; its master was killed, or the session runs. */
  readonly endedMs: number | null;
  /** Of the latest event. */
  readonly lastMs: number;
  readonly error: WireError | null;
  readonly jobs: readonly JobHistory[];
  readonly stages: readonly StageHistory[];
  readonly workers: readonly WorkerHistory[];
  readonly failures: readonly FailureHistory[];
  /** More than `failures` has. */
  readonly failuresInAll: number;
  readonly skew: readonly Extract<SessionEvent, { type: "skew" }>[];
  /** Cached partitions that were there at the end: how many, and their bytes. */
  readonly cached: { readonly partitions: number; readonly bytes: number };
  /** Sums over all attempts that succeeded, also of jobs that failed. */
  readonly metrics: TaskMetrics;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface StageTrack extends Omit<Mutable<StageHistory>, "metrics" | "runTime" | "slowest"> {
  readonly metrics: MutableMetrics;
  readonly times: TimeSample;
  readonly slowest: TaskHistory[];
}

export class HistoryBuilder {
  readonly #session = {
    session: "",
    appName: "",
    millrace: "",
    master: "",
    options: {} as SessionHistory["options"],
    environment: {} as SessionHistory["environment"],
    startedMs: 0,
    endedMs: null as number | null,
    lastMs: 0,
    error: null as WireError | null,
  };
  readonly #jobs = new Map<number, Mutable<JobHistory>>();
  /** By stage number: they are the session's. */
  readonly #stages = new Map<number, StageTrack>();
  readonly #workers = new Map<string, Mutable<WorkerHistory>>();
  readonly #failures: FailureHistory[] = [];
  #failuresInAll = 0;
  readonly #skew: Extract<SessionEvent, { type: "skew" }>[] = [];
  readonly #cached = new Map<string, number>();
  readonly #metrics: MutableMetrics = { ...noMetrics };
  /** Of attempts that run. */
  readonly #localities = new Map<string, string>();

  add(event: SessionEvent): void {
    this.#session.lastMs = Math.max(this.#session.lastMs, event.time);
    switch (event.type) {
      case "sessionStarted": {
        const { session, appName, millrace, master, options, environment = {}, time: startedMs } = event;
        Object.assign(this.#session, { session, appName, millrace, master, options, environment, startedMs });
        return;
      }
      case "sessionEnded":
        this.#session.endedMs = event.time;
        this.#session.error = event.error;
        return;
      case "jobStarted":
        this.#jobStarted(event);
        return;
      case "jobEnded":
        this.#jobEnded(event);
        return;
      case "accumulatorValues":
        this.#accumulatorValues(event);
        return;
      case "stageStarted":
        this.#stages.set(event.stage, newStage(event));
        return;
      case "stageEnded": {
        const stage = this.#stages.get(event.stage);
        if (stage === undefined) return;
        stage.endedMs = event.time;
        stage.error = event.error;
        stage.accumulators = event.accumulators ?? [];
        return;
      }
      case "taskStarted": {
        this.#localities.set(attemptName(event), event.locality);
        const stage = this.#stages.get(event.stage);
        if (stage !== undefined && event.speculative === true) stage.speculative++;
        return;
      }
      case "taskEnded":
        this.#taskEnded(event);
        return;
      case "workerAdded":
        this.#workerAdded(event);
        return;
      case "workerLost": {
        const worker = this.#workers.get(event.worker);
        if (worker === undefined) return;
        worker.lostMs = event.time;
        worker.reason = event.reason;
        return;
      }
      case "workerExcluded": {
        const { worker: name, node, scope, reason, time } = event;
        for (const worker of this.#workers.values())
          if (name === null ? worker.node === node : worker.worker === name)
            worker.excluded = [...worker.excluded, { time, scope, reason }];
        return;
      }
      case "skew":
        this.#skew.push(event);
        return;
      case "cached":
        this.#cached.set(`${event.node}/${event.partition}/${event.worker}`, event.sizeBytes);
        return;
      case "uncached":
        this.#cached.delete(`${event.node}/${event.partition}/${event.worker}`);
        return;
      case "logPart":
      case "decommissionStarted":
      case "decommissionEnded":
      case "eventsDropped":
      case "logsDropped":
        return;
    }
  }

  build(): SessionHistory {
    let bytes = 0;
    for (const size of this.#cached.values()) bytes += size;
    return {
      ...this.#session,
      jobs: [...this.#jobs.values()],
      stages: [...this.#stages.values()].map(({ times, ...stage }) => ({ ...stage, runTime: times.quantiles() })),
      workers: [...this.#workers.values()],
      failures: this.#failures,
      failuresInAll: this.#failuresInAll,
      skew: this.#skew,
      cached: { partitions: this.#cached.size, bytes },
      metrics: this.#metrics,
    };
  }

  #jobStarted(event: Extract<SessionEvent, { type: "jobStarted" }>): void {
    const { job, action, callSite, stages, group = null, description = null, time } = event;
    this.#jobs.set(job, {
      ...{ job, action, callSite, group, description, stages, startedMs: time },
      endedMs: null,
      elapsedMs: null,
      error: null,
      tasks: 0,
      failedAttempts: 0,
      metrics: noMetrics,
      accumulators: [],
    });
  }

  #jobEnded(event: Extract<SessionEvent, { type: "jobEnded" }>): void {
    const job = this.#jobs.get(event.job);
    if (job === undefined) return;
    job.endedMs = event.time;
    job.elapsedMs = event.elapsedMs;
    job.error = event.error;
    job.tasks = event.tasks ?? 0;
    job.failedAttempts = event.failedAttempts ?? 0;
    job.metrics = fullMetrics(event.metrics ?? null);
    job.accumulators = event.accumulators ?? [];
  }

  #accumulatorValues({ job: id, values }: Extract<SessionEvent, { type: "accumulatorValues" }>): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.accumulators = job.accumulators.map((one) => values.find((value) => value.id === one.id) ?? one);
  }

  #taskEnded(event: Extract<SessionEvent, { type: "taskEnded" }>): void {
    const { outcome, worker: name, error, time, job, stage: id, partition, attempt } = event;
    const key = attemptName(event);
    const locality = this.#localities.get(key) ?? null;
    this.#localities.delete(key);
    const stage = this.#stages.get(id);
    if (stage !== undefined) stage[outcome]++;
    if (outcome !== "succeeded") {
      if (outcome === "cancelled" || error === null) return;
      this.#failuresInAll++;
      if (this.#failures.length < MAX_FAILURES)
        this.#failures.push({ time, job, stage: id, partition, attempt, worker: name, outcome, error });
      return;
    }
    const metrics = fullMetrics(event.metrics);
    addMetrics(this.#metrics, metrics);
    const worker = this.#workers.get(name);
    if (worker !== undefined) {
      worker.tasks++;
      worker.runMs += metrics.executorRunTime;
    }
    if (stage === undefined) return;
    addMetrics(stage.metrics, metrics);
    stage.times.add(metrics.executorRunTime);
    const { slowest } = stage;
    const least = slowest.at(-1);
    if (slowest.length === SLOWEST && least !== undefined && least.metrics.executorRunTime >= metrics.executorRunTime)
      return;
    slowest.push({ partition, attempt, worker: name, locality, endedMs: time, metrics });
    slowest.sort((a, b) => b.metrics.executorRunTime - a.metrics.executorRunTime);
    if (slowest.length > SLOWEST) slowest.pop();
  }

  #workerAdded(event: Extract<SessionEvent, { type: "workerAdded" }>): void {
    const { worker, role, node, slots, time } = event;
    const known = this.#workers.get(worker);
    if (known !== undefined) {
      // It came back.
      known.lostMs = null;
      known.reason = null;
      return;
    }
    const fresh = { lostMs: null, reason: null, excluded: [], tasks: 0, runMs: 0 };
    this.#workers.set(worker, { worker, role, node, slots, addedMs: time, ...fresh });
  }
}

function newStage(event: Extract<SessionEvent, { type: "stageStarted" }>): StageTrack {
  const { job, stage, name, kind, tasks, parents, time } = event;
  return {
    ...{ job, stage, name, kind, tasks, parents, startedMs: time },
    endedMs: null,
    error: null,
    succeeded: 0,
    failed: 0,
    fetchFailed: 0,
    cancelled: 0,
    speculative: 0,
    metrics: { ...noMetrics },
    accumulators: [],
    times: new TimeSample(),
    slowest: [],
  };
}

function attemptName({ stage, partition, attempt }: { stage: number; partition: number; attempt: number }): string {
  return `${stage}/${partition}/${attempt}`;
}
