// The life of sessions, jobs, stages and tasks. A job runs only what its result needs and is not there: from the result stage
// down to the first stages whose inputs are whole. Reports are judged by attempt: what is stale changes nothing. Everything
// that leaves is a command; which worker gets a task is the assigner's word, which workers there are the registry's.

import { type ErrorFields, MillraceError, toWireError, type WireError } from "../../core/errors.js";
import {
  formatTaskKey,
  type JobId,
  type NodeId,
  type SessionId,
  type ShuffleId,
  type StageId,
  type TaskKey,
  type WorkerId,
} from "../../core/ids.js";
import type { Stage, StageGraph } from "../../plan/stages.js";
import type { JobSummary, StageProgress } from "../../protocol/driver.js";
import type { Locality, TaskLaunch, TaskOutcome, ValueInput } from "../../protocol/tasks.js";
import { CachedPartitions, MapOutputs, type MapOutputsOptions } from "../map-outputs/index.js";
import type { Preference, TaskAssigner } from "../task-assigner/index.js";
import type { JobCommand } from "./commands.js";
import { judgeFailure } from "./failure-policy.js";
import type { JobSchedulerOptions, SessionPolicy } from "./options.js";
import { isWhole, missingParents } from "./stage-needs.js";
import type { JobRecord, SessionRecord, StageRecord, StageState, TaskRecord, TaskState } from "./state.js";
import { moveTo, type StageMove, type TaskMove } from "./transitions.js";

/** What the scheduler uses of the other components. */
export interface SchedulerPorts {
  readonly assigner: TaskAssigner;
  emit(command: JobCommand): void;
  /** Node and role of a worker that is there; null for one that is not. */
  worker(id: WorkerId): { readonly node: string; readonly role: string } | null;
}

export interface Submission {
  readonly session: SessionId;
  readonly graph: StageGraph;
  /** The action writes part files: they are committed, or aborted with the job. */
  readonly savesFiles: boolean;
  /** driver.maxResultSize; null where results are streamed. */
  readonly maxResultBytes: number | null;
}

type SucceededOutcome = TaskOutcome & { readonly kind: "succeeded" };
type FetchFailedOutcome = TaskOutcome & { readonly kind: "fetchFailed" };

/** Stories of attempts that an error carries at most. */
const MAX_STORY = 32;

export class JobScheduler {
  readonly #options: JobSchedulerOptions;
  readonly #outputsOptions: MapOutputsOptions;
  readonly #ports: SchedulerPorts;
  readonly #sessions = new Map<SessionId, SessionRecord>();
  #now = 0;

  constructor(options: JobSchedulerOptions, outputs: MapOutputsOptions, ports: SchedulerPorts) {
    this.#options = options;
    this.#outputsOptions = outputs;
    this.#ports = ports;
  }

  get sessions(): ReadonlyMap<SessionId, SessionRecord> {
    return this.#sessions;
  }

  /** `localityWaitMs` and `policy`: by default the master's own. */
  openSession(id: SessionId, policy: SessionPolicy = this.#options, localityWaitMs?: number): void {
    this.#ports.assigner.open(id, localityWaitMs);
    this.#sessions.set(id, {
      id,
      policy,
      jobs: new Map(),
      outputs: new MapOutputs(this.#outputsOptions),
      cached: new CachedPartitions(),
      owners: new Map(),
      persisted: new Set(),
    });
  }

  closeSession(id: SessionId, error: WireError, now: number): void {
    this.#now = now;
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    for (const job of [...session.jobs.values()]) this.#end(job, error);
    this.#ports.assigner.close(id);
    this.#sessions.delete(id);
  }

  submit(submission: Submission, now: number): void {
    this.#now = now;
    const session = this.#sessions.get(submission.session);
    if (session === undefined || session.jobs.has(submission.graph.job)) return;
    const job = newJob(session, submission, now);
    session.jobs.set(job.id, job);
    for (const { stage } of job.stages.values()) {
      if (stage.shuffleOutput !== null) session.outputs.open(stage.shuffleOutput, stage.tasks.length);
    }
    this.#advance(job);
  }

  cancel(session: SessionId, job: JobId, reason: string, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session)?.jobs.get(job);
    if (record === undefined) return;
    this.#end(record, wire("JOB_CANCELLED", `job ${job} was cancelled: ${reason}`, { job }));
  }

  /** The shell cannot bring the job to its end. */
  fail(session: SessionId, job: JobId, error: WireError, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session)?.jobs.get(job);
    if (record !== undefined) this.#end(record, error);
  }

  /** The launch of a task that the assigner gave to `worker`. */
  launch(session: SessionId, stage: StageId, partition: number, worker: WorkerId, locality: Locality): TaskLaunch {
    const record = this.#stageOf(session, stage) as StageRecord;
    const task = record.tasks[partition] as TaskRecord;
    const attempt = task.nextAttempt;
    this.#moveTask(record, task, "launch", { kind: "launched", attempt, worker });
    task.nextAttempt++;
    record.running++;
    const { outputs, cached } = record.job.session;
    const plan = record.stage.tasks[partition] as Stage["tasks"][number];
    return {
      key: { session, job: record.job.id, stage, partition, attempt },
      fragment: record.stage.fragmentHash,
      splits: plan.splits,
      values: record.stage.valueInputs.length === 0 ? NONE : this.#values(record),
      cached:
        plan.cached.length === 0
          ? NONE
          : plan.cached.flatMap(([node, at]) =>
              [...(cached.workers(node, at) ?? [])].map((holder) => ({ node, partition: at, worker: holder })),
            ),
      shuffles:
        record.stage.shuffleInputs.length === 0
          ? NONE
          : record.stage.shuffleInputs
              .filter((shuffle) => outputs.isComplete(shuffle))
              .map((shuffle) => ({ shuffle, version: outputs.version(shuffle) })),
      locality,
    };
  }

  started(key: TaskKey, worker: WorkerId): void {
    const found = this.#current(key, worker);
    if (found === null || found.task.state.kind !== "launched") return;
    this.#moveTask(found.record, found.task, "start", { kind: "running", attempt: key.attempt, worker });
  }

  /** An attempt ended. Stale and doubled reports are recognised and change nothing. */
  ended(key: TaskKey, worker: WorkerId, outcome: TaskOutcome, now: number): void {
    this.#now = now;
    if (outcome.kind === "succeeded") {
      const session = this.#sessions.get(key.session);
      for (const { node, partition } of outcome.cached) session?.cached.add(node, partition, worker);
    }
    const found = this.#current(key, worker);
    if (found === null) return;
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
  attemptLost(key: TaskKey, worker: WorkerId, charged: boolean, reason: string, now: number): void {
    this.#now = now;
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

  /** Everything that the worker held is gone: map outputs, cached partitions, results that the driver has not yet. */
  workerGone(worker: WorkerId, now: number): void {
    this.#now = now;
    for (const session of this.#sessions.values()) {
      for (const { shuffle, maps } of session.outputs.dropWorker(worker)) this.#outputsLost(session, shuffle, maps);
      session.cached.removeWorker(worker);
      this.#reviewStages(session);
    }
  }

  uncached(
    session: SessionId,
    worker: WorkerId,
    partitions: readonly { readonly node: NodeId; readonly partition: number }[],
    now: number,
  ): void {
    this.#now = now;
    const record = this.#sessions.get(session);
    if (record === undefined) return;
    for (const { node, partition } of partitions) record.cached.remove(node, partition, worker);
    this.#reviewStages(record);
  }

  uncacheNode(session: SessionId, node: NodeId, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session);
    if (record === undefined) return;
    record.cached.removeNode(node);
    this.#reviewStages(record);
  }

  releaseShuffle(session: SessionId, shuffle: ShuffleId): void {
    this.#sessions.get(session)?.outputs.release(shuffle);
  }

  /** The driver has all bytes of the partition. */
  delivered(session: SessionId, job: JobId, partition: number, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session)?.jobs.get(job);
    const key = record?.unacknowledged.get(partition);
    if (record === undefined || key === undefined) return;
    record.unacknowledged.delete(partition);
    const state = record.result.tasks[partition]?.state;
    if (state?.kind === "succeeded" && state.worker !== null)
      this.#ports.emit({ kind: "releaseResult", worker: state.worker, key });
    this.#finishJob(record);
  }

  /** A result's bytes could not be read: the partition is computed again and delivered again. */
  resultLost(session: SessionId, job: JobId, partition: number, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session)?.jobs.get(job);
    if (record === undefined || !record.unacknowledged.delete(partition)) return;
    const { result } = record;
    const task = result.tasks[partition] as TaskRecord;
    if (task.state.kind !== "succeeded") return;
    this.#moveTask(result, task, "lose", { kind: "pending" });
    result.remaining++;
    if (result.state.kind === "complete") this.#moveStage(result, "lose", { kind: "waiting" });
    else this.#enqueue(result, task);
    this.#advance(record);
  }

  /** The bytes of a value result that was a block; null when they could not be read. */
  valueFetched(key: TaskKey, bytes: Uint8Array | null, now: number): void {
    this.#now = now;
    const record = this.#stageOf(key.session, key.stage);
    const task = record?.tasks[key.partition];
    if (record === undefined || task?.state.kind !== "succeeded" || task.state.attempt !== key.attempt) return;
    if (record.values[key.partition] !== undefined) return;
    if (bytes === null) {
      this.#moveTask(record, task, "lose", { kind: "pending" });
      record.remaining++;
      this.#enqueue(record, task);
      return;
    }
    this.#setValue(record, key.partition, bytes);
    this.#finishStage(record);
  }

  outputCommitted(session: SessionId, job: JobId, error: WireError | null, now: number): void {
    this.#now = now;
    const record = this.#sessions.get(session)?.jobs.get(job);
    if (record === undefined || record.result.state.kind !== "committing") return;
    if (error !== null) {
      this.#end(record, error);
      return;
    }
    this.#moveStage(record.result, "finish", { kind: "complete" });
    this.#finishJob(record);
  }

  /** Jobs that wait for workers that do not come. `active`: workers that may get launches. */
  checkWorkers(active: number, now: number): void {
    this.#now = now;
    for (const session of this.#sessions.values()) {
      for (const job of [...session.jobs.values()]) {
        const starved =
          active === 0 &&
          [...job.stages.values()].some((stage) => stage.state.kind === "running" && stage.remaining > stage.running);
        if (!starved) job.workerlessSinceMs = null;
        else if (job.workerlessSinceMs === null) job.workerlessSinceMs = now;
        else if (now - job.workerlessSinceMs >= session.policy.workerTimeoutMs) {
          const seconds = Math.round(session.policy.workerTimeoutMs / 1000);
          this.#end(
            job,
            wire("NO_WORKERS", `no worker was there for ${seconds} s while job ${job.id} had tasks to run`, {
              job: job.id,
            }),
          );
        }
      }
    }
  }

  progress(session: SessionId): StageProgress[] {
    const jobs = [...(this.#sessions.get(session)?.jobs.values() ?? [])];
    return jobs.flatMap((job) =>
      [...job.stages.values()]
        .filter((record) => record.state.kind === "running" || record.state.kind === "committing")
        .map((record) => ({
          job: job.id,
          stage: record.stage.id,
          name: record.stage.name,
          tasks: record.stage.tasks.length,
          done: record.roundEnd - record.remaining,
          running: record.running,
          failed: record.failed,
          records: record.records,
          bytes: record.bytes,
          startedMs: record.startedMs,
        })),
    );
  }

  /** States the invariants between the collections; tests call it after every event. */
  validate(): string[] {
    const problems: string[] = [];
    for (const session of this.#sessions.values()) {
      problems.push(...session.outputs.validate());
      for (const job of session.jobs.values()) {
        for (const record of job.stages.values()) {
          if (record.tasks.length === 0) continue;
          const wanted = record.tasks.slice(0, record.roundEnd);
          const left = wanted.filter((task) => task.state.kind !== "succeeded").length;
          if (left !== record.remaining)
            problems.push(`stage ${record.stage.id}: ${record.remaining} remaining counted, ${left} found`);
          const live = record.tasks.filter(
            (task) => task.state.kind === "launched" || task.state.kind === "running",
          ).length;
          if (live !== record.running)
            problems.push(`stage ${record.stage.id}: ${record.running} running counted, ${live} found`);
        }
      }
    }
    return problems;
  }

  // Stages

  /** Starts whatever the job's result needs, is missing, and has its own inputs whole. */
  #advance(job: JobRecord): void {
    for (let again = true; again && this.#isLive(job); ) {
      again = false;
      const seen = new Set<StageRecord>([job.result]);
      const stack = [job.result];
      for (let record = stack.pop(); record !== undefined; record = stack.pop()) {
        if (record.state.kind === "complete" && !isWhole(record)) this.#moveStage(record, "lose", { kind: "waiting" });
        if (record.state.kind === "idle") this.#moveStage(record, "need", { kind: "waiting" });
        if (record.state.kind !== "waiting") continue;
        const owner = this.#ownerOf(record);
        if (owner !== null && owner !== record) {
          this.#moveStage(record, "share", { kind: "sharing" });
          continue;
        }
        const done = record.tasks.length > 0 && record.remaining === 0 && job.graph.growth?.stage !== record.stage.id;
        const missing = done ? [] : missingParents(record);
        if (missing.length === 0) {
          // A stage without tasks is complete at once, and what waits for it must be looked at again.
          again = this.#start(record) || again;
          continue;
        }
        for (const parent of missing) {
          if (seen.has(parent)) continue;
          seen.add(parent);
          stack.push(parent);
        }
      }
    }
  }

  #isLive(job: JobRecord): boolean {
    return job.session.jobs.get(job.id) === job;
  }

  #ownerOf(record: StageRecord): StageRecord | null {
    const { shuffleOutput } = record.stage;
    return shuffleOutput === null ? null : (record.job.session.owners.get(shuffleOutput) ?? null);
  }

  /** true when the stage was complete at once. */
  #start(record: StageRecord): boolean {
    const { stage, job } = record;
    this.#moveStage(record, "start", { kind: "running" });
    if (record.tasks.length === 0) {
      record.startedMs = this.#now;
      record.tasks = stage.tasks.map(({ partition }) => newTask(partition));
      const grows = job.graph.growth?.stage === stage.id;
      record.roundEnd = grows ? Math.min(1, record.tasks.length) : record.tasks.length;
      record.remaining = record.roundEnd;
    }
    if (stage.shuffleOutput !== null) job.session.owners.set(stage.shuffleOutput, record);
    this.#ports.assigner.addStage(
      job.session.id,
      job.id,
      stage.id,
      (partition) => record.tasks[partition]?.state.kind === "pending",
      this.#now,
    );
    for (let partition = 0; partition < record.roundEnd; partition++) {
      const task = record.tasks[partition] as TaskRecord;
      if (stage.shuffleOutput !== null) this.#compareOutput(record, task, stage.shuffleOutput);
      if (task.state.kind === "pending") this.#enqueue(record, task);
    }
    return record.remaining === 0 ? this.#finishStage(record) : false;
  }

  /** Brings a map task's state in line with whether its output is there. */
  #compareOutput(record: StageRecord, task: TaskRecord, shuffle: ShuffleId): void {
    const location = record.job.session.outputs.location(shuffle, task.partition);
    if (task.state.kind === "pending" && location !== null) {
      this.#moveTask(record, task, "found", {
        kind: "succeeded",
        attempt: location.attempt,
        worker: location.worker,
        result: null,
      });
      record.remaining--;
    } else if (task.state.kind === "succeeded" && location === null) {
      this.#moveTask(record, task, "lose", { kind: "pending" });
      record.remaining++;
    }
  }

  /** true when the stage's work is done; starts the next round where the job grows. */
  #finishStage(record: StageRecord): boolean {
    const { stage, job } = record;
    if (record.state.kind !== "running" || record.remaining > 0 || record.missingValues > 0) return false;
    if (this.#grow(record)) return false;
    this.#closeQueue(record);
    record.fetchFailures = 0;
    if (stage.kind === "result" && job.savesFiles) {
      this.#moveStage(record, "commit", { kind: "committing" });
      const files = record.tasks.flatMap(({ state }) =>
        state.kind === "succeeded" && state.result?.kind === "file" ? [state.result] : [],
      );
      this.#ports.emit({ kind: "commitOutput", session: job.session.id, job: job.id, files });
      return true;
    }
    this.#moveStage(record, "finish", { kind: "complete" });
    if (stage.kind === "result") {
      this.#finishJob(job);
      return true;
    }
    this.#wakeSharers(job.session, stage.shuffleOutput);
    this.#advance(job);
    return true;
  }

  /** take and first: looks at four times as many partitions while there are too few records. */
  #grow(record: StageRecord): boolean {
    const { growth } = record.job.graph;
    if (growth === null || growth.stage !== record.stage.id || record.roundEnd === record.tasks.length) return false;
    if (record.records >= growth.limit) return false;
    const from = record.roundEnd;
    record.roundEnd = Math.min(record.tasks.length, from + from * growth.factor);
    record.remaining = record.roundEnd - from;
    for (let partition = from; partition < record.roundEnd; partition++)
      this.#enqueue(record, record.tasks[partition] as TaskRecord);
    return true;
  }

  /** Its input is not whole any more: nothing more is launched until it is. */
  #block(record: StageRecord): void {
    if (record.state.kind !== "running") return;
    this.#closeQueue(record);
    this.#moveStage(record, "block", { kind: "waiting" });
    this.#wakeSharers(record.job.session, record.stage.shuffleOutput);
  }

  #closeQueue(record: StageRecord): void {
    const { session } = record.job;
    this.#ports.assigner.removeStage(session.id, record.stage.id);
    const { shuffleOutput } = record.stage;
    if (shuffleOutput !== null && session.owners.get(shuffleOutput) === record) session.owners.delete(shuffleOutput);
  }

  /** The shuffle has no owner any more: it is whole, or somebody else must compute the rest. */
  #wakeSharers(session: SessionRecord, shuffle: ShuffleId | null): void {
    if (shuffle === null) return;
    const woken: JobRecord[] = [];
    for (const job of session.jobs.values()) {
      for (const record of job.stages.values()) {
        if (record.state.kind !== "sharing" || record.stage.shuffleOutput !== shuffle) continue;
        if (isWhole(record)) this.#moveStage(record, "found", { kind: "complete" });
        else this.#moveStage(record, "resume", { kind: "waiting" });
        woken.push(job);
      }
    }
    for (const job of woken) this.#advance(job);
  }

  #outputsLost(session: SessionRecord, shuffle: ShuffleId, maps: readonly number[]): void {
    const owner = session.owners.get(shuffle);
    if (owner === undefined) return;
    for (const map of maps) {
      const task = owner.tasks[map] as TaskRecord;
      if (task.state.kind !== "succeeded") continue;
      this.#moveTask(owner, task, "lose", { kind: "pending" });
      owner.remaining++;
      this.#enqueue(owner, task);
    }
  }

  /** After a loss: stages whose inputs are not whole any more stop, and what is missing is started. */
  #reviewStages(session: SessionRecord): void {
    for (const job of [...session.jobs.values()]) {
      for (const record of job.stages.values()) {
        if (record.state.kind === "running" && missingParents(record).length > 0) this.#block(record);
      }
      this.#advance(job);
    }
  }

  // Tasks

  #succeeded(record: StageRecord, task: TaskRecord, key: TaskKey, worker: WorkerId, outcome: SucceededOutcome): void {
    const { job, stage } = record;
    const { result, metrics } = outcome;
    const isMap = result.kind === "mapOutput";
    this.#moveTask(record, task, "succeed", {
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
    const share = job.workers.get(worker) ?? { role: this.#ports.worker(worker)?.role ?? "", tasks: 0, runMs: 0 };
    share.tasks++;
    share.runMs += metrics.runMs;
    job.workers.set(worker, share);
    this.#ports.assigner.measured(key.session, stage.id, metrics.runMs);
    if (!task.accumulated) {
      task.accumulated = true;
      if (outcome.accumulators.length > 0) {
        this.#ports.emit({ kind: "accumulators", session: key.session, job: job.id, updates: outcome.accumulators });
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
      if (result.kind === "inline") this.#setValue(record, key.partition, result.bytes);
      else this.#ports.emit({ kind: "fetchValue", key, worker });
    } else if (stage.kind === "result" && !job.savesFiles) {
      if (
        !this.#deliver(
          job,
          result.kind === "inline" || result.kind === "mapOutput" ? 0 : result.sizeBytes,
          key.partition,
        )
      )
        return;
    }
    if (record.remaining === 0) this.#finishStage(record);
    if (record.state.kind === "waiting" && record.remaining === 0) this.#advance(job);
  }

  #setValue(record: StageRecord, partition: number, bytes: Uint8Array): void {
    if (record.values[partition] === undefined) record.missingValues--;
    record.values[partition] = bytes;
  }

  /** Passes results on in partition order. false when they are too large and the job was ended. */
  #deliver(job: JobRecord, blockBytes: number, partition: number): boolean {
    const done = job.result.tasks[partition]?.state;
    const inline = done?.kind === "succeeded" && done.result?.kind === "inline" ? done.result.bytes.byteLength : 0;
    if (partition >= job.nextDelivery) job.resultBytes += inline + blockBytes;
    if (job.maxResultBytes !== null && job.resultBytes > job.maxResultBytes) {
      const text = `the results of job ${job.id} are larger than ${job.maxResultBytes} bytes (driver.maxResultSize)`;
      this.#end(
        job,
        wire("RESULT_TOO_LARGE", text, { job: job.id, bytes: job.resultBytes, limit: job.maxResultBytes }),
      );
      return false;
    }
    if (partition < job.nextDelivery) this.#deliverOne(job, partition);
    for (let next = job.nextDelivery; this.#deliverOne(job, next); next++) job.nextDelivery = next + 1;
    return true;
  }

  #deliverOne(job: JobRecord, partition: number): boolean {
    const task = job.result.tasks[partition];
    if (task?.state.kind !== "succeeded" || task.state.result === null || task.state.worker === null) return false;
    const { attempt, worker, result } = task.state;
    const key: TaskKey = { session: job.session.id, job: job.id, stage: job.result.stage.id, partition, attempt };
    if (result.kind === "block") job.unacknowledged.set(partition, key);
    // The shell holds it from now on.
    task.state = { kind: "succeeded", attempt, worker, result: null };
    this.#ports.emit({ kind: "deliver", session: job.session.id, job: job.id, partition, key, worker, result });
    return true;
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
    const times = task.failures === 1 ? "once" : `${task.failures} times`;
    const message = `job ${job.id} failed: partition ${key.partition} of "${record.stage.name}" failed ${times}; the last time on worker ${worker}: ${error.message}`;
    const attempts = job.story.map((one) => ({ ...one }));
    const fields = {
      job: job.id,
      stage: key.stage,
      partition: key.partition,
      attempt: key.attempt,
      operator: record.stage.name,
      worker,
      attempts,
    };
    this.#end(job, { ...wire("JOB_FAILED", message, fields), cause: error });
  }

  #fetchFailed(record: StageRecord, task: TaskRecord, outcome: FetchFailedOutcome): void {
    const { job } = record;
    const { session } = job;
    this.#retry(record, task);
    // Nobody has the shuffle: the task counted on a cached partition that could not be read after all.
    if (outcome.map < 0) this.#forgetCached(record, task);
    const gone = this.#ports.worker(outcome.worker) === null;
    const dropped = session.outputs.drop(outcome.shuffle, outcome.map, outcome.worker);
    if (dropped) this.#outputsLost(session, outcome.shuffle, [outcome.map]);
    if (gone) {
      for (const { shuffle, maps } of session.outputs.dropWorker(outcome.worker))
        this.#outputsLost(session, shuffle, maps);
    }
    if (
      dropped &&
      record.state.kind === "running" &&
      ++record.fetchFailures >= this.#options.maxConsecutiveStageAttempts
    ) {
      const message = `job ${job.id} failed: "${record.stage.name}" was stopped ${record.fetchFailures} times in a row because shuffle data could not be read: ${outcome.error.message}`;
      this.#end(job, {
        ...wire("JOB_FAILED", message, { job: job.id, stage: record.stage.id }),
        cause: outcome.error,
      });
      return;
    }
    this.#reviewStages(session);
  }

  #forgetCached(record: StageRecord, task: TaskRecord): void {
    const { cached } = record.job.session;
    for (const [node, partition] of record.stage.tasks[task.partition]?.cached ?? []) {
      for (const worker of [...(cached.workers(node, partition) ?? [])]) cached.remove(node, partition, worker);
    }
  }

  #retry(record: StageRecord, task: TaskRecord): void {
    this.#moveTask(record, task, "retry", { kind: "pending" });
    const { shuffleOutput } = record.stage;
    if (shuffleOutput !== null && record.state.kind === "running") this.#compareOutput(record, task, shuffleOutput);
    this.#enqueue(record, task);
    if (record.remaining === 0) this.#finishStage(record);
  }

  #enqueue(record: StageRecord, task: TaskRecord): void {
    if (record.state.kind !== "running" || task.state.kind !== "pending" || task.partition >= record.roundEnd) return;
    const { session } = record.job;
    const preferences: Preference[] = [];
    for (const [node, partition] of record.stage.tasks[task.partition]?.cached ?? []) {
      for (const worker of session.cached.workers(node, partition) ?? []) {
        const there = this.#ports.worker(worker);
        if (there !== null) preferences.push({ worker, node: there.node });
      }
      // The node nearest the result decides: what lies below it is not read.
      if (preferences.length > 0) break;
    }
    this.#ports.assigner.add(session.id, record.stage.id, task.partition, preferences);
  }

  #values(record: StageRecord): ValueInput[] {
    return record.stage.valueInputs.map((stage) => {
      const parts = (record.job.stages.get(stage) as StageRecord).values as Uint8Array[];
      return { stage, parts };
    });
  }

  /** The task whose present attempt this is; null for a stale report. */
  #current(key: TaskKey, worker: WorkerId): { readonly record: StageRecord; readonly task: TaskRecord } | null {
    const record = this.#sessions.get(key.session)?.jobs.get(key.job)?.stages.get(key.stage);
    const task = record?.tasks[key.partition];
    if (record === undefined || task === undefined) return null;
    const { state } = task;
    if (state.kind !== "launched" && state.kind !== "running") return null;
    return state.attempt === key.attempt && state.worker === worker ? { record, task } : null;
  }

  #stageOf(session: SessionId, stage: StageId): StageRecord | undefined {
    for (const job of this.#sessions.get(session)?.jobs.values() ?? []) {
      const record = job.stages.get(stage);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  // Jobs

  #finishJob(job: JobRecord): void {
    if (job.result.state.kind !== "complete" || job.result.remaining > 0 || job.unacknowledged.size > 0) return;
    this.#end(job, null);
  }

  #end(job: JobRecord, error: WireError | null): void {
    const { session } = job;
    if (!this.#isLive(job)) return;
    session.jobs.delete(job.id);
    const shuffles: ShuffleId[] = [];
    for (const record of job.stages.values()) {
      if (record.state.kind === "running") {
        this.#closeQueue(record);
        if (record.stage.shuffleOutput !== null) shuffles.push(record.stage.shuffleOutput);
      }
      if (record.running === 0) continue;
      for (const { state, partition } of record.tasks) {
        if (state.kind !== "launched" && state.kind !== "running") continue;
        const key = { session: session.id, job: job.id, stage: record.stage.id, partition, attempt: state.attempt };
        this.#ports.emit({
          kind: "cancelAttempt",
          worker: state.worker,
          key,
          reason: error?.message ?? "its result is not needed",
        });
      }
    }
    for (const [partition, key] of job.unacknowledged) {
      const state = job.result.tasks[partition]?.state;
      if (state?.kind === "succeeded" && state.worker !== null)
        this.#ports.emit({ kind: "releaseResult", worker: state.worker, key });
    }
    if (error !== null && job.savesFiles) this.#ports.emit({ kind: "abortOutput", session: session.id, job: job.id });
    this.#ports.emit({ kind: "jobEnded", session: session.id, job: job.id, error, summary: this.#summary(job) });
    for (const shuffle of shuffles) this.#wakeSharers(session, shuffle);
  }

  #summary(job: JobRecord): JobSummary {
    return {
      stages: [...job.stages.values()].filter((record) => record.tasks.length > 0).length,
      tasks: job.tasks,
      failedAttempts: job.failedAttempts,
      elapsedMs: this.#now - job.submittedMs,
      shuffleBytes: job.shuffleBytes,
      spillBytes: job.spillBytes,
      workers: [...job.workers].map(([worker, share]) => ({ worker, ...share })),
    };
  }

  #moveStage(record: StageRecord, move: StageMove, to: StageState): void {
    moveTo(
      "stage",
      record,
      move,
      to,
      () => `${record.job.session.id}/${record.job.id}/${record.stage.id}`,
      this.#options.onMove,
    );
  }

  #moveTask(record: StageRecord, task: TaskRecord, move: TaskMove, to: TaskState): void {
    const name = () => `${record.job.session.id}/${record.job.id}/${record.stage.id}/${task.partition}`;
    moveTo("task", task, move, to, name, this.#options.onMove);
  }
}

const NONE: readonly never[] = [];

function newJob(session: SessionRecord, submission: Submission, now: number): JobRecord {
  const { graph, savesFiles, maxResultBytes } = submission;
  const stages = new Map<StageId, StageRecord>();
  const job: Omit<JobRecord, "result"> = {
    id: graph.job,
    session,
    graph,
    stages,
    submittedMs: now,
    savesFiles,
    maxResultBytes,
    resultBytes: 0,
    nextDelivery: 0,
    unacknowledged: new Map(),
    story: [],
    tasks: 0,
    failedAttempts: 0,
    shuffleBytes: 0,
    spillBytes: 0,
    workers: new Map(),
    workerlessSinceMs: null,
  };
  for (const stage of graph.stages) stages.set(stage.id, newStage(stage, job as JobRecord));
  const result = stages.get(graph.resultStage);
  if (result === undefined) throw new MillraceError("INTERNAL", `job ${graph.job} has no stage ${graph.resultStage}`);
  return Object.assign(job, { result });
}

function newStage(stage: Stage, job: JobRecord): StageRecord {
  return {
    stage,
    job,
    state: { kind: "idle" },
    moves: [],
    tasks: [],
    roundEnd: stage.tasks.length,
    remaining: stage.tasks.length,
    fetchFailures: 0,
    values: [],
    missingValues: stage.kind === "value" ? stage.tasks.length : 0,
    startedMs: 0,
    failed: 0,
    running: 0,
    records: 0,
    bytes: 0,
  };
}

function newTask(partition: number): TaskRecord {
  return { partition, state: { kind: "pending" }, nextAttempt: 0, failures: 0, accumulated: false, moves: [] };
}

function wire(code: MillraceError["code"], message: string, fields: ErrorFields): WireError {
  const { stack: _, ...error } = toWireError(new MillraceError(code, message, { fields }));
  return error;
}
