// Who belongs to the cluster: workers register, say in their first heartbeat what they still have, beat, lose their stream, and
// leave or are given up. What a worker held is given up with it, and those who may be reading from it are told. The states are
// worker-registry/'s; how a worker goes that is to go, decommission/'s.

import type { WorkerRegistration } from "../../protocol/worker.js";
import type { Decommissions } from "../decommission/index.js";
import type { MasterEvent } from "../events.js";
import type { JobScheduler } from "../job-scheduler/index.js";
import type { WorkerRecord, WorkerRegistry, WorkerRegistryOptions } from "../worker-registry/index.js";
import type { CommandOutbox } from "./command-outbox.js";
import type { HeldAttempts, Loss } from "./held-attempts.js";

export interface MembershipParts {
  /** Workers are told how often to beat, and what silence counts as. */
  readonly options: WorkerRegistryOptions;
  readonly registry: WorkerRegistry;
  readonly held: HeldAttempts;
  readonly jobs: JobScheduler;
  readonly decommissions: Decommissions;
  readonly outbox: CommandOutbox;
}

export class Membership {
  readonly #parts: MembershipParts;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
  }

  register(registration: WorkerRegistration, now: number): void {
    const { options, registry, jobs, decommissions, outbox } = this.#parts;
    const answer = registry.register(registration, now);
    // Of an incarnation that has been replaced: nobody listens there any more.
    if (answer === null) return;
    // What it held is decided with what it offers: until its first heartbeat.
    if (answer.replaced !== null) {
      this.#forgetAttempts(answer.replaced, { code: "WORKER_LOST", reason: "it was started anew" }, now);
      decommissions.gone(registration.worker, "it was started anew", now);
    } else decommissions.away(registration.worker);
    outbox.send(registration.worker, {
      kind: "registered",
      heartbeatMs: options.heartbeatMs,
      timeoutMs: options.heartbeatTimeoutMs,
      liveSessions: [...jobs.sessions.keys()],
    });
    decommissions.reconnected(answer.record, now);
  }

  heartbeat(record: WorkerRecord, beat: MasterEvent & { readonly kind: "heartbeat" }, now: number): void {
    const { jobs, outbox } = this.#parts;
    record.diskShort = beat.diskShort ?? false;
    record.memory = beat.memory ?? null;
    if (record.state.kind === "registering") this.#firstHeartbeat(record, beat, now);
    for (const [i, key] of beat.running.entries()) jobs.progressed(key, record.id, beat.records?.[i] ?? 0);
    outbox.send(record.id, { kind: "heartbeat" });
  }

  /** It goes on purpose: what it has begun is done elsewhere, what it holds is served until its stream ends. */
  leaving(record: WorkerRecord, reason: string, now: number): void {
    if (record.state.kind === "leaving") return;
    record.state = { kind: "leaving" };
    this.#parts.held.giveUp(record, { code: null, reason }, now);
  }

  disconnected(record: WorkerRecord, now: number): void {
    const { registry, decommissions } = this.#parts;
    decommissions.away(record.id);
    // One that leaves does not come back.
    if (record.state.kind === "leaving") this.lose(record, "it has left", now);
    else registry.disconnect(record, now);
  }

  /** Gives up who was silent or away for too long. */
  loseOverdue(now: number): void {
    for (const record of this.#parts.registry.overdue(now)) {
      this.lose(record, record.state.kind === "disconnected" ? "its connection ended" : "its heartbeats stopped", now);
    }
  }

  /** It is not counted on any more: what it ran is tried elsewhere, what it held is computed again where it is needed. */
  lose(record: WorkerRecord, reason: string, now: number, code: Loss["code"] = "WORKER_LOST"): void {
    const { registry, jobs, decommissions, outbox } = this.#parts;
    registry.remove(record);
    this.#tellOthers(record.registration, reason);
    this.#forgetAttempts(record, { code, reason }, now);
    jobs.workerGone(record.id, now);
    decommissions.gone(record.id, reason, now);
    outbox.push({ kind: "dropWorker", worker: record.id, reason });
  }

  /** The first heartbeat after a registration says what the worker still has: the rest went down with the stream. */
  #firstHeartbeat(record: WorkerRecord, beat: MasterEvent & { readonly kind: "heartbeat" }, now: number): void {
    const { held, jobs, decommissions, outbox } = this.#parts;
    held.keepOnly(record, beat.running, now);
    if (record.offered !== null) {
      const refused = jobs.workerBack(record.id, record.offered, now);
      record.offered = null;
      for (const { session, shuffle, ...output } of refused) outbox.discard(record.id, session, shuffle, output);
    }
    decommissions.resume(record);
    held.cancelOrphans(record);
  }

  /** One that was on its way out is missed by nobody: what it ran is not charged. */
  #forgetAttempts(record: WorkerRecord, loss: Loss, now: number): void {
    const { held, decommissions } = this.#parts;
    const leaves = record.state.kind === "leaving" || decommissions.has(record.id);
    held.forget(record, leaves ? { ...loss, code: null } : loss, now);
  }

  /** Who reads from it need not wait until its silence ends their own patience. */
  #tellOthers({ worker, address }: WorkerRegistration, reason: string): void {
    if (address.blocks !== "")
      this.#parts.outbox.sendAll({ kind: "workerLost", worker, blocks: address.blocks, reason });
  }
}
