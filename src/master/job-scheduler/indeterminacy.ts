// A map task that was run again gave other records than those that readers have taken (it reads Math.random, the clock, a file
// that changed): everything made from the earlier ones starts over, so that no answer mixes two versions. Through all stages of
// all running jobs of the session: tasks, shuffles (also those that earlier jobs left), persisted partitions, values, results
// that are with the driver. What cannot be taken back (records that the user has seen, an output that is being committed) ends
// the job instead, and so does a stage that starts over again and again.

import type { ShuffleId, StageId } from "../../core/ids.js";
import { moveStage, moveTask, type Scheduling, wire } from "./scheduling.js";
import type { JobRecord, StageRecord } from "./state.js";

export class Indeterminacy {
  readonly #shared: Scheduling;

  constructor(shared: Scheduling) {
    this.#shared = shared;
  }

  /** The output of map `map` that `source` has just made differs from the one that was there before. */
  changed(source: StageRecord, map: number): void {
    const { session } = source.job;
    const shuffle = source.stage.shuffleOutput as ShuffleId;
    const derived = session.derivations.from(shuffle);
    const affected = new Set([shuffle, ...derived.shuffles]);
    for (const job of [...session.jobs.values()]) {
      for (const record of readersOf(job, affected)) {
        if (this.#shared.jobs.isLive(job)) this.#startOver(record, source, map);
      }
    }
    for (const one of derived.shuffles) {
      session.outputs.restart(one);
      this.#shared.stages.wakeSharers(session, one);
    }
    for (const node of derived.nodes) {
      // Whatever a worker still holds or is about to put into its cache is of an earlier generation.
      session.generations.set(node, (session.generations.get(node) ?? 0) + 1);
      for (const worker of session.cached.removeNode(node))
        this.#shared.ports.emit({ kind: "uncache", worker, session: session.id, node });
    }
    // Another job's outputs of a range-partitioned shuffle were placed by bounds of that job's sample.
    if (source.stage.valueInputs.length > 0)
      this.#shared.stages.outputsLost(session, shuffle, session.outputs.dropOthers(shuffle, source.stage.id));
    this.#shared.stages.review(session);
  }

  #startOver(record: StageRecord, source: StageRecord, map: number): void {
    const { job, stage } = record;
    if (record.tasks.every(({ state }) => state.kind === "pending")) return;
    if (record.state.kind === "committing") {
      this.#fail(record, source, map, "its output was being committed");
      return;
    }
    if (record === job.result && job.streamed && job.nextDelivery > 0) {
      this.#fail(record, source, map, "the program had been given some of its records");
      return;
    }
    if (++record.restarts > this.#shared.options.maxConsecutiveStageAttempts) {
      this.#fail(record, source, map, `"${stage.name}" had started over ${record.restarts - 1} times already`);
      return;
    }
    if (record.state.kind === "running") {
      this.#shared.stages.closeQueue(record);
      moveStage(this.#shared, record, "block", { kind: "waiting" });
    } else if (record.state.kind === "complete") moveStage(this.#shared, record, "lose", { kind: "waiting" });
    if (record === job.result) this.#takeBackResults(job);
    this.#forgetTasks(record);
    if (stage.kind !== "value") return;
    // A list of its own: launches on their way still carry the old one.
    record.values = [];
    record.missingValues = stage.tasks.length;
  }

  #forgetTasks(record: StageRecord): void {
    const { job, stage } = record;
    for (const [partition, task] of record.tasks.entries()) {
      task.countedRecords = 0;
      if (task.state.kind === "succeeded") {
        this.#releaseWaiting(record, partition);
        moveTask(this.#shared, record, task, "lose", { kind: "pending" });
      } else this.#shared.attempts.abandon(record, task, "what it reads was computed again and is not the same");
    }
    if (job.graph.growth?.stage === stage.id) record.roundEnd = Math.min(1, record.tasks.length);
    record.remaining = record.roundEnd;
    record.records = 0;
  }

  /** A block that waits on its worker to be taken: nobody will take it. */
  #releaseWaiting({ job, stage, tasks, values }: StageRecord, partition: number): void {
    const state = tasks[partition]?.state;
    if (state?.kind !== "succeeded" || state.worker === null) return;
    const waits = stage.kind === "value" ? values[partition] === undefined : state.result?.kind === "block";
    if (!waits) return;
    const key = { session: job.session.id, job: job.id, stage: stage.id, partition, attempt: state.attempt };
    this.#shared.ports.emit({ kind: "releaseResult", worker: state.worker, key });
  }

  #takeBackResults(job: JobRecord): void {
    const { result, session } = job;
    for (const [partition, key] of job.unacknowledged) {
      const state = result.tasks[partition]?.state;
      if (state?.kind === "succeeded" && state.worker !== null)
        this.#shared.ports.emit({ kind: "releaseResult", worker: state.worker, key });
    }
    job.unacknowledged.clear();
    job.window?.restart();
    if (job.nextDelivery > 0) this.#shared.ports.emit({ kind: "restartResults", session: session.id, job: job.id });
    job.nextDelivery = 0;
    job.resultBytes = 0;
  }

  #fail(record: StageRecord, source: StageRecord, map: number, why: string): void {
    const { job, stage } = record;
    const message =
      `job ${job.id} failed: partition ${map} of "${source.stage.name}" was computed again after its output was lost, and gave other records than before, ` +
      `so that "${stage.name}" would have to start over, but ${why}. Seed the random numbers of the functions before "${source.stage.name}" (or leave out the clock and state of their own), ` +
      "or save their result to a file and read it from there, or run the job again";
    const fields = { job: job.id, stage: stage.id, operator: source.stage.name, partition: map };
    this.#shared.jobs.end(job, wire("INDETERMINATE_RESULT", message, fields));
  }
}

/** Stages of the job that read any of these shuffles, or a value that was folded from one. */
function readersOf(job: JobRecord, shuffles: ReadonlySet<ShuffleId>): StageRecord[] {
  const found = new Set<StageId>();
  const records: StageRecord[] = [];
  for (const stage of job.graph.stages) {
    const reads =
      stage.shuffleInputs.some((shuffle) => shuffles.has(shuffle)) || stage.valueInputs.some((one) => found.has(one));
    if (!reads) continue;
    found.add(stage.id);
    records.push(job.stages.get(stage.id) as StageRecord);
  }
  return records;
}
