// The attempts that workers hold, from their launch to their last report: each leaves once, by its worker's word, or given up
// with it. With the last of a launch its slot is free, here and at the assigner. What becomes of the task then the scheduler
// decides; who is lost, membership.ts.

import type { WireError } from "../../core/errors.js";
import { formatTaskKey, type TaskKey, type WorkerId } from "../../core/ids.js";
import type { TaskStatus } from "../../protocol/tasks.js";
import type { JobScheduler } from "../job-scheduler/index.js";
import type { TaskAssigner } from "../task-assigner/index.js";
import type { Attempt, WorkerRecord, WorkerRegistry } from "../worker-registry/index.js";
import type { CommandOutbox } from "./command-outbox.js";

export interface HeldAttemptsParts {
  readonly registry: WorkerRegistry;
  readonly assigner: TaskAssigner;
  readonly jobs: JobScheduler;
  readonly outbox: CommandOutbox;
}

/** Why a worker's attempts are given up. */
export interface Loss {
  /** What those that ran are charged with; null: nobody is to blame. */
  readonly code: "WORKER_LOST" | "OUT_OF_MEMORY" | null;
  readonly reason: string;
}

export class HeldAttempts {
  readonly #parts: HeldAttemptsParts;

  constructor(parts: HeldAttemptsParts) {
    this.#parts = parts;
  }

  reported(record: WorkerRecord, status: TaskStatus, now: number): void {
    const { registry, assigner, jobs } = this.#parts;
    if (status.kind === "running") {
      const attempt = record.attempts.get(formatTaskKey(status.key));
      if (attempt === undefined) return;
      attempt.running = true;
      jobs.started(status.key, record.id, now);
      return;
    }
    const attempt = registry.ended(record, status.key, now);
    // A doubled report, or one of an attempt that was given up.
    if (attempt === null) return jobs.removeUnwanted(status.key, record.id, status.outcome);
    if (attempt.unit.left === 0) assigner.left(status.key);
    jobs.ended(status.key, record.id, status.outcome, now);
  }

  /** The worker is back and runs these: what is missing went down with its stream. */
  keepOnly(record: WorkerRecord, running: readonly TaskKey[], now: number): void {
    const held = new Set(running.map(formatTaskKey));
    for (const [name, attempt] of [...record.attempts]) {
      if (!held.has(name)) this.#drop(record, attempt.key, now);
    }
    const unknown = running.filter((key) => !record.attempts.has(formatTaskKey(key)));
    this.#cancel(record, unknown, "nobody waits for it");
  }

  /** A cancel may have been lost with a broken stream. */
  cancelOrphans(record: WorkerRecord): void {
    const { jobs } = this.#parts;
    const orphans = [...record.attempts.values()].filter(({ key }) => !jobs.isCurrent(key, record.id));
    this.#cancel(
      record,
      orphans.map(({ key }) => key),
      "its job has ended",
    );
  }

  /** What is queued behind a task that turned out long is launched elsewhere. */
  callBackStuck(now: number): void {
    const { registry } = this.#parts;
    for (const record of registry.all) {
      if (record.state.kind === "active") this.#callBack(record, registry.stuck(record, now));
    }
  }

  /** What is queued on a worker that was excluded from something is looked at anew. */
  callBackQueued(worker: WorkerId): void {
    const { registry } = this.#parts;
    const record = registry.get(worker);
    if (record !== undefined) this.#callBack(record, registry.queued(record));
  }

  /** They are tried elsewhere. What ran is charged with the loss: a task may kill its workers. The worker may still report. */
  giveUp(record: WorkerRecord, { code, reason }: Loss, now: number): void {
    const { registry, jobs } = this.#parts;
    const { id: worker } = record;
    const ran = registry.ran(record);
    const message =
      code === "OUT_OF_MEMORY"
        ? `worker ${worker} ran out of memory while it ran the task: ${reason}`
        : `worker ${worker} was lost while it ran the task: ${reason}`;
    for (const attempt of record.attempts.values()) {
      const charge: WireError | null = code !== null && ran.has(attempt) ? { code, message, fields: { worker } } : null;
      jobs.attemptLost(attempt.key, worker, charge, now);
    }
  }

  /** Given up, and no report of them counts any more. */
  forget(record: WorkerRecord, loss: Loss, now: number): void {
    this.giveUp(record, loss, now);
    for (const { key } of firstOfUnits(record)) this.#parts.assigner.left(key);
    record.attempts.clear();
    record.units = 0;
  }

  /** States the invariants; tests call it after every event. */
  validate(): string[] {
    const { registry, assigner } = this.#parts;
    const units = [...registry.all].map((record) => ({ record, first: firstOfUnits(record) }));
    const miscounted = units.filter(({ record, first }) => record.units !== first.length);
    return [
      ...assigner.validate(units.flatMap(({ first }) => first.map(({ key }) => key))),
      ...miscounted.map(({ record, first }) => `${record.id} holds ${first.length} launches, ${record.units} counted`),
    ];
  }

  /** Its launch or its report was lost with the connection: nobody is to blame. */
  #drop(record: WorkerRecord, key: TaskKey, now: number): void {
    const { registry, assigner, jobs } = this.#parts;
    const attempt = registry.ended(record, key, now);
    if (attempt === null) return;
    if (attempt.unit.left === 0) assigner.left(key);
    jobs.attemptLost(key, record.id, null, now);
  }

  /** Of these, what still waits for a slot comes back to be launched elsewhere. */
  #callBack(record: WorkerRecord, attempts: readonly Attempt[]): void {
    const asked = attempts.filter((attempt) => !attempt.calledBack);
    if (asked.length === 0) return;
    for (const attempt of asked) attempt.calledBack = true;
    const reason = "it waited for a slot and is launched elsewhere";
    const keys = asked.map(({ key }) => key);
    this.#parts.outbox.send(record.id, { kind: "cancel", keys, reason, onlyWaiting: true });
  }

  #cancel(record: WorkerRecord, keys: readonly TaskKey[], reason: string): void {
    if (keys.length > 0) this.#parts.outbox.send(record.id, { kind: "cancel", keys, reason });
  }
}

/** One attempt of each launch that the worker holds. */
function firstOfUnits({ attempts }: WorkerRecord): Attempt[] {
  const units = new Set<Attempt["unit"]>();
  return [...attempts.values()].filter(({ unit }) => !units.has(unit) && units.add(unit));
}
