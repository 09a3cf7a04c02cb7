// The master's shell: puts the machine and what is around it together, is what servers and embedding programs call, and gives
// the machine its events and its time. Messages come in at the desks of drivers and workers; what the machine commands, the
// performer does. No policy stands here.

import type { EventEmitter } from "node:events";
import { MillraceError, type WireError } from "../core/errors.js";
import type { BlobHash, WorkerId } from "../core/ids.js";
import { SteadyClock } from "../core/steady-clock.js";
import type { Connection } from "../rpc/index.js";
import { BlobStore } from "./blob-store.js";
import { CommandPerformer } from "./command-performer.js";
import { MasterMachine } from "./core.js";
import { Departures } from "./departures.js";
import { DriverDesk } from "./driver-desk.js";
import { type MasterEvent, TICK_MS } from "./events.js";
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
  /** For tests, which hold its state against the world's. */
  readonly machine: MasterMachine;
  /** Workers that are to go, and those that went. */
  readonly departures: Departures;
  /** Sessions and jobs that administrators end. */
  readonly kills: Kills;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #drivers: DriverDesk;
  readonly #workers: WorkerDesk;
  readonly #performer: CommandPerformer;
  readonly #timer: NodeJS.Timeout;
  readonly #startedMs = Date.now();
  #url: string;

  constructor(options: MasterShellOptions) {
    const { openBlock, log } = options;
    const machine = new MasterMachine(options.machine);
    const { view } = machine;
    const now = (): number => this.#clock.now();
    const handle = (event: MasterEvent): void => this.#handle(event);
    const values = new ValueBlobs(this.blobs, options.valueInlineBytes);
    const results = new HeldResults({ openBlock, worker: (id) => this.#workers.find(id) });
    const drivers = new DriverDesk({
      view,
      defaults: options.machine,
      blobs: this.blobs,
      eventLogDir: options.eventLogDir,
      timeoutMs: options.driverTimeoutMs,
      now,
      url: () => this.#url,
      workers: () => this.#workers.all,
      handle,
      openResult: (worker, key, bytes, signal) => results.open(worker, key, bytes, signal),
      warn: log,
    });
    const logs = () => [...drivers.all].map((driver) => driver.log);
    const departures = new Departures({ view, now, handle, logs, log });
    const workers = new WorkerDesk({ drivers, departures, values, handle, log });
    this.#url = options.url;
    this.machine = machine;
    this.departures = departures;
    this.kills = new Kills({ drivers, view, log });
    this.#drivers = drivers;
    this.#workers = workers;
    this.#performer = new CommandPerformer({ drivers, workers, departures, results, values, handle, log });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Emits "worker" whenever a worker has said that it is there. */
  get registrations(): EventEmitter {
    return this.#workers.registrations;
  }

  get slots(): number {
    return this.machine.view.slots;
  }

  /** Its URL, once the port that it was given is known. */
  listensAt(url: string): void {
    this.#url = url;
  }

  snapshot(): MasterSnapshot {
    return describeMaster({
      url: this.#url,
      startedMs: this.#startedMs,
      view: this.machine.view,
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

  /** A blob for a worker. Throws PROTOCOL_ERROR for one that nobody owns. */
  readBlob(hash: BlobHash): Uint8Array {
    const bytes = this.blobs.get(hash);
    if (bytes === undefined)
      throw new MillraceError("PROTOCOL_ERROR", `the master has no blob ${hash}`, { fields: { hash } });
    return bytes;
  }

  /** The process of a worker of ours ended. true: it was to go, and nobody need replace it. */
  workerExited(worker: WorkerId, reason: string, outOfMemory = false): boolean {
    const wasToGo = this.departures.isLeavingOrLeft(worker);
    const record = this.machine.view.workers.find((one) => one.id === worker);
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
    this.#performer.perform(this.machine.handle({ kind: "tick" }, now));
    this.#drivers.tick(now);
  }

  #handle(event: MasterEvent): void {
    this.#performer.perform(this.machine.handle(event, this.#clock.now()));
  }
}
