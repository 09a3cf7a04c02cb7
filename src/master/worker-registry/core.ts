// The workers of the cluster: who is there, in which incarnation, and what each holds. Decides by silence and incarnation
// who is lost; what follows from a loss is the scheduler's business. Pure: the time comes with every call.

import { formatTaskKey, type TaskKey, type WorkerId } from "../../core/ids.js";
import { type TaskLaunch, tasksOf, type WorkerAddress } from "../../protocol/tasks.js";
import type { WorkerRegistration } from "../../protocol/worker.js";
import type { WorkerRegistryOptions } from "./options.js";
import type { Attempt, WorkerRecord } from "./state.js";

export interface RegisterAnswer {
  readonly record: WorkerRecord;
  /** An earlier incarnation of the same id, which this registration ends. */
  readonly replaced: WorkerRecord | null;
}

export class WorkerRegistry {
  readonly #options: WorkerRegistryOptions;
  readonly #workers = new Map<WorkerId, WorkerRecord>();

  constructor(options: WorkerRegistryOptions) {
    this.#options = options;
  }

  get all(): Iterable<WorkerRecord> {
    return this.#workers.values();
  }

  get(id: WorkerId): WorkerRecord | undefined {
    return this.#workers.get(id);
  }

  /** The record if the worker is known in this incarnation; whatever an earlier one says is void. */
  heard(id: WorkerId, incarnation: number, now: number): WorkerRecord | null {
    const record = this.#workers.get(id);
    if (record === undefined || record.registration.incarnation !== incarnation) return null;
    record.lastHeardMs = now;
    return record;
  }

  /** null: an older incarnation than the one known. */
  register(registration: WorkerRegistration, now: number): RegisterAnswer | null {
    const known = this.#workers.get(registration.worker);
    if (known !== undefined && known.registration.incarnation > registration.incarnation) return null;
    if (known !== undefined && known.registration.incarnation === registration.incarnation) {
      known.registration = registration;
      known.state = { kind: "registering" };
      known.lastHeardMs = now;
      known.sentLocations.clear();
      // What was offered over the broken stream is offered again.
      if (known.offered !== null) known.offered = [];
      return { record: known, replaced: null };
    }
    const record: WorkerRecord = {
      id: registration.worker,
      registration,
      state: { kind: "registering" },
      lastHeardMs: now,
      diskShort: false,
      memory: null,
      attempts: new Map(),
      units: 0,
      sentLocations: new Map(),
      offered: [],
    };
    this.#workers.set(record.id, record);
    return { record, replaced: known ?? null };
  }

  disconnect(record: WorkerRecord, now: number): void {
    if (record.state.kind !== "disconnected") record.state = { kind: "disconnected", sinceMs: now };
  }

  remove(record: WorkerRecord): void {
    if (this.#workers.get(record.id) === record) this.#workers.delete(record.id);
  }

  /** Workers that were silent or away for too long. */
  overdue(now: number): WorkerRecord[] {
    return [...this.#workers.values()].filter((record) =>
      record.state.kind === "disconnected"
        ? now - record.state.sinceMs >= this.#options.reconnectMs
        : now - record.lastHeardMs >= this.#options.heartbeatTimeoutMs,
    );
  }

  launched(record: WorkerRecord, launch: TaskLaunch, now: number): void {
    const tasks = tasksOf(launch);
    const unit = { left: tasks.length, sinceMs: now };
    record.units++;
    for (const { key, shuffles, cached } of tasks) {
      const attempt: Attempt = {
        key,
        worker: record.id,
        launchedMs: now,
        shuffles,
        cached,
        running: false,
        unit,
        calledBack: false,
      };
      record.attempts.set(formatTaskKey(key), attempt);
    }
  }

  /** The attempt ended; null when it was not there (a doubled report). With the last of a launch its slot is free. */
  ended(record: WorkerRecord, key: TaskKey, now: number): Attempt | null {
    const name = formatTaskKey(key);
    const attempt = record.attempts.get(name) ?? null;
    record.attempts.delete(name);
    if (attempt === null) return null;
    attempt.unit.sinceMs = now;
    if (--attempt.unit.left === 0) record.units--;
    return attempt;
  }

  /**
   * Attempts that ran when the worker was last heard of. A task that ends its process at once takes the word that it runs
   * along: what filled the slots counts too, oldest first, of each launch one.
   */
  ran(record: WorkerRecord): ReadonlySet<Attempt> {
    const attempts = [...record.attempts.values()];
    const ran = new Set(attempts.filter((attempt) => attempt.running));
    const units = new Set([...ran].map(({ unit }) => unit));
    for (const attempt of attempts) {
      if (ran.size >= record.registration.slots) break;
      if (units.has(attempt.unit)) continue;
      units.add(attempt.unit);
      ran.add(attempt);
    }
    return ran;
  }

  /** Something on the worker takes so long that nothing shall be queued behind it. */
  isStalled(record: WorkerRecord, now: number): boolean {
    const oldest = record.attempts.values().next().value;
    return oldest !== undefined && now - oldest.unit.sinceMs > this.#options.stalledMs;
  }

  /** Attempts that wait for a slot of the worker. */
  queued(record: WorkerRecord): Attempt[] {
    if (record.attempts.size <= 1) return [];
    const ran = this.ran(record);
    return [...record.attempts.values()].filter((attempt) => !ran.has(attempt));
  }

  /** Attempts that wait on a stalled worker behind what runs there. */
  stuck(record: WorkerRecord, now: number): Attempt[] {
    if (!this.isStalled(record, now)) return [];
    return this.queued(record).filter(({ launchedMs }) => now - launchedMs > this.#options.stalledMs);
  }

  addresses(ids: Iterable<WorkerId>): WorkerAddress[] {
    return [...new Set(ids)].flatMap((id) => this.#workers.get(id)?.registration.address ?? []);
  }

  /** Whether some node runs more than one worker: only then is there a locality between process and any. */
  get sharesNodes(): boolean {
    const nodes = new Set([...this.#workers.values()].map((record) => record.registration.node));
    return nodes.size < this.#workers.size;
  }
}
