// What comes of attempts. Reports may be late, doubled or out of order: only the present attempt of a task on its worker counts.
// Decides whether a task is tried again, and when its failures end the job.

import type { WireError } from "../../core/errors.js";
import { formatTaskKey, type TaskKey, type WorkerId } from "../../core/ids.js";
import { addMetrics, recordsReadIn, shuffleBytesReadIn } from "../../core/task-metrics.js";
import type { TaskOutcome } from "../../protocol/tasks.js";
import type { Preference } from "../task-assigner/index.js";
import { judgeFailure } from "./failure-policy.js";
import { moveTask, type Scheduling, wire } from "./scheduling.js";
import { type LiveAttempt, liveAttempts, type StageRecord, type TaskRecord } from "./state.js";
import { removeUnwanted } from "./unwanted.js";

type SucceededOutcome = TaskOutcome & { readonly kind: "succeeded" };
type FetchFailedOutcome = TaskOutcome & { readonly kind: "fetchFailed" };

interface CurrentAttempt {
  readonly record: StageRecord;
  readonly task: TaskRecord;
  /** The task's state itself, or its copy. */
  readonly at: LiveAttempt;
}

/** Stories of attempts that an error carries at most. */
const MAX_STORY = 32;

export class Attempts {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  started(key: TaskKey, worker: WorkerId): void {
    const found = this.#current(key, worker);
    if (found === null) return;
    const { record, task } = found;
    const { state } = task;
    const sinceMs = this.#shared.now;
    if (state.kind === "launched") {
      task.recordsRead = 0;
      moveTask(this.#shared, record, task, "start", { ...state, kind: "running", sinceMs });
    } else if (state.kind === "doubled" && found.at === state.copy) {
      moveTask(this.#shared, record, task, "start", { ...state, copy: { ...state.copy, running: true, sinceMs } });
    }
  }

  progressed(key: TaskKey, worker: WorkerId, records: number): void {
    const found = this.#current(key, worker);
    if (found?.at === found?.task.state && found !== null) found.task.recordsRead = records;
  }

  /** An attempt ended. Stale and doubled reports are recognised and change nothing. */
  ended(key: TaskKey, worker: WorkerId, outcome: TaskOutcome): void {
    if (outcome.kind === "succeeded") {
      const session = this.#shared.sessions.get(key.session);
      for (const { node, partition, sizeBytes, generation = 0 } of outcome.cached) {
        if (session?.persisted.has(node) && generation === (session.generations.get(node) ?? 0))
          session.cached.add(node, partition, worker, sizeBytes);
        else if (session !== undefined) this.#shared.ports.emit({ kind: "uncache", worker, session: session.id, node });
      }
    }
    const found = this.#current(key, worker);
    if (found === null) return removeUnwanted(this.#shared, key, worker, outcome);
    const { record, task, at } = found;
    record.running--;
    switch (outcome.kind) {
      case "succeeded":
        this.#cancelOther(record, task, key, at);
        this.#succeeded(record, task, key, at, outcome);
        return;
      case "failed":
        this.#failed(record, task, key, at, outcome.error);
        return;
      case "fetchFailed":
        this.#fetchFailed(record, task, at, outcome, task.launchedAt[key.attempt]);
        return;
      case "cancelled":
        this.#retry(record, task, at);
        return;
    }
  }

  /** Whether somebody waits for this attempt. */
  isCurrent(key: TaskKey, worker: WorkerId): boolean {
    return this.#current(key, worker) !== null;
  }

  /** An attempt is gone with its worker, or never reached it. `charge`: what it is charged with; null: nothing. */
  lost(key: TaskKey, worker: WorkerId, charge: WireError | null): void {
    const found = this.#current(key, worker);
    if (found === null) return;
    found.record.running--;
    if (charge === null) this.#retry(found.record, found.task, found.at);
    else this.#failed(found.record, found.task, key, found.at, charge);
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
    this.#shared.ports.assigner.add(session.id, record.stage.id, task.partition, preferences, task.blamed);
  }

  /** The first of two attempts to end well is the task's; the other stops at once, and what it reports counts no more. */
  #cancelOther(record: StageRecord, task: TaskRecord, key: TaskKey, at: LiveAttempt): void {
    const { state } = task;
    if (state.kind !== "doubled") return;
    record.running--;
    record.doubled--;
    const { attempt, worker } = at === state.copy ? state : state.copy;
    const reason = "another attempt of its task ended first";
    this.#shared.ports.emit({ kind: "cancelAttempt", worker, key: { ...key, attempt }, reason });
  }

  #succeeded(record: StageRecord, task: TaskRecord, key: TaskKey, at: LiveAttempt, outcome: SucceededOutcome): void {
    const { job, stage } = record;
    const { worker } = at;
    const { result, metrics } = outcome;
    this.#withdrawCopy(record, task);
    record.pace?.finish(this.#shared.now - at.sinceMs, metrics.executorRunTime, recordsReadIn(metrics));
    const isMap = result.kind === "mapOutput";
    moveTask(this.#shared, record, task, "succeed", {
      kind: "succeeded",
      attempt: key.attempt,
      worker,
      result: isMap ? null : result,
    });
    record.remaining--;
    // Of a task that is done again, because its result was lost, only what it gives now.
    const records = isMap ? result.output.records : result.records;
    record.records += records - (task.countedRecords ?? 0);
    task.countedRecords = records;
    record.bytes += metrics.inputBytes + shuffleBytesReadIn(metrics);
    record.succeeded++;
    record.lastEndMs = this.#shared.now;
    addMetrics(record.metrics, metrics);
    job.tasks++;
    const share = job.workers.get(worker) ?? {
      role: this.#shared.ports.worker(worker)?.role ?? "",
      tasks: 0,
      runMs: 0,
    };
    share.tasks++;
    share.runMs += metrics.executorRunTime;
    job.workers.set(worker, share);
    this.#shared.ports.assigner.measured(key.session, stage.id, metrics.executorRunTime);
    if (!task.accumulated) {
      task.accumulated = true;
      if (outcome.accumulators.length > 0) {
        record.accumulators.add(outcome.accumulators);
        this.#shared.ports.emit({
          kind: "accumulators",
          session: key.session,
          job: job.id,
          updates: outcome.accumulators,
        });
      }
    }
    if (isMap && stage.shuffleOutput !== null) {
      const location = { worker, stage: stage.id, attempt: key.attempt };
      if (job.session.outputs.add(stage.shuffleOutput, key.partition, location, result.output)) {
        this.#shared.indeterminacy.changed(record, key.partition);
        if (!this.#shared.jobs.isLive(job)) return;
      }
    } else if (stage.kind === "value") {
      if (result.kind === "inline") this.#shared.results.setValue(record, key.partition, result.bytes);
      else if (result.kind === "block")
        this.#shared.ports.emit({ kind: "fetchValue", key, worker, bytes: result.sizeBytes });
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

  #failed(record: StageRecord, task: TaskRecord, key: TaskKey, at: LiveAttempt, error: WireError): void {
    const { job } = record;
    const { worker, node, sinceMs } = at;
    const { now, exclusions } = this.#shared;
    const verdict = judgeFailure(error);
    record.failed++;
    job.failedAttempts++;
    if (job.story.length === MAX_STORY) job.story.shift();
    const { code, message: said } = error;
    const { stage, attempt } = key;
    const partition = record.plan[key.partition]?.slice?.partition ?? key.partition;
    const times = { startedMs: sinceMs - job.submittedMs, ranMs: now - sinceMs };
    job.story.push({
      task: formatTaskKey(key),
      stage,
      partition,
      attempt,
      worker,
      node,
      code,
      message: said,
      ...times,
    });
    if (verdict.counts) task.failures++;
    if (verdict.blamesWorker) exclusions.failed(record, task, at, said);
    if (code === "OUT_OF_MEMORY") task.alone = true;
    this.#retry(record, task, at);
    // While another attempt of the task lives it may end well yet.
    if (liveAttempts(task.state).length > 0) return;
    if (verdict.retryable && task.failures < job.session.policy.maxTaskFailures) return;
    const count = task.failures === 1 ? "once" : `${task.failures} times`;
    const message = `job ${job.id} failed: partition ${partition} of "${record.stage.name}" failed ${count}; the last time on worker ${worker}: ${error.message}`;
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

  /** `launchedAt`: an output that came after the attempt was launched is not what it missed. */
  #fetchFailed(
    record: StageRecord,
    task: TaskRecord,
    at: LiveAttempt,
    outcome: FetchFailedOutcome,
    launchedAt?: number,
  ): void {
    const { job } = record;
    const { session } = job;
    this.#retry(record, task, at);
    // Nobody has the shuffle: the task counted on a cached partition that could not be read after all.
    if (outcome.map < 0) this.#forgetCached(record, task);
    const dropped = session.outputs.drop(outcome.shuffle, outcome.map, outcome.worker, launchedAt);
    // A second time in a row: it is not one block, and to find the others one by one would use up the stage's attempts.
    const gone = this.#shared.ports.worker(outcome.worker) === null || (dropped && record.fetchFailures > 0);
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

  /** An attempt is gone without a result. Where there is another one of the task, that is the task's from now on. */
  #retry(record: StageRecord, task: TaskRecord, gone: LiveAttempt): void {
    const { state } = task;
    if (state.kind === "doubled") {
      record.doubled--;
      const { copy, ...main } = state;
      const { running, ...other } = copy;
      if (gone.attempt === copy.attempt) {
        moveTask(this.#shared, record, task, "single", { ...main, kind: "running" });
        return;
      }
      task.recordsRead = 0;
      if (running) moveTask(this.#shared, record, task, "single", { ...other, kind: "running" });
      else moveTask(this.#shared, record, task, "follow", { ...other, kind: "launched" });
      return;
    }
    this.#withdrawCopy(record, task);
    moveTask(this.#shared, record, task, "retry", { kind: "pending" });
    const { shuffleOutput } = record.stage;
    if (shuffleOutput !== null && record.state.kind === "running")
      this.#shared.stages.compareOutput(record, task, shuffleOutput);
    this.enqueue(record, task);
    if (record.remaining === 0) this.#shared.stages.finish(record);
  }

  /** Its attempts are of no use any more, whatever comes of them: it is as if it had never been launched. */
  abandon(record: StageRecord, task: TaskRecord, reason: string): void {
    const { job, stage } = record;
    const live = liveAttempts(task.state);
    if (live.length === 0) return;
    for (const { attempt, worker } of live) {
      const key = { session: job.session.id, job: job.id, stage: stage.id, partition: task.partition, attempt };
      this.#shared.ports.emit({ kind: "cancelAttempt", worker, key, reason });
    }
    record.running -= live.length;
    if (task.state.kind === "doubled") {
      const { copy: _, ...main } = task.state;
      record.doubled--;
      moveTask(this.#shared, record, task, "single", { ...main, kind: "running" });
    }
    this.#withdrawCopy(record, task);
    moveTask(this.#shared, record, task, "retry", { kind: "pending" });
  }

  /** It runs no more: nobody waits for a slot for a second attempt of it. */
  #withdrawCopy({ pace, job, stage }: StageRecord, { partition }: TaskRecord): void {
    if (pace !== null) this.#shared.ports.assigner.dropCopy(job.session.id, stage.id, partition);
  }

  /** The task of which this is a present attempt; null for a stale report. */
  #current(key: TaskKey, worker: WorkerId): CurrentAttempt | null {
    const record = this.#shared.sessions.get(key.session)?.jobs.get(key.job)?.stages.get(key.stage);
    const task = record?.tasks[key.partition];
    if (record === undefined || task === undefined) return null;
    const { state } = task;
    if (state.kind === "pending" || state.kind === "succeeded") return null;
    const at = state.kind === "doubled" && state.copy.attempt === key.attempt ? state.copy : state;
    return at.attempt === key.attempt && at.worker === worker ? { record, task, at } : null;
  }
}
