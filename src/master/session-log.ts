// Writes a session's event log from what passes through the master's shell.

import { systemClock } from "../core/clock.js";
import type { WireError } from "../core/errors.js";
import { formatTaskKey, type JobId, type StageId, type TaskKey } from "../core/ids.js";
import { addMetrics, type MutableMetrics, noMetrics } from "../core/task-metrics.js";
import type { NamedValue } from "../core/user-metrics.js";
import { EventLogWriter, type EventLogWriterOptions } from "../events/event-log-writer.js";
import { eventLogVersion, type SessionEvent, sparseMetrics } from "../events/event-types.js";
import { formatCallSite } from "../plan/function.js";
import type { Stage, StageGraph } from "../plan/stages.js";
import type { DriverToMaster, JobSummary, SessionSettings } from "../protocol/driver.js";
import { NamedSums, showUpdate } from "../protocol/named-values.js";
import {
  type AccumulatorUpdate,
  type TaskLaunch,
  type TaskOutcome,
  type TaskStatus,
  tasksOf,
} from "../protocol/tasks.js";
import type { WorkerRegistration } from "../protocol/worker.js";
import type { DecommissionCommand } from "./decommission/index.js";
import type { MasterCommand } from "./events.js";
import type { Exclusion } from "./job-scheduler/index.js";

/** Names that may hold secrets stay out of the log. */
const PRIVATE = /secret|password|token|key/i;

type Body = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, "time"> : never) : never;

type StagePlanned = MasterCommand & { readonly kind: "stagePlanned" };

interface StageTrack {
  readonly stage: Stage;
  /** More than the stage's own where a skewed join is divided. */
  tasks: number;
  /** When its first task ran; 0: none has. */
  startedMs: number;
  readonly done: Set<number>;
  failedAttempts: number;
  readonly metrics: MutableMetrics;
  readonly accumulators: NamedSums;
}

/** How long the end of a session waits for its log at most: a disk may hang. */
const CLOSE_MS = 10_000;

export class SessionLog {
  readonly #writer: EventLogWriter | null;
  /** Stages of running jobs that have not ended. */
  readonly #jobs = new Map<JobId, Map<StageId, StageTrack>>();
  /** Locality of attempts that no worker has said to run. */
  readonly #totals = {
    jobs: 0,
    failedJobs: 0,
    tasks: 0,
    failedAttempts: 0,
    metrics: { ...noMetrics } as MutableMetrics,
  };
  readonly #startedMs = Date.now();
  readonly #launched = new Map<string, { readonly locality: string; readonly speculative: boolean }>();

  /** `options` null: no log is kept. */
  constructor(options: EventLogWriterOptions | null) {
    this.#writer = options === null ? null : new EventLogWriter(options);
  }

  started(session: string, master: string, settings: SessionSettings): void {
    const options = Object.fromEntries(Object.entries(settings.options).filter(([name]) => !PRIVATE.test(name)));
    this.#write({
      type: "sessionStarted",
      version: eventLogVersion,
      session,
      appName: settings.appName,
      millrace: settings.version,
      master,
      options,
      environment: {
        ...settings.environment,
        masterNode: process.version,
        workingDirectory: settings.workingDirectory,
      },
    });
  }

  jobStarted(message: DriverToMaster & { kind: "submit" }, graph: StageGraph): void {
    if (this.#writer === null) return;
    this.#write({
      type: "jobStarted",
      job: message.job,
      action: message.action.kind,
      callSite: formatCallSite(message.callSite),
      stages: graph.stages.map((stage) => stage.id),
      ...message.traits,
    });
    this.#jobs.set(message.job, new Map(graph.stages.map((stage) => [stage.id, newTrack(stage)])));
  }

  stagePlanned({ job, stage, tasks, skew }: StagePlanned): void {
    const track = this.#jobs.get(job)?.get(stage);
    if (track !== undefined) track.tasks = tasks;
    for (const { name, ...finding } of skew) this.#write({ type: "skew", job, ...finding, stage, exchange: name });
  }

  /** Stages that were started and not ended end with the job. */
  jobEnded(job: JobId, error: WireError | null, summary: JobSummary): void {
    if (this.#writer === null) return;
    for (const [stage, track] of this.#jobs.get(job) ?? [])
      if (track.startedMs > 0) this.#stageEnded(job, stage, track, error);
    this.#jobs.delete(job);
    const totals = this.#totals;
    totals.jobs++;
    if (error !== null) totals.failedJobs++;
    totals.tasks += summary.tasks;
    totals.failedAttempts += summary.failedAttempts;
    addMetrics(totals.metrics, summary.metrics);
    // Attempts that were called back, or whose worker is lost, never report.
    if (this.#jobs.size === 0) this.#launched.clear();
    const { elapsedMs, tasks, failedAttempts, accumulators } = summary;
    const metrics = sparseMetrics(summary.metrics);
    this.#write({ type: "jobEnded", job, error, elapsedMs, tasks, failedAttempts, metrics, accumulators });
    this.#writer.flushSoon();
  }

  accumulatorValues(job: JobId, values: readonly NamedValue[]): void {
    this.#write({ type: "accumulatorValues", job, values });
  }

  #stageEnded(job: JobId, stage: StageId, track: StageTrack, error: WireError | null): void {
    const { startedMs, failedAttempts, accumulators } = track;
    const metrics = sparseMetrics(track.metrics);
    const elapsedMs = Date.now() - startedMs;
    const told = { elapsedMs, failedAttempts, metrics, accumulators: accumulators.shown() };
    this.#write({ type: "stageEnded", job, stage, error, ...told });
  }

  launched(launch: TaskLaunch): void {
    if (this.#writer === null) return;
    for (const { key, locality, speculative } of tasksOf(launch))
      this.#launched.set(formatTaskKey(key), { locality, speculative: speculative === true });
  }

  status(status: TaskStatus, worker: string): void {
    if (this.#writer === null) return;
    const name = formatTaskKey(status.key);
    const launch = this.#launched.get(name);
    if (launch !== undefined) {
      this.#launched.delete(name);
      // Called back before its slot was free: it never began.
      if (status.kind === "ended" && status.outcome.kind === "cancelled") return;
      // A status may be lost with its connection; what comes after it does not know the slot.
      this.#taskStarted(status.key, worker, status.kind === "running" ? status.slot : -1, launch);
    }
    if (status.kind === "ended") this.#taskEnded(status.key, worker, status.outcome);
  }

  #taskStarted(
    key: TaskKey,
    worker: string,
    slot: number,
    { locality, speculative }: { readonly locality: string; readonly speculative: boolean },
  ): void {
    const { job, stage, partition, attempt } = key;
    const track = this.#jobs.get(job)?.get(stage);
    if (track !== undefined && track.startedMs === 0) {
      track.startedMs = Date.now();
      const { name, kind, parents } = track.stage;
      this.#write({ type: "stageStarted", job, stage, name, kind, tasks: track.tasks, parents });
    }
    this.#write({ type: "taskStarted", job, stage, partition, attempt, worker, slot, locality, speculative });
  }

  #taskEnded({ job, stage, partition, attempt }: TaskKey, worker: string, outcome: TaskOutcome): void {
    const error = outcome.kind === "failed" || outcome.kind === "fetchFailed" ? outcome.error : null;
    const measured = outcome.kind === "succeeded" || outcome.kind === "failed" ? outcome.metrics : null;
    const metrics = measured === null ? null : sparseMetrics(measured);
    const updates = outcome.kind === "succeeded" ? outcome.accumulators.flatMap(toNamedValue) : [];
    const accumulators = updates.length === 0 ? {} : { accumulators: updates };
    const ended = { job, stage, partition, attempt, worker, outcome: outcome.kind, error, metrics, ...accumulators };
    this.#write({ type: "taskEnded", ...ended });
    if (outcome.kind !== "succeeded") {
      const failed = this.#jobs.get(job)?.get(stage);
      if (failed !== undefined && outcome.kind !== "cancelled") failed.failedAttempts++;
      return;
    }
    for (const { node, partition: at, sizeBytes } of outcome.cached)
      this.#write({ type: "cached", node, partition: at, worker, sizeBytes });
    const stages = this.#jobs.get(job);
    const track = stages?.get(stage);
    if (track === undefined) return;
    addMetrics(track.metrics, outcome.metrics);
    const before = track.done.size;
    if (track.done.add(partition).size > before) track.accumulators.add(outcome.accumulators);
    if (track.done.size < track.tasks) return;
    // Lost outputs may be computed again: those tasks belong to no stage that is open.
    stages?.delete(stage);
    this.#stageEnded(job, stage, track, null);
  }

  workerAdded({ worker, role, node, slots, memoryBytes }: WorkerRegistration): void {
    this.#write({ type: "workerAdded", worker, role, node, slots, memoryBytes });
  }

  workerLost(worker: string, reason: string): void {
    this.#write({ type: "workerLost", worker, reason });
  }

  decommissionStarted({ worker, reason, timeoutMs }: DecommissionCommand & { kind: "decommissionStarted" }): void {
    this.#write({ type: "decommissionStarted", worker, reason, timeoutMs });
  }

  decommissionEnded(command: DecommissionCommand & { kind: "decommissionEnded" }): void {
    const { worker, reason, elapsedMs, counts } = command;
    const { outputsMoved, cachedMoved, bytesMoved, blocksLeft: blocksLost } = counts;
    const moved = { outputsMoved, cachedMoved, bytesMoved, blocksLost };
    this.#write({ type: "decommissionEnded", worker, reason, elapsedMs, ...moved });
  }

  workerExcluded({ scope, worker, node, reason, forMs }: Exclusion): void {
    this.#write({ type: "workerExcluded", scope, worker, node, reason, forMs });
  }

  uncached(worker: string, partitions: readonly { readonly node: number; readonly partition: number }[]): void {
    for (const { node, partition } of partitions) this.#write({ type: "uncached", node, partition, worker });
  }

  logsDropped(lines: number): void {
    this.#write({ type: "logsDropped", lines });
  }

  /** Resolves when the log is whole, or after ten seconds. */
  async ended(error: WireError | null): Promise<void> {
    if (this.#writer === null) return;
    const totals = { ...this.#totals, metrics: sparseMetrics(this.#totals.metrics) };
    this.#write({ type: "sessionEnded", error, elapsedMs: Date.now() - this.#startedMs, totals });
    const closed = this.#writer.close();
    let cancel = (): void => undefined;
    const patience = new Promise<void>((resolve) => (cancel = systemClock.after(CLOSE_MS, resolve)));
    await Promise.race([closed, patience]);
    cancel();
  }

  #write(body: Body): void {
    this.#writer?.write({ time: Date.now(), ...body } as SessionEvent);
  }
}

function newTrack(stage: Stage): StageTrack {
  return {
    stage,
    tasks: stage.tasks.length,
    startedMs: 0,
    done: new Set(),
    failedAttempts: 0,
    metrics: { ...noMetrics },
    accumulators: new NamedSums(),
  };
}

function toNamedValue(update: AccumulatorUpdate): NamedValue[] {
  const { accumulator: id, name, kind = "custom" } = update;
  return name === undefined ? [] : [{ id, name, kind, value: showUpdate(update) }];
}
