// What comes of attempts. Reports may be late, doubled or out of order: only the present attempt of a task on its worker counts.
// Decides whether a task is tried again, and when its failures end the job.

import type { WireError } from "../../core/errors.js";
import { formatTaskKey, type TaskKey, type WorkerId } from "../../core/ids.js";
import type { TaskOutcome } from "../../protocol/tasks.js";
import type { Preference } from "../task-assigner/index.js";
import { judgeFailure } from "./failure-policy.js";
import { moveTask, type Scheduling, wire } from "./scheduling.js";
import type { StageRecord, TaskRecord } from "./state.js";
import { removeUnwanted } from "./unwanted.js";

type SucceededOutcome = TaskOutcome & { readonly kind: "succeeded" };
type FetchFailedOutcome = TaskOutcome & { readonly kind: "fetchFailed" };

/** Stories of attempts that an error carries at most. */
const MAX_STORY = 32;

export class Attempts {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  started(key: TaskKey, worker: WorkerId): void {
    const found = this.#current(key, worker);
    if (found === null || found.task.state.kind !== "launched") return;
    moveTask(this.#shared, found.record, found.task, "start", { kind: "running", attempt: key.attempt, worker });
  }

  /** An attempt ended. Stale and doubled reports are recognised and change nothing. */
  ended(key: TaskKey, worker: WorkerId, outcome: TaskOutcome): void {
    if (outcome.kind === "succeeded") {
      const session = this.#shared.sessions.get(key.session);
      for (const { node, partition, sizeBytes } of outcome.cached) {
        if (session?.persisted.has(node)) session.cached.add(node, partition, worker, sizeBytes);
        else if (session !== undefined) this.#shared.ports.emit({ kind: "uncache", worker, session: session.id, node });
      }
    }
    const found = this.#current(key, worker);
    if (found === null) return removeUnwanted(this.#shared, key, worker, outcome);
    const { record, task } = found;
    record.running--;
    switch (outcome.kind) {
      case "succeeded":
        this.#succeeded(record, task, key, worker, outcome);
        return;
      case "failed":
        this.#failed(record, task, key, worker, outcome.error);
        return;
      case "fetchFailed":
        this.#fetchFailed(record, task, outcome);
        return;
      case "cancelled":
        this.#retry(record, task);
        return;
    }
  }

  /** Whether somebody waits for this attempt. */
  isCurrent(key: TaskKey, worker: WorkerId): boolean {
    return this.#current(key, worker) !== null;
  }

  /** An attempt is gone with its worker, or never reached it. */
  lost(key: TaskKey, worker: WorkerId, charged: boolean, reason: string): void {
    const found = this.#current(key, worker);
    if (found === null) return;
    found.record.running--;
    if (!charged) {
      this.#retry(found.record, found.task);
      return;
    }
    const error = wire("WORKER_LOST", `worker ${worker} was lost while it ran the task: ${reason}`, { worker });
    this.#failed(found.record, found.task, key, worker, error);
  }

  enqueue(record: StageRecord, task: TaskRecord): void {
    if (record.state.kind !== "running" || task.state.kind !== "pending" || task.partition >= record.roundEnd) return;
    const { session, window, result } = record.job;
    // Its turn comes when the driver has taken more.
    if (record === result && window !== null && task.partition >= window.admitted) return;
    const preferences: Preference[] = [];
    for (const [node, partition] of record.plan[task.partition]?.cached ?? []) {
      for (const worker of session.cached.workers(node, partition) ?? []) {
        const there = this.#shared.ports.worker(worker);
        if (there?.takesTasks === true) preferences.push({ worker, node: there.node });
      }
      // The node nearest the result decides: what lies below it is not read.
      if (preferences.length > 0) break;
    }
    this.#shared.ports.assigner.add(session.id, record.stage.id, task.partition, preferences);
  }

  #succeeded(record: StageRecord, task: TaskRecord, key: TaskKey, worker: WorkerId, outcome: SucceededOutcome): void {
    const { job, stage } = record;
    const { result, metrics } = outcome;
    const isMap = result.kind === "mapOutput";
    moveTask(this.#shared, record, task, "succeed", {
      kind: "succeeded",
      attempt: key.attempt,
      worker,
      result: isMap ? null : result,
    });
    record.remaining--;
    record.records += isMap ? result.output.records : result.records;
    record.bytes += metrics.bytesRead + metrics.shuffleReadBytes;
    job.tasks++;
    job.shuffleBytes += metrics.shuffleWriteBytes;
    job.spillBytes += metrics.spillBytes;
    const share = job.workers.get(worker) ?? {
      role: this.#shared.ports.worker(worker)?.role ?? "",
      tasks: 0,
      runMs: 0,
    };
    share.tasks++;
    share.runMs += metrics.runMs;
    job.workers.set(worker, share);
    this.#shared.ports.assigner.measured(key.session, stage.id, metrics.runMs);
    if (!task.accumulated) {
      task.accumulated = true;
      if (outcome.accumulators.length > 0) {
        this.#shared.ports.emit({
          kind: "accumulators",
          session: key.session,
          job: job.id,
          updates: outcome.accumulators,
        });
      }
    }
    if (isMap && stage.shuffleOutput !== null) {
      job.session.outputs.add(
        stage.shuffleOutput,
        key.partition,
        { worker, stage: stage.id, attempt: key.attempt },
        result.output,
      );
    } else if (stage.kind === "value") {
      if (result.kind === "inline") this.#shared.results.setValue(record, key.partition, result.bytes);
      else this.#shared.ports.emit({ kind: "fetchValue", key, worker });
    } else if (stage.kind === "result" && !job.savesFiles) {
      if (
        !this.#shared.results.deliver(
          job,
          result.kind === "inline" || result.kind === "mapOutput" ? 0 : result.sizeBytes,
          key.partition,
        )
      )
        return;
    }
    if (record.remaining === 0) this.#shared.stages.finish(record);
    if (record.state.kind === "waiting" && record.remaining === 0) this.#shared.stages.advance(job);
  }

  #failed(record: StageRecord, task: TaskRecord, key: TaskKey, worker: WorkerId, error: WireError): void {
    const { job } = record;
    const verdict = judgeFailure(error);
    record.failed++;
    job.failedAttempts++;
    if (job.story.length < MAX_STORY)
      job.story.push({ task: formatTaskKey(key), worker, code: error.code, message: error.message });
    if (verdict.counts) task.failures++;
    if (verdict.retryable && task.failures < job.session.policy.maxTaskFailures) {
      this.#retry(record, task);
      return;
    }
    this.#retry(record, task);
    const partition = record.plan[key.partition]?.slice?.partition ?? key.partition;
    const times = task.failures === 1 ? "once" : `${task.failures} times`;
    const message = `job ${job.id} failed: partition ${partition} of "${record.stage.name}" failed ${times}; the last time on worker ${worker}: ${error.message}`;
    const attempts = job.story.map((one) => ({ ...one }));
    const fields = {
      job: job.id,
      stage: key.stage,
      partition,
      attempt: key.attempt,
      operator: record.stage.name,
      worker,
      attempts,
    };
    this.#shared.jobs.end(job, { ...wire("JOB_FAILED", message, fields), cause: error });
  }

  #fetchFailed(record: StageRecord, task: TaskRecord, outcome: FetchFailedOutcome): void {
    const { job } = record;
    const { session } = job;
    this.#retry(record, task);
    // Nobody has the shuffle: the task counted on a cached partition that could not be read after all.
    if (outcome.map < 0) this.#forgetCached(record, task);
    const gone = this.#shared.ports.worker(outcome.worker) === null;
    const dropped = session.outputs.drop(outcome.shuffle, outcome.map, outcome.worker);
    if (dropped) this.#shared.stages.outputsLost(session, outcome.shuffle, [outcome.map]);
    if (gone) {
      for (const { shuffle, maps } of session.outputs.dropWorker(outcome.worker))
        this.#shared.stages.outputsLost(session, shuffle, maps);
    }
    if (
      dropped &&
      record.state.kind === "running" &&
      ++record.fetchFailures >= this.#shared.options.maxConsecutiveStageAttempts
    ) {
      const message = `job ${job.id} failed: "${record.stage.name}" was stopped ${record.fetchFailures} times in a row because shuffle data could not be read: ${outcome.error.message}`;
      this.#shared.jobs.end(job, {
        ...wire("JOB_FAILED", message, { job: job.id, stage: record.stage.id }),
        cause: outcome.error,
      });
      return;
    }
    this.#shared.stages.review(session);
  }

  #forgetCached(record: StageRecord, task: TaskRecord): void {
    const { cached } = record.job.session;
    for (const [node, partition] of record.plan[task.partition]?.cached ?? []) {
      for (const worker of [...(cached.workers(node, partition) ?? [])]) cached.remove(node, partition, worker);
    }
  }

  #retry(record: StageRecord, task: TaskRecord): void {
    moveTask(this.#shared, record, task, "retry", { kind: "pending" });
    const { shuffleOutput } = record.stage;
    if (shuffleOutput !== null && record.state.kind === "running")
      this.#shared.stages.compareOutput(record, task, shuffleOutput);
    this.enqueue(record, task);
    if (record.remaining === 0) this.#shared.stages.finish(record);
  }

  /** The task whose present attempt this is; null for a stale report. */
  #current(key: TaskKey, worker: WorkerId): { readonly record: StageRecord; readonly task: TaskRecord } | null {
    const record = this.#shared.sessions.get(key.session)?.jobs.get(key.job)?.stages.get(key.stage);
    const task = record?.tasks[key.partition];
    if (record === undefined || task === undefined) return null;
    const { state } = task;
    if (state.kind !== "launched" && state.kind !== "running") return null;
    return state.attempt === key.attempt && state.worker === worker ? { record, task } : null;
  }
}
