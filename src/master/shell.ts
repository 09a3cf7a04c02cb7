// The master's shell: holds the connections of drivers and workers, turns their messages into events of the machine and the
// machine's commands into messages, files and pulls. No policy stands here.

import type { EventEmitter } from "node:events";
import { MillraceError, type WireError } from "../core/errors.js";
import type { BlobHash, JobId, SessionId, TaskKey, WorkerId } from "../core/ids.js";
import { SteadyClock } from "../core/steady-clock.js";
import type { Connection } from "../rpc/index.js";
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
import { WorkerDesk } from "./worker-desk.js";

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

export class MasterShell {
  readonly blobs = new BlobStore();
  /** Workers that are to go, and those that went. */
  readonly departures: Departures;
  /** Sessions and jobs that administrators end. */
  readonly kills: Kills;
  readonly #options: MasterShellOptions;
  readonly #machine: MasterMachine;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #drivers: DriverDesk;
  readonly #workers: WorkerDesk;
  readonly #results: HeldResults;
  readonly #timer: NodeJS.Timeout;
  readonly #values: ValueBlobs;
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
      worker: (id) => this.#workers.find(id),
    });
    this.#drivers = new DriverDesk({
      view: this.#machine.view,
      defaults: options.machine,
      blobs: this.blobs,
      eventLogDir: options.eventLogDir,
      timeoutMs: options.driverTimeoutMs,
      now: () => this.#clock.now(),
      url: () => this.#url,
      workers: () => this.#workers.all,
      handle: (event) => this.#handle(event),
      openResult: (worker, key, bytes, signal) => this.#results.open(worker, key, bytes, signal),
      warn: options.log,
    });
    this.departures = new Departures({
      view: this.#machine.view,
      now: () => this.#clock.now(),
      handle: (event) => this.#handle(event),
      logs: () => [...this.#drivers.all].map(({ log }) => log),
      log: options.log,
    });
    this.#workers = new WorkerDesk({
      drivers: this.#drivers,
      departures: this.departures,
      values: this.#values,
      handle: (event) => this.#handle(event),
      log: options.log,
    });
    this.kills = new Kills({ drivers: this.#drivers, view: this.#machine.view, log: options.log });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Emits "worker" whenever a worker has said that it is there. */
  get registrations(): EventEmitter {
    return this.#workers.registrations;
  }

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

  snapshot(): MasterSnapshot {
    return describeMaster({
      url: this.#url,
      startedMs: this.#startedMs,
      view: this.#machine.view,
      drivers: this.#drivers.all,
      nowMs: this.#clock.now(),
    });
  }

  acceptDriver(connection: Connection): void {
    this.#drivers.accept(connection);
  }

  /** `peer`: the name that the other end has proved; null for a worker of this process. It registers as nobody else. */
  acceptWorker(connection: Connection, peer: string | null): void {
    this.#workers.accept(connection, peer);
  }

  /** The process of a worker of ours ended. true: it was to go, and nobody need replace it. */
  workerExited(worker: WorkerId, reason: string, outOfMemory = false): boolean {
    const wasToGo = this.departures.isLeavingOrLeft(worker);
    const record = this.#machine.view.workers.find((one) => one.id === worker);
    const registration = this.#workers.find(worker) ?? record?.registration;
    if (registration !== undefined)
      this.#handle({ kind: "workerLost", worker, incarnation: registration.incarnation, reason, outOfMemory });
    return wasToGo;
  }

  /** The process is about to end, and its sessions with it: their event logs say so. */
  endLogs(): Promise<void> {
    return this.#drivers.endLogs();
  }

  /** Ends every session with MASTER_LOST and lets the workers go. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const error: WireError = { code: "MASTER_LOST", message: "the master is shutting down", fields: {} };
    await this.#drivers.closeAll(error);
    this.#workers.close();
  }

  #tick(): void {
    const now = this.#clock.tick();
    this.#run(this.#machine.handle({ kind: "tick" }, now));
    this.#drivers.tick(now);
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
          for (const launch of message.launches) this.#drivers.find(launch.key.session)?.log.launched(launch);
        this.#workers.send(command.worker, message);
        return;
      }
      case "dropWorker": {
        this.#options.log(`worker ${command.worker} is lost: ${command.reason}`);
        for (const { log } of this.#drivers.all) log.workerLost(command.worker, command.reason);
        this.#workers.drop(command.worker);
        this.#results.workerLost(command.worker, command.reason);
        return;
      }
      case "decommissionStarted":
        return this.departures.started(command);
      case "decommissionEnded":
        return this.departures.ended(command);
      case "workerExcluded": {
        const { kind: _, session, ...exclusion } = command;
        const who = exclusion.worker === null ? `node ${exclusion.node}` : `worker ${exclusion.worker}`;
        this.#options.log(`${who} is excluded (${exclusion.scope}, session ${session}): ${exclusion.reason}`);
        const mine = this.#drivers.find(session);
        const links = exclusion.scope === "cluster" ? this.#drivers.all : mine === undefined ? [] : [mine];
        for (const { log } of links) log.workerExcluded(exclusion);
        return;
      }
      case "deliver":
        this.#drivers.find(command.session)?.deliver(command);
        return;
      case "restartResults":
        this.#drivers.find(command.session)?.restartResults(command.job);
        return;
      case "accumulators": {
        const { session, job, updates } = command;
        this.#drivers.find(session)?.send({ kind: "accumulators", job, updates });
        return;
      }
      case "stagePlanned":
        this.#drivers.find(command.session)?.log.stagePlanned(command);
        return;
      case "jobEnded":
        this.#releaseValues(command.session, command.job);
        this.#drivers.jobEnded(command.session, command.job, command.error, command.summary);
        return;
      case "commitOutput":
        void this.#commit(command.session, command.job, command.files);
        return;
      case "abortOutput":
        void this.#drivers.findEnding(command.session)?.host.abort(command.job);
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
    const error = (await this.#drivers.find(session)?.host.commit(job, files)) ?? null;
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
