// The master as one pure machine: event in, commands out. Composes the registry of workers, the scheduler of jobs, the
// assigner of tasks and the places of map outputs; after every event it launches what can be launched. No I/O, no clock.

import type { SessionId, ShuffleId, WorkerId } from "../core/ids.js";
import type { StageProgress } from "../protocol/driver.js";
import type { MapOutputLocation } from "../protocol/tasks.js";
import { type DecommissionProgress, Decommissions } from "./decommission/index.js";
import type { MasterCommand, MasterEvent } from "./events.js";
import { type JobProgress, JobScheduler } from "./job-scheduler/index.js";
import { CommandOutbox } from "./machine/command-outbox.js";
import { HeldAttempts } from "./machine/held-attempts.js";
import { Launcher } from "./machine/launcher.js";
import { Membership } from "./machine/membership.js";
import { Places, placeOf } from "./machine/places.js";
import type { NodeStorage } from "./map-outputs/index.js";
import { defaultMasterOptions, type MasterOptions } from "./options.js";
import { type PoolSnapshot, TaskAssigner } from "./task-assigner/index.js";
import { WorkerRegistry } from "./worker-registry/index.js";
import type { WorkerRecord } from "./worker-registry/state.js";

export type WorkerExclusion = ReturnType<JobScheduler["exclusionsOf"]>[number];

export class MasterMachine {
  readonly #registry: WorkerRegistry;
  readonly #assigner: TaskAssigner;
  readonly #jobs: JobScheduler;
  readonly #decommissions: Decommissions;
  readonly #outbox: CommandOutbox;
  readonly #places: Places;
  readonly #held: HeldAttempts;
  readonly #members: Membership;
  readonly #launcher: Launcher;

  constructor(options: MasterOptions = defaultMasterOptions) {
    this.#registry = new WorkerRegistry(options.workers);
    this.#outbox = new CommandOutbox(this.#registry);
    this.#places = new Places(this.#registry);
    this.#assigner = new TaskAssigner(options.assigner);
    this.#jobs = new JobScheduler(options.jobs, options.mapOutputs, {
      assigner: this.#assigner,
      emit: (command) => this.#outbox.passOn(command),
      worker: (id) => this.#places.find(id),
      launchable: () => this.#places.launchable(),
    });
    this.#held = new HeldAttempts({
      registry: this.#registry,
      assigner: this.#assigner,
      jobs: this.#jobs,
      outbox: this.#outbox,
    });
    this.#decommissions = new Decommissions(options.decommission, {
      workers: () => this.#registry.all,
      worker: (id) => this.#registry.get(id),
      sessions: () => this.#jobs.sessions,
      send: (worker, message) => this.#outbox.send(worker, message),
      emit: (command) => this.#outbox.push(command),
      moved: (block, from, to) => this.#jobs.blockMoved(block, from, to),
      giveUpAttempts: (record, reason, now) => this.#held.giveUp(record, { code: null, reason }, now),
      lose: (record, reason, now) => this.#members.lose(record, reason, now),
    });
    this.#members = new Membership({
      options: options.workers,
      registry: this.#registry,
      held: this.#held,
      jobs: this.#jobs,
      decommissions: this.#decommissions,
      outbox: this.#outbox,
    });
    this.#launcher = new Launcher({
      registry: this.#registry,
      places: this.#places,
      assigner: this.#assigner,
      jobs: this.#jobs,
      outbox: this.#outbox,
      maxLaunches: options.assigner.maxQueueAhead,
    });
  }

  /** `now` in milliseconds, of any origin, never running backwards. */
  handle(event: MasterEvent, now: number): MasterCommand[] {
    this.#outbox.begin();
    this.#apply(event, now);
    this.#outbox.flushCancels();
    for (const worker of this.#outbox.takeExcluded()) this.#held.callBackQueued(worker);
    this.#jobs.look(now);
    this.#launcher.launch(now);
    return this.#outbox.take();
  }

  get workers(): readonly WorkerRecord[] {
    return [...this.#registry.all];
  }

  get slots(): number {
    return this.workers.reduce(
      (sum, record) => sum + (record.state.kind === "active" ? record.registration.slots : 0),
      0,
    );
  }

  progress(session: SessionId): StageProgress[] {
    return this.#jobs.progress(session);
  }

  /** How far the session's jobs are that have not ended. */
  jobProgress(session: SessionId): JobProgress[] {
    return this.#jobs.jobProgress(session);
  }

  /** What the session's map outputs take that are counted on, over all workers. */
  shuffleBytes(session: SessionId): number {
    return this.#jobs.sessions.get(session)?.outputs.totalBytes ?? 0;
  }

  /** Jobs that have not ended, by session. */
  liveJobs(session: SessionId): readonly number[] {
    return [...(this.#jobs.sessions.get(session)?.jobs.keys() ?? [])];
  }

  /** None where the session schedules FIFO. */
  pools(session: SessionId): PoolSnapshot[] {
    return this.#assigner.pools(session);
  }

  /** The session's persisted nodes that jobs have planned to fill. */
  storage(session: SessionId): NodeStorage[] {
    return this.#jobs.storage(session);
  }

  /** How far a worker is that is to go; null for one that is not. */
  decommission(worker: WorkerId, now: number): DecommissionProgress | null {
    return this.#decommissions.progress(worker, now);
  }

  /** What keeps whose tasks away from a worker, now. */
  exclusionsOf(record: WorkerRecord, now: number): WorkerExclusion[] {
    return this.#jobs.exclusionsOf(placeOf(record), now);
  }

  validate(): string[] {
    return [...this.#jobs.validate(), ...this.#decommissions.validate(), ...this.#held.validate()];
  }

  /** Map outputs that are counted on, of all sessions; for tests. */
  *countedOutputs(): Generator<{
    readonly session: SessionId;
    readonly shuffle: ShuffleId;
    readonly map: number;
    readonly location: MapOutputLocation;
  }> {
    for (const { id, outputs } of this.#jobs.sessions.values()) {
      for (const output of outputs.counted()) yield { session: id, ...output };
    }
  }

  #apply(event: MasterEvent, now: number): void {
    switch (event.kind) {
      case "sessionOpened":
        this.#jobs.openSession(event.session, event.policy, event.policy);
        return;
      case "sessionClosed":
        this.#jobs.closeSession(event.session, event.error, now);
        this.#outbox.flushCancels();
        this.#outbox.sendAll({ kind: "releaseSession", session: event.session });
        return;
      case "submitted":
        this.#jobs.submit(event, now);
        return;
      case "jobCancelled":
        this.#jobs.cancel(event.session, event.job, event.reason, now);
        return;
      case "poolsDefined":
        this.#assigner.definePools(event.session, event.pools);
        return;
      case "jobBroken":
        this.#jobs.fail(event.session, event.job, event.error, now);
        return;
      case "workerRegistered":
        this.#members.register(event.registration, now);
        return;
      case "resultDelivered":
        this.#jobs.delivered(event.session, event.job, event.partition, now);
        return;
      case "resultLost":
        this.#jobs.resultLost(event.session, event.job, event.partition, now);
        return;
      case "valueFetched":
        this.#jobs.valueFetched(event.key, event.bytes, now);
        return;
      case "outputCommitted":
        this.#jobs.outputCommitted(event.session, event.job, event.error, now);
        return;
      case "shufflesReleased":
        for (const shuffle of event.shuffles) this.#jobs.releaseShuffle(event.session, shuffle);
        return;
      case "unpersisted":
        this.#jobs.uncacheNode(event.session, event.node, now);
        this.#outbox.sendAll({ kind: "uncache", session: event.session, node: event.node });
        return;
      case "decommissionAsked": {
        const record = this.#registry.get(event.worker);
        if (record !== undefined) this.#decommissions.begin(record, event.reason, event.timeoutMs, true, now);
        return;
      }
      case "blobsReleased":
        this.#outbox.sendAll({ kind: "releaseBlobs", hashes: event.hashes });
        return;
      case "tick":
        this.#tick(now);
        return;
      default:
        this.#fromWorker(event, now);
        return;
    }
  }

  #fromWorker(event: Extract<MasterEvent, { readonly incarnation: number }>, now: number): void {
    const record = this.#registry.heard(event.worker, event.incarnation, now);
    if (record === null) return;
    switch (event.kind) {
      case "heartbeat":
        this.#members.heartbeat(record, event, now);
        return;
      case "statuses":
        for (const status of event.statuses) this.#held.reported(record, status, now);
        return;
      case "uncached":
        this.#jobs.uncached(event.session, record.id, event.partitions, now);
        return;
      case "offered":
        record.offered?.push(...event.outputs);
        return;
      case "workerLeaving":
        this.#members.leaving(record, event.reason, now);
        return;
      case "workerDecommissions":
        this.#decommissions.begin(record, event.reason, event.timeoutMs, false, now);
        return;
      case "adopted":
        this.#decommissions.adopted(record.id, event.from, event.outcomes, now);
        return;
      case "workerDisconnected":
        this.#members.disconnected(record, now);
        return;
      case "workerLost":
        // What ran when a worker ran out of memory is what filled it, as far as anybody can tell.
        this.#members.lose(record, event.reason, now, event.outOfMemory === true ? "OUT_OF_MEMORY" : "WORKER_LOST");
        return;
    }
  }

  #tick(now: number): void {
    this.#members.loseOverdue(now);
    this.#decommissions.tick(now);
    this.#held.callBackStuck(now);
    this.#jobs.checkWorkers(this.#places.launchable().length, this.#places.shortOfDisk(), now);
  }
}
