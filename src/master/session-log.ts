// Writes a session's event log from what passes through the master's shell.

import type { WireError } from "../core/errors.js";
import type { JobId } from "../core/ids.js";
import { EventLogWriter, type EventLogWriterOptions } from "../events/event-log-writer.js";
import { eventLogVersion, type SessionEvent } from "../events/event-types.js";
import { formatCallSite } from "../plan/function.js";
import type { StageGraph } from "../plan/stages.js";
import type { DriverToMaster, SessionSettings } from "../protocol/driver.js";
import type { TaskLaunch, TaskStatus } from "../protocol/tasks.js";
import type { WorkerRegistration } from "../protocol/worker.js";

/** Names that may hold secrets stay out of the log. */
const PRIVATE = /secret|password|token|key/i;

type Body = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, "time"> : never) : never;

export class SessionLog {
  readonly #writer: EventLogWriter | null;

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
    });
    for (const stage of graph.stages) {
      this.#write({
        type: "stageStarted",
        job: message.job,
        stage: stage.id,
        name: stage.name,
        kind: stage.kind,
        tasks: stage.tasks.length,
        parents: stage.parents,
      });
    }
  }

  jobEnded(job: JobId, error: WireError | null, elapsedMs: number): void {
    this.#write({ type: "jobEnded", job, error, elapsedMs });
    this.#writer?.flush();
  }

  launched(launch: TaskLaunch, worker: string): void {
    if (this.#writer === null) return;
    const { job, stage, partition, attempt } = launch.key;
    this.#write({ type: "taskStarted", job, stage, partition, attempt, worker, slot: -1, locality: launch.locality });
  }

  status(status: TaskStatus, worker: string): void {
    if (this.#writer === null || status.kind !== "ended") return;
    const { outcome } = status;
    const { job, stage, partition, attempt } = status.key;
    const error = outcome.kind === "failed" || outcome.kind === "fetchFailed" ? outcome.error : null;
    const metrics = outcome.kind === "succeeded" || outcome.kind === "failed" ? outcome.metrics : null;
    this.#write({ type: "taskEnded", job, stage, partition, attempt, worker, outcome: outcome.kind, error, metrics });
    if (outcome.kind !== "succeeded") return;
    for (const { node, partition: at, sizeBytes } of outcome.cached)
      this.#write({ type: "cached", node, partition: at, worker, sizeBytes });
  }

  workerAdded({ worker, role, node, slots, memoryBytes }: WorkerRegistration): void {
    this.#write({ type: "workerAdded", worker, role, node, slots, memoryBytes });
  }

  workerLost(worker: string, reason: string): void {
    this.#write({ type: "workerLost", worker, reason });
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
