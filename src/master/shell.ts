// The master's shell: holds the connections of drivers and workers, turns their messages into events of the machine and the
// machine's commands into messages, files and pulls. No policy stands here.

import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { systemClock } from "../core/clock.js";
import { isMillraceError, MillraceError, toWireError, type WireError } from "../core/errors.js";
import { type BlobHash, type JobId, type SessionId, sessionId, type TaskKey, type WorkerId } from "../core/ids.js";
import { SteadyClock } from "../core/steady-clock.js";
import { version } from "../core/version.js";
import type { BlockRequest } from "../protocol/blocks.js";
import type { DriverToMaster, JobSummary, MasterToDriver } from "../protocol/driver.js";
import type { TaskResult } from "../protocol/tasks.js";
import type { WorkerRegistration, WorkerToMaster } from "../protocol/worker.js";
import {
  type Connection,
  decodeDriverMessage,
  decodeWorkerMessage,
  encodeMasterToDriver,
  encodeMasterToWorker,
} from "../rpc/index.js";
import { BlobStore } from "./blob-store.js";
import { MasterMachine } from "./core.js";
import { type MasterCommand, type MasterEvent, TICK_MS } from "./events.js";
import { type MasterOptions, sessionPolicyOf } from "./options.js";
import { type ResultPart, ResultRelay } from "./results/result-relay.js";
import { SessionHost } from "./session-host.js";
import { SessionLog } from "./session-log.js";
import { describeMaster, type MasterSnapshot } from "./snapshot.js";
import { ValueBlobs } from "./value-blobs.js";

export interface MasterShellOptions {
  readonly machine: MasterOptions;
  /** The master's URL, for events and messages. */
  readonly url: string;
  /** Directory of event logs; null: none are kept. */
  readonly eventLogDir: string | null;
  /** Opens bytes that a worker serves. */
  readonly openBlock: (
    worker: WorkerRegistration,
    request: BlockRequest,
    signal: AbortSignal,
  ) => AsyncIterable<Uint8Array>;
  /** A driver whose connection is silent for so long is gone. */
  readonly driverTimeoutMs: number;
  readonly log: (message: string) => void;
}

interface DriverRecord {
  readonly connection: Connection;
  readonly host: SessionHost;
  readonly log: SessionLog;
  readonly relays: Map<JobId, ResultRelay>;
  readonly openedMs: number;
  heardMs: number;
}

interface WorkerLink {
  readonly connection: Connection;
  readonly registration: WorkerRegistration;
}

/** How often a driver's service thread says that it is there. */
const DRIVER_HEARTBEAT_MS = 2_000;

export class MasterShell {
  readonly blobs = new BlobStore();
  readonly #options: MasterShellOptions;
  readonly #machine: MasterMachine;
  readonly #clock = new SteadyClock(TICK_MS, () => performance.now());
  readonly #drivers = new Map<SessionId, DriverRecord>();
  readonly #workers = new Map<WorkerId, WorkerLink>();
  readonly #timer: NodeJS.Timeout;
  readonly #values = new ValueBlobs(this.blobs);
  readonly #startedMs = Date.now();
  #sessions = 0;

  #url: string;

  constructor(options: MasterShellOptions) {
    this.#url = options.url;
    this.#options = options;
    this.#machine = new MasterMachine(options.machine);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Emits "worker" whenever a worker has said that it is there. */
  readonly registrations = new EventEmitter();

  get slots(): number {
    return this.#machine.slots;
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
    const sessions = [...this.#drivers.values()].map(({ host, openedMs }) => ({
      id: host.id,
      appName: host.settings.appName,
      openedMs,
      jobs: this.#machine.liveJobs(host.id),
      stages: this.#machine.progress(host.id),
    }));
    return describeMaster({
      url: this.#url,
      version,
      startedMs: this.#startedMs,
      sessions,
      workers: this.#machine.workers,
    });
  }

  acceptDriver(connection: Connection): void {
    let record: DriverRecord | null = null;
    connection.onMessage((bytes) => {
      try {
        const message = decodeDriverMessage(bytes);
        if (record === null) record = this.#openSession(connection, message);
        else this.#fromDriver(record, message);
      } catch (error) {
        this.#refuseDriver(connection, error);
      }
    });
    connection.onClose((error) => {
      if (record !== null)
        void this.#closeSession(
          record,
          toWireError(error ?? new MillraceError("JOB_CANCELLED", "the driver closed its session")),
        );
    });
  }

  acceptWorker(connection: Connection): void {
    let registration: WorkerRegistration | null = null;
    connection.onMessage((bytes) => {
      const message = decodeWorkerMessage(bytes);
      if (message.kind === "register") {
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

  /** The process of a worker of ours ended. */
  workerExited(worker: WorkerId, reason: string): void {
    const link = this.#workers.get(worker);
    const record = this.#machine.workers.find((one) => one.id === worker);
    const registration = link?.registration ?? record?.registration;
    if (registration !== undefined)
      this.#handle({ kind: "workerLost", worker, incarnation: registration.incarnation, reason });
  }

  /** Ends every session with MASTER_LOST and lets the workers go. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const error: WireError = { code: "MASTER_LOST", message: "the master is shutting down", fields: {} };
    await Promise.all([...this.#drivers.values()].map((record) => this.#closeSession(record, error)));
    for (const { connection } of this.#workers.values()) {
      connection.send(encodeMasterToWorker({ kind: "shutdown", reason: "the master is shutting down" }));
      connection.close();
    }
  }

  // Drivers

  #openSession(connection: Connection, message: DriverToMaster): DriverRecord {
    if (message.kind !== "open")
      throw new MillraceError("PROTOCOL_ERROR", `a driver's first message is ${message.kind}, expected open`);
    const { settings } = message;
    if (settings.version !== version) {
      throw new MillraceError(
        "VERSION_MISMATCH",
        `the driver runs millrace ${settings.version}, the master ${version}`,
        { fields: { driver: settings.version, master: version } },
      );
    }
    const id = sessionId(`s${++this.#sessions}-${Date.now().toString(36)}-${randomBytes(3).toString("hex")}`);
    const host = new SessionHost(id, settings, {
      handle: (event) => this.#handle(event),
      putBlob: (hash, bytes) => this.blobs.put(id, hash, bytes),
      warn: (message) => this.#options.log(message),
      refused: (job, error) => this.#jobEnded(id, job, error, emptySummary),
      prepared: (_job, submit, graph) => log.jobStarted(submit, graph),
    });
    const log = this.#openLog(id, settings.options["eventLog.enabled"] !== false, settings.options["eventLog.dir"]);
    log.started(id, this.#url, settings);
    for (const { registration } of this.#workers.values()) log.workerAdded(registration);
    const record: DriverRecord = {
      connection,
      host,
      log,
      relays: new Map(),
      openedMs: Date.now(),
      heardMs: this.#clock.now(),
    };
    this.#drivers.set(id, record);
    this.#handle({
      kind: "sessionOpened",
      session: id,
      policy: sessionPolicyOf(settings.options, this.#options.machine),
    });
    this.#toDriver(record, {
      kind: "opened",
      session: id,
      slots: this.#machine.slots,
      heartbeatMs: DRIVER_HEARTBEAT_MS,
    });
    return record;
  }

  #openLog(session: SessionId, enabled: boolean, directory: unknown): SessionLog {
    const chosen = typeof directory === "string" ? directory : this.#options.eventLogDir;
    if (!enabled || this.#options.eventLogDir === null || chosen === null) return new SessionLog(null);
    return new SessionLog({
      directory: chosen,
      session,
      clock: systemClock,
      onError: (error, path) =>
        this.#options.log(`the event log ${path} cannot be written: ${(error as Error).message}`),
    });
  }

  #refuseDriver(connection: Connection, error: unknown): void {
    const wire = toWireError(error, "PROTOCOL_ERROR");
    connection.send(encodeMasterToDriver({ kind: "refused", error: wire }));
    connection.close();
  }

  #fromDriver(record: DriverRecord, message: DriverToMaster): void {
    const { host } = record;
    record.heardMs = this.#clock.now();
    switch (message.kind) {
      case "open":
        throw new MillraceError("PROTOCOL_ERROR", "the session is open already");
      case "blob":
        return this.blobs.append(host.id, message.hash, message.bytes, message.last);
      case "submit":
        return host.submit(message);
      case "countPartitions":
        host.countPartitions(message.nodes, message.node).then(
          (count) => this.#toDriver(record, { kind: "partitions", request: message.request, count, error: null }),
          (error) =>
            this.#toDriver(record, {
              kind: "partitions",
              request: message.request,
              count: null,
              error: toWireError(error),
            }),
        );
        return;
      case "cancel":
        return host.cancel(message.job, message.reason);
      case "acknowledge":
        record.relays.get(message.job)?.acknowledge(message.bytes);
        return;
      case "persist":
        return host.persist(message.node, message.level);
      case "releaseNodes":
        return host.releaseNodes(message.nodes);
      case "releaseBlob":
        if (message.scope === "everywhere") this.blobs.remove(host.id, message.hash);
        return this.#handle({ kind: "blobsReleased", hashes: [message.hash] });
      case "heartbeat":
        return;
      case "close":
        void this.#closeSession(record, { code: "JOB_CANCELLED", message: "the session was stopped", fields: {} }).then(
          () => record.connection.close(),
        );
    }
  }

  async #closeSession(record: DriverRecord, error: WireError): Promise<void> {
    const { id } = record.host;
    if (!this.#drivers.delete(id)) return;
    for (const relay of record.relays.values()) relay.close();
    this.#closing.set(id, record);
    this.#handle({ kind: "sessionClosed", session: id, error });
    await record.host.close();
    this.#closing.delete(id);
    const hashes = this.blobs.release(id);
    if (hashes.length > 0) this.#handle({ kind: "blobsReleased", hashes });
    record.log.ended(error.code === "JOB_CANCELLED" ? null : error);
    this.#toDriver(record, { kind: "closed", error: error.code === "JOB_CANCELLED" ? null : error });
  }

  /** Sessions whose end is under way: their last commands still find them. */
  readonly #closing = new Map<SessionId, DriverRecord>();

  #toDriver(record: DriverRecord, message: MasterToDriver): void {
    record.connection.send(encodeMasterToDriver(message));
  }

  #jobEnded(session: SessionId, job: JobId, error: WireError | null, summary: JobSummary): void {
    const record = this.#drivers.get(session) ?? this.#closing.get(session);
    if (record === undefined) return;
    const relay = record.relays.get(job);
    const tell = (): void => {
      relay?.close();
      record.relays.delete(job);
      record.host.forget(job);
      record.log.jobEnded(job, error, summary.elapsedMs);
      this.#toDriver(record, { kind: "jobEnded", job, error, summary });
    };
    // The end comes after the results; a failed job's results nobody wants, but its output is gone when its end is told.
    if (error !== null) {
      const cleaning = record.host.outputWork(job);
      if (cleaning === null) tell();
      else void cleaning.then(tell);
    } else if (relay === undefined) tell();
    else relay.whenDrained(tell);
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
    for (const { log } of this.#drivers.values()) log.workerAdded(registration);
    this.#handle({ kind: "workerRegistered", registration });
  }

  #fromWorker(
    { worker, incarnation }: WorkerRegistration,
    message: Exclude<WorkerToMaster, { kind: "register" }>,
  ): void {
    switch (message.kind) {
      case "heartbeat":
        this.#handle({ kind: "heartbeat", worker, incarnation, running: message.running });
        // The first one makes the worker's slots count.
        this.registrations.emit("worker");
        return;
      case "statuses":
        for (const status of message.statuses) this.#drivers.get(status.key.session)?.log.status(status, worker);
        return this.#handle({ kind: "statuses", worker, incarnation, statuses: message.statuses });
      case "uncached":
        return this.#handle({
          kind: "uncached",
          worker,
          incarnation,
          session: message.session,
          partitions: message.partitions,
        });
      case "leaving":
        return this.#handle({ kind: "workerLeaving", worker, incarnation, reason: message.reason });
      case "logs":
        for (const { key, stream, text } of message.lines) {
          const record = this.#drivers.get(key.session);
          if (record !== undefined)
            this.#toDriver(record, { kind: "log", stage: key.stage, partition: key.partition, stream, text });
        }
        if (message.dropped > 0) for (const { log } of this.#drivers.values()) log.logsDropped(message.dropped);
    }
  }

  // The machine

  #tick(): void {
    const now = this.#clock.tick();
    this.#run(this.#machine.handle({ kind: "tick" }, now));
    for (const record of [...this.#drivers.values()]) {
      if (now - record.heardMs > this.#options.driverTimeoutMs) {
        const error = new MillraceError(
          "TIMEOUT",
          `nothing was heard of the driver for ${this.#options.driverTimeoutMs} ms`,
        );
        void this.#closeSession(record, toWireError(error)).then(() => record.connection.close());
        continue;
      }
      const stages = this.#machine.progress(record.host.id);
      if (stages.length > 0)
        this.#toDriver(record, {
          kind: "progress",
          stages: stages.map((stage) => ({ ...stage, startedMs: Date.now() - (now - stage.startedMs) })),
        });
    }
  }

  #handle(event: MasterEvent): void {
    this.#run(this.#machine.handle(event, this.#clock.now()));
  }

  #run(commands: readonly MasterCommand[]): void {
    for (const command of commands) this.#perform(command);
  }

  #perform(command: MasterCommand): void {
    switch (command.kind) {
      case "send": {
        const { message } = command;
        if (message.kind === "launch")
          for (const launch of message.launches) this.#drivers.get(launch.key.session)?.log.launched(launch);
        this.#workers.get(command.worker)?.connection.send(encodeMasterToWorker(this.#values.lighten(message)));
        return;
      }
      case "dropWorker": {
        this.#options.log(`worker ${command.worker} is lost: ${command.reason}`);
        for (const { log } of this.#drivers.values()) log.workerLost(command.worker, command.reason);
        const link = this.#workers.get(command.worker);
        this.#workers.delete(command.worker);
        link?.connection.close();
        return;
      }
      case "deliver":
        return this.#deliver(command);
      case "accumulators": {
        const record = this.#drivers.get(command.session);
        if (record !== undefined)
          this.#toDriver(record, { kind: "accumulators", job: command.job, updates: command.updates });
        return;
      }
      case "jobEnded":
        this.#releaseValues(command.session, command.job);
        return this.#jobEnded(command.session, command.job, command.error, command.summary);
      case "commitOutput":
        void this.#commit(command.session, command.job, command.files);
        return;
      case "abortOutput":
        void (this.#drivers.get(command.session) ?? this.#closing.get(command.session))?.host.abort(command.job);
        return;
      case "fetchValue":
        void this.#fetchValue(command.key, command.worker);
    }
  }

  #releaseValues(session: SessionId, job: JobId): void {
    const hashes = this.#values.release(session, job);
    // After the commands of the event that ended the job.
    if (hashes.length > 0) queueMicrotask(() => this.#handle({ kind: "blobsReleased", hashes }));
  }

  async #commit(
    session: SessionId,
    job: JobId,
    files: readonly { readonly pending: string; readonly final: string }[],
  ): Promise<void> {
    const error = (await this.#drivers.get(session)?.host.commit(job, files)) ?? null;
    this.#handle({ kind: "outputCommitted", session, job, error });
  }

  async #fetchValue(key: TaskKey, worker: WorkerId): Promise<void> {
    const parts: Uint8Array[] = [];
    try {
      for await (const part of this.#openResult(worker, key, AbortSignal.timeout(VALUE_TIMEOUT_MS)))
        parts.push(Uint8Array.from(part));
      this.#handle({ kind: "valueFetched", key, bytes: Buffer.concat(parts) });
    } catch (error) {
      this.#options.log(
        `the value ${key.session}/${key.stage}/${key.partition} could not be fetched from ${worker}: ${(error as Error).message}`,
      );
      this.#handle({ kind: "valueFetched", key, bytes: null });
    }
  }

  #deliver({ session, job, partition, key, worker, result }: MasterCommand & { kind: "deliver" }): void {
    const record = this.#drivers.get(session);
    if (record === undefined) return;
    let relay = record.relays.get(job);
    if (relay === undefined) {
      relay = new ResultRelay(job, {
        send: (message) => this.#toDriver(record, message),
        onDelivered: (delivered) => this.#handle({ kind: "resultDelivered", session, job, partition: delivered }),
        onLost: (lost, error) => {
          this.#options.log(
            `the result ${session}/${job}/${lost} is lost: ${isMillraceError(error) ? error.code : String(error)}`,
          );
          this.#handle({ kind: "resultLost", session, job, partition: lost });
        },
        onChanged: (changed) => this.#handle({ kind: "jobBroken", session, job, error: resultChanged(job, changed) }),
      });
      record.relays.set(job, relay);
    }
    relay.push(toPart(partition, result, (signal) => this.#openResult(worker, key, signal)));
  }

  #openResult(worker: WorkerId, key: TaskKey, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const registration = this.#workers.get(worker)?.registration;
    if (registration === undefined)
      throw new MillraceError("WORKER_LOST", `worker ${worker}, which holds a result, is gone`, { fields: { worker } });
    return this.#options.openBlock(registration, { kind: "result", key }, signal);
  }

  /** A blob for a worker. Throws PROTOCOL_ERROR for one that nobody owns. */
  readBlob(hash: BlobHash): Uint8Array {
    const bytes = this.blobs.get(hash);
    if (bytes === undefined)
      throw new MillraceError("PROTOCOL_ERROR", `the master has no blob ${hash}`, { fields: { hash } });
    return bytes;
  }
}

function resultChanged(job: JobId, partition: number): WireError {
  const message = `job ${job} failed: the worker that held the result of partition ${partition} was lost after the driver had received part of it, and the partition computed anew gave other bytes. Make the functions of the job deterministic (no Math.random, Date.now or state of their own), or run it again`;
  const { stack: _, ...error } = toWireError(new MillraceError("JOB_FAILED", message, { fields: { job, partition } }));
  return error;
}

const VALUE_TIMEOUT_MS = 60_000;

const emptySummary: JobSummary = {
  stages: 0,
  tasks: 0,
  failedAttempts: 0,
  elapsedMs: 0,
  shuffleBytes: 0,
  spillBytes: 0,
  workers: [],
};

function toPart(
  partition: number,
  result: TaskResult,
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
): ResultPart {
  if (result.kind === "block") return { partition, records: result.records, open };
  const inline = result.kind === "inline" ? result.bytes : new Uint8Array(0);
  return { partition, records: result.kind === "inline" ? result.records : 0, inline, open };
}
