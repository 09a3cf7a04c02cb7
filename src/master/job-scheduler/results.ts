// Results on their way out of the scheduler: to the driver in partition order, kept until it has them, computed again when they
// are lost; and the values that one stage gives to later ones.

import type { JobId, SessionId, TaskKey } from "../../core/ids.js";
import { findStage, moveStage, moveTask, type Scheduling, wire } from "./scheduling.js";
import type { JobRecord, StageRecord, TaskRecord } from "./state.js";

export class Results {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  /** The driver has all bytes of the partition. */
  delivered(session: SessionId, job: JobId, partition: number): void {
    const record = this.#shared.sessions.get(session)?.jobs.get(job);
    if (record === undefined) return;
    this.#admit(record, record.window?.delivered(partition));
    const key = record.unacknowledged.get(partition);
    if (key === undefined) return;
    record.unacknowledged.delete(partition);
    this.#release(record.result.tasks[partition], key);
    this.#shared.jobs.finish(record);
  }

  /** A result's bytes could not be read: the partition is computed again and delivered again. */
  lost(session: SessionId, job: JobId, partition: number): void {
    const record = this.#shared.sessions.get(session)?.jobs.get(job);
    const key = record?.unacknowledged.get(partition);
    if (record === undefined || key === undefined) return;
    record.unacknowledged.delete(partition);
    const { result } = record;
    record.window?.lost(partition);
    const task = result.tasks[partition] as TaskRecord;
    if (task.state.kind !== "succeeded") return;
    this.#release(task, key);
    moveTask(this.#shared, result, task, "lose", { kind: "pending" });
    result.remaining++;
    if (result.state.kind === "complete") moveStage(this.#shared, result, "lose", { kind: "waiting" });
    else this.#shared.attempts.enqueue(result, task);
    this.#shared.stages.advance(record);
  }

  /** The bytes of a value result that was a block; null when they could not be read. */
  valueFetched(key: TaskKey, bytes: Uint8Array | null): void {
    const record = findStage(this.#shared.sessions, key.session, key.stage);
    const task = record?.tasks[key.partition];
    if (record === undefined || task?.state.kind !== "succeeded" || task.state.attempt !== key.attempt) return;
    if (record.values[key.partition] !== undefined) return;
    // Here, or not to be had: its file may go.
    this.#release(task, key);
    if (bytes === null) {
      moveTask(this.#shared, record, task, "lose", { kind: "pending" });
      record.remaining++;
      this.#shared.attempts.enqueue(record, task);
      return;
    }
    this.setValue(record, key.partition, bytes);
    this.#shared.stages.finish(record);
  }

  #release(task: TaskRecord | undefined, key: TaskKey): void {
    if (task?.state.kind === "succeeded" && task.state.worker !== null)
      this.#shared.ports.emit({ kind: "releaseResult", worker: task.state.worker, key });
  }

  setValue(record: StageRecord, partition: number, bytes: Uint8Array): void {
    if (record.values[partition] === undefined) record.missingValues--;
    record.values[partition] = bytes;
  }

  /** Passes results on in partition order. false when they are too large and the job was ended. */
  deliver(job: JobRecord, blockBytes: number, partition: number): boolean {
    const done = job.result.tasks[partition]?.state;
    const inline = done?.kind === "succeeded" && done.result?.kind === "inline" ? done.result.bytes.byteLength : 0;
    if (partition >= job.nextDelivery) job.resultBytes += inline + blockBytes;
    if (job.maxResultBytes !== null && job.resultBytes > job.maxResultBytes) {
      const text = `the results of job ${job.id} are larger than ${job.maxResultBytes} bytes (driver.maxResultSize)`;
      this.#shared.jobs.end(
        job,
        wire("RESULT_TOO_LARGE", text, { job: job.id, bytes: job.resultBytes, limit: job.maxResultBytes }),
      );
      return false;
    }
    this.#admit(job, job.window?.made(partition, inline + blockBytes));
    if (partition < job.nextDelivery) this.#deliverOne(job, partition);
    for (let next = job.nextDelivery; this.#deliverOne(job, next); next++) job.nextDelivery = next + 1;
    return true;
  }

  #admit({ result }: JobRecord, partitions: readonly number[] = []): void {
    for (const partition of partitions) {
      const task = result.tasks[partition];
      if (task !== undefined) this.#shared.attempts.enqueue(result, task);
    }
  }

  #deliverOne(job: JobRecord, partition: number): boolean {
    const task = job.result.tasks[partition];
    if (task?.state.kind !== "succeeded" || task.state.result === null || task.state.worker === null) return false;
    const { attempt, worker, result } = task.state;
    const key: TaskKey = { session: job.session.id, job: job.id, stage: job.result.stage.id, partition, attempt };
    if (result.kind === "block") job.unacknowledged.set(partition, key);
    // The shell holds it from now on.
    task.state = { kind: "succeeded", attempt, worker, result: null };
    this.#shared.ports.emit({ kind: "deliver", session: job.session.id, job: job.id, partition, key, worker, result });
    return true;
  }
}
