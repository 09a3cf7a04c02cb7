// The master's shell: holds the connections of drivers and workers, turns their messages into events of the machine and the
// machine's commands into messages, files and pulls. No policy stands here.

import { EventEmitter } from "node:events";
import { MillraceError, toWireError, type WireError } from "../core/errors.js";
import type { BlobHash, JobId, SessionId, TaskKey, WorkerId } from "../core/ids.js";
import { SteadyClock } from "../core/steady-clock.js";
import { version } from "../core/version.js";
import type { WorkerRegistration, WorkerToMaster } from "../protocol/worker.js";
import { type Connection, decodeWorkerMessage, encodeMasterToWorker } from "../rpc/index.js";
import { BlobStore } from "./blob-store.js";
import { MasterMachine } from "./core.js";
import { Departures } from "./departures.js";
import { DriverDesk } from "./driver-desk.js";
import { type MasterCommand, type MasterEvent, TICK_MS } from "./events.js";
import { Kills } from "./kills.js";
import type { MasterOptions } from "./options.js";
import { HeldResults, type OpenBlock } from "./results/held-results.js";
import { describeMaster, type MasterSnapshot } from "./snapshot.js";
import { ValueBlobs } from "./value-blobs.js";

export interface MasterShellOptions {
  readonly machine: MasterOptions;
  /** The master's URL, for events and messages. */
  readonly url: string;
  /** Directory of event logs; null: none are kept. */
  readonly eventLogDir: string | null;
  readonly openBlock: OpenBlock;
  /** A driver whose connection is silent for so long is gone. */
  readonly driverTimeoutMs: number;
  /** Values of a stage that are larger together travel as a blob. Default VALUE_INLINE_BYTES; tests choose less. */
  readonly valueInlineBytes?: number;
  readonly log: (message: string) => void;
}

interface WorkerLink {
  readonly connection: Connection;
  readonly registration: WorkerRegistration;
}

export class MasterShell {
  readonly blobs = new BlobStore();
  readonly #options: MasterShellOptions;
  readonly #machine: MasterMachine;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #desk: DriverDesk;
  readonly #workers = new Map<WorkerId, WorkerLink>();
  readonly #results: HeldResults;
  readonly #timer: NodeJS.Timeout;
  readonly #values: ValueBlobs;
  readonly #departures: Departures;
  readonly #kills: Kills;
  readonly #startedMs = Date.now();
  /** Commands that wait until those before them are performed. */
  readonly #commands: MasterCommand[] = [];
  #performing = false;
  #url: string;

  constructor(options: MasterShellOptions) {
    this.#url = options.url;
    this.#options = options;
    this.#machine = new MasterMachine(options.machine);
    this.#values = new ValueBlobs(this.blobs, options.valueInlineBytes);
    this.#results = new HeldResults({
      openBlock: options.openBlock,
      worker: (id) => this.#workers.get(id)?.registration,
    });
    this.#desk = new DriverDesk({
      view: this.#machine.view,
      defaults: options.machine,
      blobs: this.blobs,
      eventLogDir: options.eventLogDir,
      timeoutMs: options.driverTimeoutMs,
      now: () => this.#clock.now(),
      url: () => this.#url,
      workers: () => [...this.#workers.values()].map(({ registration }) => registration),
      handle: (event) => this.#handle(event),
      openResult: (worker, key, bytes, signal) => this.#results.open(worker, key, bytes, signal),
      warn: options.log,
    });
    this.#departures = new Departures({
      view: this.#machine.view,
      now: () => this.#clock.now(),
      handle: (event) => this.#handle(event),
      logs: () => [...this.#desk.all].map(({ log }) => log),
      log: options.log,
    });
    this.#kills = new Kills({ desk: this.#desk, view: this.#machine.view, log: options.log });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Emits "worker" whenever a worker has said that it is there. */
  readonly registrations = new EventEmitter();

  get slots(): number {
    return this.#machine.view.slots;
  }

  /** For tests, which hold its state against the world's. */
  get machine(): MasterMachine {
    return this.#machine;
  }

  /** Its URL, once the port that it was given is known. */
  listensAt(url: string): void {
    this.#url = url;
  }

  /** Workers that are connected. */
  get workers(): number {
    return this.#workers.size;
  }

  snapshot(): MasterSnapshot {
    return describeMaster({
      url: this.#url,
      startedMs: this.#startedMs,
      view: this.#machine.view,
      drivers: this.#desk.all,
      nowMs: this.#clock.now(),
    });
  }

  /** Workers that are to go, and those that went. */
  get departures(): Departures {
    return this.#departures;
  }

  /** Sessions and jobs that administrators end. */
  get kills(): Kills {
    return this.#kills;
  }

  acceptDriver(connection: Connection): void {
    this.#desk.accept(connection);
  }

  /** `peer`: the name that the other end has proved; null for a worker of this process. It registers as nobody else. */
  acceptWorker(connection: Connection, peer: string | null): void {
    let registration: WorkerRegistration | null = null;
    connection.onMessage((bytes) => {
      const message = decodeWorkerMessage(bytes);
      if (message.kind === "register") {
        if (peer !== null && message.registration.worker !== peer) {
          this.#refuse(connection, peer, message.registration.worker);
          return;
        }
        registration = message.registration;
        this.#register(connection, registration);
      } else if (registration !== null) {
        this.#fromWorker(registration, message);
      }
    });
    connection.onClose((error) => {
      if (registration === null || this.#workers.get(registration.worker)?.connection !== connection) return;
      this.#workers.delete(registration.worker);
      const { worker, incarnation } = registration;
      this.#options.log(`worker ${worker} disconnected${error === null ? "" : `: ${error.message}`}`);
      this.#handle({ kind: "workerDisconnected", worker, incarnation });
    });
  }

  #refuse(connection: Connection, peer: string, name: string): void {
    const error = new MillraceError("PERMISSION_REFUSED", `worker ${peer} may not register as ${name}`, {
      fields: { peer, name },
    });
    connection.send(encodeMasterToWorker({ kind: "refused", error: toWireError(error) }));
    connection.close();
  }

  /** The process of a worker of ours ended. true: it was to go, and nobody need replace it. */
  workerExited(worker: WorkerId, reason: string, outOfMemory = false): boolean {
    const wasToGo = this.#departures.isLeavingOrLeft(worker);
    const link = this.#workers.get(worker);
    const record = this.#machine.view.workers.find((one) => one.id === worker);
    const registration = link?.registration ?? record?.registration;
    if (registration !== undefined)
      this.#handle({ kind: "workerLost", worker, incarnation: registration.incarnation, reason, outOfMemory });
    return wasToGo;
  }

  /** The process is about to end, and its sessions with it: their event logs say so. */
  endLogs(): Promise<void> {
    return this.#desk.endLogs();
  }

  /** Ends every session with MASTER_LOST and lets the workers go. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const error: WireError = { code: "MASTER_LOST", message: "the master is shutting down", fields: {} };
    await this.#desk.closeAll(error);
    for (const { connection } of this.#workers.values()) connection.close();
  }

  // Workers

  #register(connection: Connection, registration: WorkerRegistration): void {
    if (registration.version !== version) {
      const error = new MillraceError(
        "VERSION_MISMATCH",
        `the worker runs millrace ${registration.version}, the master ${version}`,
        { fields: { worker: registration.version, master: version } },
      );
      connection.send(encodeMasterToWorker({ kind: "refused", error: toWireError(error) }));
      connection.close();
      return;
    }
    const earlier = this.#workers.get(registration.worker);
    this.#workers.set(registration.worker, { connection, registration });
    if (earlier !== undefined && earlier.connection !== connection) earlier.connection.close();
    this.#options.log(`worker ${registration.worker} (${registration.role}, ${registration.slots} slots) registered`);
    for (const { log } of this.#desk.all) log.workerAdded(registration);
    this.#departures.registered(registration.worker);
    this.#handle({ kind: "workerRegistered", registration });
  }

  #fromWorker(
    { worker, incarnation }: WorkerRegistration,
    message: Exclude<WorkerToMaster, { kind: "register" }>,
  ): void {
    switch (message.kind) {
      case "heartbeat":
        this.#handle({
          kind: "heartbeat",
          worker,
          incarnation,
          running: message.running,
          records: message.records,
          diskShort: message.disk?.isShort ?? false,
          memory: {
            rssBytes: message.rssBytes,
            cacheBytes: message.cacheBytes,
            pressure: message.pressure ?? "calm",
            stored: message.stored ?? [],
          },
        });
        // The first one makes the worker's slots count.
        this.registrations.emit("worker");
        return;
      case "statuses":
        for (const status of message.statuses) this.#desk.find(status.key.session)?.log.status(status, worker);
        this.#handle({ kind: "statuses", worker, incarnation, statuses: message.statuses });
        return;
      case "uncached":
        this.#desk.find(message.session)?.log.uncached(worker, message.partitions);
        this.#handle({
          kind: "uncached",
          worker,
          incarnation,
          session: message.session,
          partitions: message.partitions,
        });
        return;
      case "offer":
        this.#handle({ kind: "offered", worker, incarnation, outputs: message.outputs });
        return;
      case "leaving":
        this.#handle({ kind: "workerLeaving", worker, incarnation, reason: message.reason });
        return;
      case "decommission": {
        const { reason, timeoutMs } = message;
        this.#handle({ kind: "workerDecommissions", worker, incarnation, reason, timeoutMs });
        return;
      }
      case "adopted":
        this.#handle({ kind: "adopted", worker, incarnation, from: message.from, outcomes: message.outcomes });
        return;
      case "logs":
        for (const { key, ...line } of message.lines) {
          const { stage, partition } = key;
          const driver = this.#desk.find(key.session);
          driver?.send({ kind: "log", stage, partition, ...line });
          if (line.dropped !== undefined) driver?.log.logsDropped(line.dropped);
        }
    }
  }

  // The machine

  #tick(): void {
    const now = this.#clock.tick();
    this.#run(this.#machine.handle({ kind: "tick" }, now));
    this.#desk.tick(now);
  }

  #handle(event: MasterEvent): void {
    this.#run(this.#machine.handle(event, this.#clock.now()));
  }

  /** In the order of the events: what performing a command brings about comes after the commands that were there before. */
  #run(commands: readonly MasterCommand[]): void {
    for (const command of commands) this.#commands.push(command);
    if (this.#performing) return;
    this.#performing = true;
    try {
      for (let next = 0; next < this.#commands.length; next++) this.#perform(this.#commands[next] as MasterCommand);
    } finally {
      this.#commands.length = 0;
      this.#performing = false;
    }
  }

  #perform(command: MasterCommand): void {
    switch (command.kind) {
      case "send": {
        const { message } = command;
        if (message.kind === "launch")
          for (const launch of message.launches) this.#desk.find(launch.key.session)?.log.launched(launch);
        this.#workers.get(command.worker)?.connection.send(encodeMasterToWorker(this.#values.lighten(message)));
        return;
      }
      case "dropWorker": {
        this.#options.log(`worker ${command.worker} is lost: ${command.reason}`);
        for (const { log } of this.#desk.all) log.workerLost(command.worker, command.reason);
        const link = this.#workers.get(command.worker);
        this.#workers.delete(command.worker);
        link?.connection.close();
        this.#results.workerLost(command.worker, command.reason);
        return;
      }
      case "decommissionStarted":
        return this.#departures.started(command);
      case "decommissionEnded":
        return this.#departures.ended(command);
      case "workerExcluded": {
        const { kind: _, session, ...exclusion } = command;
        const who = exclusion.worker === null ? `node ${exclusion.node}` : `worker ${exclusion.worker}`;
        this.#options.log(`${who} is excluded (${exclusion.scope}, session ${session}): ${exclusion.reason}`);
        const mine = this.#desk.find(session);
        const links = exclusion.scope === "cluster" ? this.#desk.all : mine === undefined ? [] : [mine];
        for (const { log } of links) log.workerExcluded(exclusion);
        return;
      }
      case "deliver":
        this.#desk.find(command.session)?.deliver(command);
        return;
      case "restartResults":
        this.#desk.find(command.session)?.restartResults(command.job);
        return;
      case "accumulators": {
        const { session, job, updates } = command;
        this.#desk.find(session)?.send({ kind: "accumulators", job, updates });
        return;
      }
      case "stagePlanned":
        this.#desk.find(command.session)?.log.stagePlanned(command);
        return;
      case "jobEnded":
        this.#releaseValues(command.session, command.job);
        this.#desk.jobEnded(command.session, command.job, command.error, command.summary);
        return;
      case "commitOutput":
        void this.#commit(command.session, command.job, command.files);
        return;
      case "abortOutput":
        void this.#desk.findEnding(command.session)?.host.abort(command.job);
        return;
      case "fetchValue":
        void this.#fetchValue(command.key, command.worker, command.bytes);
    }
  }

  #releaseValues(session: SessionId, job: JobId): void {
    const hashes = this.#values.release(session, job);
    if (hashes.length > 0) this.#handle({ kind: "blobsReleased", hashes });
  }

  async #commit(
    session: SessionId,
    job: JobId,
    files: readonly { readonly pending: string; readonly final: string }[],
  ): Promise<void> {
    const error = (await this.#desk.find(session)?.host.commit(job, files)) ?? null;
    this.#handle({ kind: "outputCommitted", session, job, error });
  }

  async #fetchValue(key: TaskKey, worker: WorkerId, bytes: number): Promise<void> {
    try {
      this.#handle({ kind: "valueFetched", key, bytes: await this.#results.fetch(worker, key, bytes) });
    } catch (error) {
      this.#options.log(
        `the value ${key.session}/${key.stage}/${key.partition} could not be fetched from ${worker}: ${(error as Error).message}`,
      );
      this.#handle({ kind: "valueFetched", key, bytes: null });
    }
  }

  /** A blob for a worker. Throws PROTOCOL_ERROR for one that nobody owns. */
  readBlob(hash: BlobHash): Uint8Array {
    const bytes = this.blobs.get(hash);
    if (bytes === undefined)
      throw new MillraceError("PROTOCOL_ERROR", `the master has no blob ${hash}`, { fields: { hash } });
    return bytes;
  }
}
