// The ends of jobs: done, failed, cancelled, or starved of workers. A job ends once, and everything of it is given up then.

import type { WireError } from "../../core/errors.js";
import type { JobId, SessionId, ShuffleId, WorkerId } from "../../core/ids.js";
import { addMetrics, noMetrics } from "../../core/task-metrics.js";
import type { JobSummary, StageSummary } from "../../protocol/driver.js";
import { NamedSums } from "../../protocol/named-values.js";
import { forgetJoins } from "./plan-stage.js";
import { moveStage, type Scheduling, wire } from "./scheduling.js";
import { type JobRecord, liveAttempts, type SessionRecord, type StageRecord } from "./state.js";

export class Jobs {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  outputCommitted(session: SessionId, job: JobId, error: WireError | null): void {
    const record = this.#shared.sessions.get(session)?.jobs.get(job);
    if (record === undefined || record.result.state.kind !== "committing") return;
    if (error !== null) {
      this.end(record, error);
      return;
    }
    moveStage(this.#shared, record.result, "finish", { kind: "complete" });
    this.finish(record);
  }

  /** Jobs that wait for workers that do not come. `active`: workers that may get launches. */
  checkWorkers(active: number, short: readonly WorkerId[]): void {
    for (const session of this.#shared.sessions.values()) {
      for (const job of [...session.jobs.values()]) {
        const starved =
          active === 0 &&
          [...job.stages.values()].some(
            (stage) => stage.state.kind === "running" && stage.remaining > stage.running - stage.doubled,
          );
        if (!starved) job.workerlessSinceMs = null;
        else if (job.workerlessSinceMs === null) job.workerlessSinceMs = this.#shared.now;
        else if (this.#shared.now - job.workerlessSinceMs >= session.policy.workerTimeoutMs) {
          const seconds = Math.round(session.policy.workerTimeoutMs / 1000);
          if (short.length > 0) {
            const text = `every worker was short of disk space for ${seconds} s while job ${job.id} had tasks to run (${short.join(", ")}): free space under their --local-dir, or lower disk.minFree`;
            this.end(job, wire("DISK_FULL", text, { job: job.id, workers: [...short] }));
            continue;
          }
          this.end(
            job,
            wire("NO_WORKERS", `no worker was there for ${seconds} s while job ${job.id} had tasks to run`, {
              job: job.id,
            }),
          );
        }
      }
    }
  }

  isLive(job: JobRecord): boolean {
    return job.session.jobs.get(job.id) === job;
  }

  finish(job: JobRecord): void {
    if (job.result.state.kind !== "complete" || job.result.remaining > 0 || job.unacknowledged.size > 0) return;
    this.end(job, null);
  }

  end(job: JobRecord, error: WireError | null): void {
    const { session } = job;
    if (!this.isLive(job)) return;
    session.jobs.delete(job.id);
    const shuffles: ShuffleId[] = [];
    for (const record of job.stages.values()) {
      if (record.state.kind === "running") {
        this.#shared.stages.closeQueue(record);
        if (record.stage.shuffleOutput !== null) shuffles.push(record.stage.shuffleOutput);
      }
      if (record.running === 0) continue;
      const reason = error?.message ?? "its result is not needed";
      for (const { state, partition } of record.tasks) {
        for (const { attempt, worker } of liveAttempts(state)) {
          const key = { session: session.id, job: job.id, stage: record.stage.id, partition, attempt };
          this.#shared.ports.emit({ kind: "cancelAttempt", worker, key, reason });
        }
      }
    }
    for (const [partition, key] of job.unacknowledged) {
      const state = job.result.tasks[partition]?.state;
      if (state?.kind === "succeeded" && state.worker !== null)
        this.#shared.ports.emit({ kind: "releaseResult", worker: state.worker, key });
    }
    this.#releaseBlocks(job);
    if (error !== null && job.savesFiles)
      this.#shared.ports.emit({ kind: "abortOutput", session: session.id, job: job.id });
    this.#shared.ports.emit({ kind: "jobEnded", session: session.id, job: job.id, error, summary: this.#summary(job) });
    for (const shuffle of shuffles) this.#shared.stages.wakeSharers(session, shuffle);
    this.releaseShuffles(session);
  }

  /** Lets go of the shuffles that were released and that no running job reads or writes. */
  releaseShuffles(session: SessionRecord): void {
    for (const shuffle of session.releasing) {
      if ([...session.jobs.values()].some((job) => usesShuffle(job, shuffle))) continue;
      session.releasing.delete(shuffle);
      session.outputs.release(shuffle);
      session.derivations.forget(shuffle);
      forgetJoins(session, shuffle);
      this.#shared.ports.emit({ kind: "releaseShuffle", session: session.id, shuffle });
    }
  }

  /** Results that never went out, and values that are still being fetched though another job's work made them needless. */
  #releaseBlocks(job: JobRecord): void {
    for (const { stage, tasks, values } of job.stages.values()) {
      for (const { state, partition } of tasks) {
        if (values[partition] !== undefined) continue;
        if (state.kind !== "succeeded" || state.result?.kind !== "block" || state.worker === null) continue;
        const key = { session: job.session.id, job: job.id, stage: stage.id, partition, attempt: state.attempt };
        this.#shared.ports.emit({ kind: "releaseResult", worker: state.worker, key });
      }
    }
  }

  #summary(job: JobRecord): JobSummary {
    const metrics = { ...noMetrics };
    const accumulators = new NamedSums();
    for (const record of job.stages.values()) {
      addMetrics(metrics, record.metrics);
      accumulators.merge(record.accumulators);
    }
    return {
      stages: [...job.stages.values()].filter((record) => record.tasks.length > 0).length,
      tasks: job.tasks,
      failedAttempts: job.failedAttempts,
      elapsedMs: this.#shared.now - job.submittedMs,
      shuffleBytes: metrics.shuffleWriteBytes,
      spillBytes: metrics.diskBytesSpilled,
      metrics,
      byStage: [...job.stages.values()].filter(({ succeeded, failed }) => succeeded + failed > 0).map(summarise),
      accumulators: accumulators.shown(),
      workers: [...job.workers].map(([worker, share]) => ({ worker, ...share })),
      ...(job.skew.length === 0 ? {} : { skew: job.skew }),
    };
  }
}

function summarise(record: StageRecord): StageSummary {
  const { stage, succeeded, failed, startedMs, lastEndMs, records, metrics, accumulators } = record;
  return {
    stage: stage.id,
    name: stage.name,
    kind: stage.kind,
    tasks: succeeded,
    failedAttempts: failed,
    elapsedMs: Math.max(0, lastEndMs - startedMs),
    records,
    metrics: { ...metrics },
    accumulators: accumulators.shown(),
  };
}

function usesShuffle(job: JobRecord, shuffle: ShuffleId): boolean {
  return job.graph.stages.some((stage) => stage.shuffleOutput === shuffle || stage.shuffleInputs.includes(shuffle));
}
