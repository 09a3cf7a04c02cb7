// Which stages run: from a job's result down to the first stages whose inputs are whole. Starts them, finishes them, lets jobs
// share the computation of a shuffle, and stops what lost its input. Which task runs where is not decided here.

import type { ShuffleId } from "../../core/ids.js";
import { mayFollow, mayGroup } from "./launches.js";
import { newTask } from "./new-records.js";
import { planStage } from "./plan-stage.js";
import { moveStage, moveTask, type Scheduling } from "./scheduling.js";
import { isWhole, missingParents } from "./stage-needs.js";
import type { JobRecord, SessionRecord, StageRecord, TaskRecord } from "./state.js";

export class Stages {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  /** Starts whatever the job's result needs, is missing, and has its own inputs whole. */
  advance(job: JobRecord): void {
    for (let again = true; again && this.#shared.jobs.isLive(job); ) {
      again = false;
      const seen = new Set<StageRecord>([job.result]);
      const stack = [job.result];
      for (let record = stack.pop(); record !== undefined; record = stack.pop()) {
        if (record.state.kind === "complete" && !isWhole(record))
          moveStage(this.#shared, record, "lose", { kind: "waiting" });
        if (record.state.kind === "idle") moveStage(this.#shared, record, "need", { kind: "waiting" });
        if (record.state.kind !== "waiting") continue;
        const owner = this.#ownerOf(record);
        if (owner !== null && owner !== record) {
          moveStage(this.#shared, record, "share", { kind: "sharing" });
          continue;
        }
        // Of a map stage the outputs say it: its tasks may have succeeded and what they made be lost since.
        const isMade = record.stage.kind !== "shuffleMap" || isWhole(record);
        const ended = record.tasks.length > 0 && record.remaining === 0;
        const done = ended && isMade && job.graph.growth?.stage !== record.stage.id;
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

  /** Brings a map task's state in line with whether its output is there. */
  compareOutput(record: StageRecord, task: TaskRecord, shuffle: ShuffleId): void {
    const location = record.job.session.outputs.location(shuffle, task.partition);
    if (task.state.kind === "pending" && location !== null) {
      moveTask(this.#shared, record, task, "found", {
        kind: "succeeded",
        attempt: location.attempt,
        worker: location.worker,
        result: null,
      });
      record.remaining--;
    } else if (task.state.kind === "succeeded" && location === null) {
      moveTask(this.#shared, record, task, "lose", { kind: "pending" });
      record.remaining++;
    }
  }

  /** true when the stage's work is done; starts the next round where the job grows. */
  finish(record: StageRecord): boolean {
    const { stage, job } = record;
    if (record.state.kind !== "running" || record.remaining > 0 || record.missingValues > 0) return false;
    if (this.#grow(record)) return false;
    this.closeQueue(record);
    record.fetchFailures = 0;
    this.#shared.exclusions.stageSucceeded(record);
    if (stage.kind === "result" && job.savesFiles) {
      moveStage(this.#shared, record, "commit", { kind: "committing" });
      const files = record.tasks.flatMap(({ state }) =>
        state.kind === "succeeded" && state.result?.kind === "file" ? [state.result, ...(state.result.also ?? [])] : [],
      );
      this.#shared.ports.emit({ kind: "commitOutput", session: job.session.id, job: job.id, files });
      return true;
    }
    moveStage(this.#shared, record, "finish", { kind: "complete" });
    if (stage.kind === "result") {
      this.#shared.jobs.finish(job);
      return true;
    }
    this.wakeSharers(job.session, stage.shuffleOutput);
    this.advance(job);
    return true;
  }

  closeQueue(record: StageRecord): void {
    const { session } = record.job;
    this.#shared.ports.assigner.removeStage(session.id, record.stage.id);
    const { shuffleOutput } = record.stage;
    if (shuffleOutput !== null && session.owners.get(shuffleOutput) === record) session.owners.delete(shuffleOutput);
  }

  /** The shuffle has no owner any more: it is whole, or somebody else must compute the rest. */
  wakeSharers(session: SessionRecord, shuffle: ShuffleId | null): void {
    if (shuffle === null) return;
    const woken: JobRecord[] = [];
    for (const job of session.jobs.values()) {
      for (const record of job.stages.values()) {
        if (record.state.kind !== "sharing" || record.stage.shuffleOutput !== shuffle) continue;
        if (isWhole(record)) moveStage(this.#shared, record, "found", { kind: "complete" });
        else moveStage(this.#shared, record, "resume", { kind: "waiting" });
        woken.push(job);
      }
    }
    for (const job of woken) this.advance(job);
  }

  outputsLost(session: SessionRecord, shuffle: ShuffleId, maps: readonly number[]): void {
    const owner = session.owners.get(shuffle);
    if (owner === undefined) return;
    for (const map of maps) {
      const task = owner.tasks[map] as TaskRecord;
      if (task.state.kind !== "succeeded") continue;
      moveTask(this.#shared, owner, task, "lose", { kind: "pending" });
      owner.remaining++;
      this.#shared.attempts.enqueue(owner, task);
    }
  }

  /** Outputs that were given up are there after all: who computes them again need not. */
  outputsFound(session: SessionRecord, shuffle: ShuffleId, maps: readonly number[]): void {
    const owner = session.owners.get(shuffle);
    if (owner === undefined) return;
    for (const map of maps) {
      const task = owner.tasks[map] as TaskRecord;
      this.#shared.attempts.abandon(owner, task, "its output came back with its worker");
      this.compareOutput(owner, task, shuffle);
    }
    if (owner.remaining === 0) this.finish(owner);
  }

  /** After a loss: stages whose inputs are not whole any more stop, and what is missing is started. */
  review(session: SessionRecord): void {
    for (const job of [...session.jobs.values()]) {
      for (const record of job.stages.values()) {
        if (record.state.kind === "running" && missingParents(record).length > 0) this.#block(record);
      }
      this.advance(job);
    }
  }

  #ownerOf(record: StageRecord): StageRecord | null {
    const { shuffleOutput } = record.stage;
    return shuffleOutput === null ? null : (record.job.session.owners.get(shuffleOutput) ?? null);
  }

  /** true when the stage was complete at once. */
  #start(record: StageRecord): boolean {
    const { stage, job } = record;
    const { exclusions, speculation } = this.#shared;
    moveStage(this.#shared, record, "start", { kind: "running" });
    planStage(this.#shared, record);
    if (record.tasks.length === 0) {
      record.startedMs = this.#shared.now;
      record.tasks = record.plan.map((_, place) => newTask(place));
      const grows = job.graph.growth?.stage === stage.id;
      record.roundEnd = grows ? Math.min(1, record.tasks.length) : record.tasks.length;
      record.remaining = record.roundEnd;
    }
    if (stage.shuffleOutput !== null) job.session.owners.set(stage.shuffleOutput, record);
    this.#shared.ports.assigner.addStage(
      job.session.id,
      job.id,
      stage.id,
      {
        isPending: (partition) => record.tasks[partition]?.state.kind === "pending",
        groups: mayGroup(record),
        mayFollow: (first, next) => mayFollow(record, first, next),
        allows: (worker) => exclusions.allows(record, null, worker),
        allowsTask: (partition, worker) => exclusions.allows(record, record.tasks[partition] as TaskRecord, worker),
        allowsCopy: (partition, worker) =>
          speculation.allowsCopy(record, record.tasks[partition] as TaskRecord, worker),
      },
      this.#shared.now,
      job.traits.pool,
    );
    for (let partition = 0; partition < record.roundEnd; partition++) {
      const task = record.tasks[partition] as TaskRecord;
      if (stage.shuffleOutput !== null) this.compareOutput(record, task, stage.shuffleOutput);
      if (task.state.kind === "pending") this.#shared.attempts.enqueue(record, task);
    }
    return record.remaining === 0 ? this.finish(record) : false;
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
      this.#shared.attempts.enqueue(record, record.tasks[partition] as TaskRecord);
    return true;
  }

  /** Its input is not whole any more: nothing more is launched until it is. */
  #block(record: StageRecord): void {
    if (record.state.kind !== "running") return;
    this.closeQueue(record);
    moveStage(this.#shared, record, "block", { kind: "waiting" });
    this.wakeSharers(record.job.session, record.stage.shuffleOutput);
  }
}
