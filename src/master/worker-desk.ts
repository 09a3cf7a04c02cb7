// Every worker that is connected: takes their registrations, turns their messages into events of the machine, lines of the
// sessions' event logs and printed lines for drivers, and carries what the machine says to them. Who is lost the machine decides.

import { EventEmitter } from "node:events";
import { MillraceError, toWireError } from "../core/errors.js";
import type { WorkerId } from "../core/ids.js";
import { version } from "../core/version.js";
import type { MasterToWorker, WorkerRegistration, WorkerToMaster } from "../protocol/worker.js";
import { type Connection, decodeWorkerMessage, encodeMasterToWorker } from "../rpc/index.js";
import type { Departures } from "./departures.js";
import type { DriverDesk } from "./driver-desk.js";
import type { MasterEvent } from "./events.js";
import type { ValueBlobs } from "./value-blobs.js";

export interface WorkerDeskParts {
  readonly drivers: DriverDesk;
  readonly departures: Departures;
  readonly values: ValueBlobs;
  /** Tells the machine. */
  handle(event: MasterEvent): void;
  log(message: string): void;
}

interface WorkerLink {
  readonly connection: Connection;
  readonly registration: WorkerRegistration;
}

export class WorkerDesk {
  /** Emits "worker" whenever a worker has said that it is there. */
  readonly registrations = new EventEmitter();
  readonly #parts: WorkerDeskParts;
  readonly #links = new Map<WorkerId, WorkerLink>();

  constructor(parts: WorkerDeskParts) {
    this.#parts = parts;
  }

  /** Workers that are connected. */
  get all(): WorkerRegistration[] {
    return [...this.#links.values()].map(({ registration }) => registration);
  }

  find(worker: WorkerId): WorkerRegistration | undefined {
    return this.#links.get(worker)?.registration;
  }

  /** `peer`: the name that the other end has proved; null for a worker of this process. It registers as nobody else. */
  accept(connection: Connection, peer: string | null): void {
    let registration: WorkerRegistration | null = null;
    connection.onMessage((bytes) => {
      const message = decodeWorkerMessage(bytes);
      if (message.kind === "register") {
        if (peer !== null && message.registration.worker !== peer) {
          refuse(connection, anotherName(peer, message.registration.worker));
          return;
        }
        registration = message.registration;
        this.#register(connection, registration);
      } else if (registration !== null) {
        this.#receive(registration, message);
      }
    });
    connection.onClose((error) => {
      if (registration === null || this.#links.get(registration.worker)?.connection !== connection) return;
      this.#links.delete(registration.worker);
      const { worker, incarnation } = registration;
      this.#parts.log(`worker ${worker} disconnected${error === null ? "" : `: ${error.message}`}`);
      this.#parts.handle({ kind: "workerDisconnected", worker, incarnation });
    });
  }

  /** Large values in it go as blobs. To one that is not connected nothing is sent. */
  send(worker: WorkerId, message: MasterToWorker): void {
    this.#links.get(worker)?.connection.send(encodeMasterToWorker(this.#parts.values.lighten(message)));
  }

  /** It is not counted on any more: its connection ends, and nobody hears of that. */
  drop(worker: WorkerId): void {
    const link = this.#links.get(worker);
    this.#links.delete(worker);
    link?.connection.close();
  }

  /** Lets all of them go. */
  close(): void {
    for (const { connection } of this.#links.values()) connection.close();
  }

  #register(connection: Connection, registration: WorkerRegistration): void {
    const { worker, role, slots } = registration;
    const { drivers, departures, handle, log } = this.#parts;
    if (registration.version !== version) {
      refuse(connection, anotherVersion(registration.version));
      return;
    }
    const earlier = this.#links.get(worker);
    this.#links.set(worker, { connection, registration });
    if (earlier !== undefined && earlier.connection !== connection) earlier.connection.close();
    log(`worker ${worker} (${role}, ${slots} slots) registered`);
    for (const driver of drivers.all) driver.log.workerAdded(registration);
    departures.registered(worker);
    handle({ kind: "workerRegistered", registration });
  }

  #receive(
    { worker, incarnation }: WorkerRegistration,
    message: Exclude<WorkerToMaster, { readonly kind: "register" }>,
  ): void {
    const { drivers, handle } = this.#parts;
    switch (message.kind) {
      case "heartbeat":
        handle({
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
        for (const status of message.statuses) drivers.find(status.key.session)?.log.status(status, worker);
        handle({ kind: "statuses", worker, incarnation, statuses: message.statuses });
        return;
      case "uncached": {
        const { session, partitions } = message;
        drivers.find(session)?.log.uncached(worker, partitions);
        handle({ kind: "uncached", worker, incarnation, session, partitions });
        return;
      }
      case "offer":
        handle({ kind: "offered", worker, incarnation, outputs: message.outputs });
        return;
      case "leaving":
        handle({ kind: "workerLeaving", worker, incarnation, reason: message.reason });
        return;
      case "decommission": {
        const { reason, timeoutMs } = message;
        handle({ kind: "workerDecommissions", worker, incarnation, reason, timeoutMs });
        return;
      }
      case "adopted":
        handle({ kind: "adopted", worker, incarnation, from: message.from, outcomes: message.outcomes });
        return;
      case "logs":
        for (const { key, ...line } of message.lines) {
          const { stage, partition } = key;
          const driver = drivers.find(key.session);
          driver?.send({ kind: "log", stage, partition, ...line });
          if (line.dropped !== undefined) driver?.log.logsDropped(line.dropped);
        }
    }
  }
}

function refuse(connection: Connection, error: MillraceError): void {
  connection.send(encodeMasterToWorker({ kind: "refused", error: toWireError(error) }));
  connection.close();
}

function anotherName(peer: string, name: string): MillraceError {
  return new MillraceError("PERMISSION_REFUSED", `worker ${peer} may not register as ${name}`, {
    fields: { peer, name },
  });
}

function anotherVersion(worker: string): MillraceError {
  return new MillraceError("VERSION_MISMATCH", `the worker runs millrace ${worker}, the master ${version}`, {
    fields: { worker, master: version },
  });
}
