// Writes a session's event log from what passes through the master's shell.

import type { WireError } from "../core/errors.js";
import { formatTaskKey, type JobId, type StageId, type TaskKey } from "../core/ids.js";
import { EventLogWriter, type EventLogWriterOptions } from "../events/event-log-writer.js";
import { eventLogVersion, type SessionEvent } from "../events/event-types.js";
import { formatCallSite } from "../plan/function.js";
import type { Stage, StageGraph } from "../plan/stages.js";
import type { DriverToMaster, SessionSettings } from "../protocol/driver.js";
import { type TaskLaunch, type TaskOutcome, type TaskStatus, tasksOf } from "../protocol/tasks.js";
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
}

export class SessionLog {
  readonly #writer: EventLogWriter | null;
  /** Stages of running jobs that have not ended. */
  readonly #jobs = new Map<JobId, Map<StageId, StageTrack>>();
  /** Locality of attempts that no worker has said to run. */
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
    this.#jobs.set(
      message.job,
      new Map(
        graph.stages.map((stage) => [stage.id, { stage, tasks: stage.tasks.length, startedMs: 0, done: new Set() }]),
      ),
    );
  }

  stagePlanned({ job, stage, tasks, skew }: StagePlanned): void {
    const track = this.#jobs.get(job)?.get(stage);
    if (track !== undefined) track.tasks = tasks;
    for (const { name, ...finding } of skew) this.#write({ type: "skew", job, ...finding, stage, exchange: name });
  }

  /** Stages that were started and not ended end with the job. */
  jobEnded(job: JobId, error: WireError | null, elapsedMs: number): void {
    for (const [stage, { startedMs }] of this.#jobs.get(job) ?? []) {
      if (startedMs > 0) this.#write({ type: "stageEnded", job, stage, error, elapsedMs: Date.now() - startedMs });
    }
    this.#jobs.delete(job);
    // Attempts that were called back, or whose worker is lost, never report.
    if (this.#jobs.size === 0) this.#launched.clear();
    this.#write({ type: "jobEnded", job, error, elapsedMs });
    this.#writer?.flush();
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
    const metrics = outcome.kind === "succeeded" || outcome.kind === "failed" ? outcome.metrics : null;
    this.#write({ type: "taskEnded", job, stage, partition, attempt, worker, outcome: outcome.kind, error, metrics });
    if (outcome.kind !== "succeeded") return;
    for (const { node, partition: at, sizeBytes } of outcome.cached)
      this.#write({ type: "cached", node, partition: at, worker, sizeBytes });
    const stages = this.#jobs.get(job);
    const track = stages?.get(stage);
    if (track === undefined || track.done.add(partition).size < track.tasks) return;
    // Lost outputs may be computed again: those tasks belong to no stage that is open.
    stages?.delete(stage);
    this.#write({ type: "stageEnded", job, stage, error: null, elapsedMs: Date.now() - track.startedMs });
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

  logsDropped(lines: number): void {
    this.#write({ type: "logsDropped", lines });
  }

  ended(error: WireError | null): void {
    this.#write({ type: "sessionEnded", error });
    this.#writer?.close();
  }

  #write(body: Body): void {
    this.#writer?.write({ time: Date.now(), ...body } as SessionEvent);
  }
}
