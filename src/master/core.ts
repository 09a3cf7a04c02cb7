// The master as one pure machine: event in, commands out. Puts its parts together (the registry of workers, the scheduler of
// jobs, the assigner of tasks, decommissioning, and machine/) and gives each event to the part that it is about; after every
// event it launches what can be launched. No I/O, no clock.

import { Decommissions } from "./decommission/index.js";
import type { MasterCommand, MasterEvent } from "./events.js";
import { JobScheduler } from "./job-scheduler/index.js";
import { CommandOutbox } from "./machine/command-outbox.js";
import { HeldAttempts } from "./machine/held-attempts.js";
import { Launcher } from "./machine/launcher.js";
import { Membership } from "./machine/membership.js";
import { Places } from "./machine/places.js";
import { MasterView } from "./machine/view.js";
import { defaultMasterOptions, type MasterOptions } from "./options.js";
import { TaskAssigner } from "./task-assigner/index.js";
import { WorkerRegistry } from "./worker-registry/index.js";

export class MasterMachine {
  /** What is asked of it and shown. */
  readonly view: MasterView;
  readonly #registry: WorkerRegistry;
  readonly #outbox: CommandOutbox;
  readonly #places: Places;
  readonly #assigner: TaskAssigner;
  readonly #jobs: JobScheduler;
  readonly #held: HeldAttempts;
  readonly #decommissions: Decommissions;
  readonly #members: Membership;
  readonly #launcher: Launcher;

  constructor(options: MasterOptions = defaultMasterOptions) {
    const registry = new WorkerRegistry(options.workers);
    const outbox = new CommandOutbox(registry);
    const places = new Places(registry);
    const assigner = new TaskAssigner(options.assigner);
    const jobs = new JobScheduler(options.jobs, options.mapOutputs, {
      assigner,
      emit: (command) => outbox.passOn(command),
      worker: (id) => places.find(id),
      launchable: () => places.launchable(),
    });
    const held = new HeldAttempts({ registry, assigner, jobs, outbox });
    const decommissions = new Decommissions(options.decommission, {
      workers: () => registry.all,
      worker: (id) => registry.get(id),
      sessions: () => jobs.sessions,
      send: (worker, message) => outbox.send(worker, message),
      emit: (command) => outbox.push(command),
      moved: (block, from, to) => jobs.blockMoved(block, from, to),
      giveUpAttempts: (record, reason, now) => held.giveUp(record, { code: null, reason }, now),
      lose: (record, reason, now) => this.#members.lose(record, reason, now),
    });
    this.#registry = registry;
    this.#outbox = outbox;
    this.#places = places;
    this.#assigner = assigner;
    this.#jobs = jobs;
    this.#held = held;
    this.#decommissions = decommissions;
    this.#members = new Membership({ options: options.workers, registry, held, jobs, decommissions, outbox });
    const { maxQueueAhead: maxLaunches } = options.assigner;
    this.#launcher = new Launcher({ registry, places, assigner, jobs, outbox, maxLaunches });
    this.view = new MasterView({ registry, assigner, jobs, decommissions });
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

  /** States the invariants; tests call it after every event. */
  validate(): string[] {
    return [...this.#jobs.validate(), ...this.#decommissions.validate(), ...this.#held.validate()];
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
