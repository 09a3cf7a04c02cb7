// Every driver that is connected: opens their sessions, turns their messages into work of the session's host and events of the
// machine, notices the silent ones, and closes sessions so that nothing of them stays.

import { randomBytes } from "node:crypto";
import { systemClock } from "../core/clock.js";
import { MillraceError, toWireError, type WireError } from "../core/errors.js";
import { type JobId, type SessionId, sessionId, type TaskKey, type WorkerId } from "../core/ids.js";
import { parsePools } from "../core/scheduler-pools.js";
import { noMetrics } from "../core/task-metrics.js";
import { version } from "../core/version.js";
import type { DriverToMaster, JobSummary, SessionSettings } from "../protocol/driver.js";
import type { WorkerRegistration } from "../protocol/worker.js";
import { type Connection, decodeDriverMessage, encodeMasterToDriver } from "../rpc/index.js";
import type { BlobStore } from "./blob-store.js";
import { DriverLink } from "./driver-link.js";
import type { MasterEvent } from "./events.js";
import type { MasterView } from "./machine/view.js";
import { type MasterOptions, sessionPolicyOf } from "./options.js";
import { SessionHost } from "./session-host.js";
import { SessionLog } from "./session-log.js";

export interface DriverDeskParts {
  readonly view: MasterView;
  readonly defaults: MasterOptions;
  readonly blobs: BlobStore;
  /** Directory of event logs; null: none are kept. */
  readonly eventLogDir: string | null;
  /** A driver whose connection is silent for so long is gone. */
  readonly timeoutMs: number;
  now(): number;
  url(): string;
  /** Workers that are connected. */
  workers(): Iterable<WorkerRegistration>;
  handle(event: MasterEvent): void;
  openResult(worker: WorkerId, key: TaskKey, bytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  warn(message: string): void;
}

/** How often a driver's service thread says that it is there. */
const DRIVER_HEARTBEAT_MS = 2_000;

const emptySummary: JobSummary = {
  stages: 0,
  tasks: 0,
  failedAttempts: 0,
  elapsedMs: 0,
  shuffleBytes: 0,
  spillBytes: 0,
  metrics: noMetrics,
  byStage: [],
  accumulators: [],
  workers: [],
};

export class DriverDesk {
  readonly #parts: DriverDeskParts;
  readonly #links = new Map<SessionId, DriverLink>();
  /** Sessions whose end is under way: their last commands still find them. */
  readonly #closing = new Map<SessionId, DriverLink>();
  /** They end with the session's log whole. */
  readonly #closings = new Set<Promise<void>>();
  #sessions = 0;

  constructor(parts: DriverDeskParts) {
    this.#parts = parts;
  }

  /** Open sessions. */
  get all(): Iterable<DriverLink> {
    return this.#links.values();
  }

  find(session: SessionId): DriverLink | undefined {
    return this.#links.get(session);
  }

  /** Also one whose end is under way. */
  findEnding(session: SessionId): DriverLink | undefined {
    return this.#links.get(session) ?? this.#closing.get(session);
  }

  accept(connection: Connection): void {
    let link: DriverLink | null = null;
    connection.onMessage((bytes) => {
      try {
        const message = decodeDriverMessage(bytes);
        if (link === null) link = this.#open(connection, message);
        else this.#receive(link, message);
      } catch (error) {
        connection.send(encodeMasterToDriver({ kind: "refused", error: toWireError(error, "PROTOCOL_ERROR") }));
        connection.close();
      }
    });
    connection.onClose((error) => {
      const reason = error ?? new MillraceError("JOB_CANCELLED", "the driver closed its session");
      if (link !== null) void this.#close(link, toWireError(reason));
    });
  }

  /** Ends a session whatever it does: its driver is told `error`, as are its running jobs, and disconnected. */
  kill(link: DriverLink, error: MillraceError): void {
    void this.#close(link, toWireError(error)).then(() => link.disconnect());
  }

  /** Sends progress, and closes the sessions of drivers that are silent. */
  tick(now: number): void {
    const { view, timeoutMs } = this.#parts;
    for (const link of [...this.#links.values()]) {
      if (now - link.heardMs > timeoutMs) {
        const error = new MillraceError("TIMEOUT", `nothing was heard of the driver for ${timeoutMs} ms`);
        void this.#close(link, toWireError(error)).then(() => link.disconnect());
        continue;
      }
      const stages = view.progress(link.host.id);
      if (stages.length === 0) continue;
      const startedMs = (stage: (typeof stages)[number]) => Date.now() - (now - stage.startedMs);
      link.send({ kind: "progress", stages: stages.map((stage) => ({ ...stage, startedMs: startedMs(stage) })) });
    }
  }

  async endLogs(): Promise<void> {
    await Promise.all([...this.#links.values()].map(({ log }) => log.ended(null)));
  }

  async closeAll(error: WireError): Promise<void> {
    for (const link of [...this.#links.values()]) void this.#close(link, error);
    await Promise.all(this.#closings);
  }

  #open(connection: Connection, message: DriverToMaster): DriverLink {
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
    const { blobs, view, defaults, handle, openResult, warn } = this.#parts;
    const id = sessionId(`s${++this.#sessions}-${Date.now().toString(36)}-${randomBytes(3).toString("hex")}`);
    const host = new SessionHost(id, settings, {
      handle,
      putBlob: (hash, bytes) => blobs.put(id, hash, bytes),
      dropBlobs: (hashes) => {
        const dropped = hashes.filter((hash) => blobs.remove(id, hash));
        if (dropped.length > 0) handle({ kind: "blobsReleased", hashes: dropped });
      },
      warn,
      refused: (job, error) => this.jobEnded(id, job, error, emptySummary),
      cached: (node) => view.storage(id).find((one) => one.node === node)?.cached ?? 0,
      prepared: (_job, submit, graph) => log.jobStarted(submit, graph),
    });
    const log = this.#openLog(id, settings.options);
    log.started(id, this.#parts.url(), settings);
    for (const registration of this.#parts.workers()) log.workerAdded(registration);
    const link = new DriverLink({ connection, host, log, nowMs: this.#parts.now(), handle, openResult, warn });
    this.#links.set(id, link);
    handle({ kind: "sessionOpened", session: id, policy: sessionPolicyOf(settings.options, defaults) });
    link.send({ kind: "opened", session: id, slots: view.slots, heartbeatMs: DRIVER_HEARTBEAT_MS });
    return link;
  }

  jobEnded(session: SessionId, job: JobId, error: WireError | null, summary: JobSummary): void {
    this.findEnding(session)?.jobEnded(job, error, summary);
  }

  #openLog(session: SessionId, options: SessionSettings["options"]): SessionLog {
    const { eventLogDir, warn } = this.#parts;
    if (options["eventLog.enabled"] === false || eventLogDir === null) return new SessionLog(null);
    const maxFileBytes = options["eventLog.maxFileSize"];
    const rolls = options["eventLog.rolling"] !== false && typeof maxFileBytes === "number";
    return new SessionLog({
      directory: eventLogDir,
      session,
      clock: systemClock,
      compress: options["eventLog.compress"] === true,
      maxFileBytes: rolls ? maxFileBytes : null,
      onError: (error, path) =>
        warn(`the event log ${path} ends here, it cannot be written: ${(error as Error).message}`),
    });
  }

  #receive(link: DriverLink, message: DriverToMaster): void {
    const { host } = link;
    const { blobs, handle } = this.#parts;
    link.heardMs = this.#parts.now();
    switch (message.kind) {
      case "open":
        throw new MillraceError("PROTOCOL_ERROR", "the session is open already");
      case "blob":
        blobs.append(host.id, message.hash, message.bytes, message.last);
        return;
      case "submit":
        host.submit(message);
        return;
      case "pools":
        // Checked where they come from; another program than ours may have sent them.
        handle({ kind: "poolsDefined", session: host.id, pools: parsePools(message.pools, "pools") });
        return;
      case "countPartitions":
        answer(link, message.request, host.countPartitions(message.nodes, message.node));
        return;
      case "cutLineage":
        answer(link, message.request, host.cutLineage(message.node, message.url));
        return;
      case "cancel":
        host.cancel(message.job, message.reason);
        return;
      case "acknowledge":
        link.acknowledge(message.job, message.bytes, message.round ?? 0);
        return;
      case "persist":
        host.persist(message.node, message.level, message.name);
        return;
      case "accumulatorValues":
        link.log.accumulatorValues(message.job, message.values);
        return;
      case "releaseNodes":
        host.releaseNodes(message.nodes);
        return;
      case "releaseBlob":
        if (message.scope === "everywhere") blobs.remove(host.id, message.hash);
        handle({ kind: "blobsReleased", hashes: [message.hash] });
        return;
      case "heartbeat":
        link.send({ kind: "heartbeat" });
        return;
      case "close": {
        const error = { code: "JOB_CANCELLED", message: "the session was stopped", fields: {} } as const;
        void this.#close(link, error).then(() => link.disconnect());
      }
    }
  }

  #close(link: DriverLink, error: WireError): Promise<void> {
    const closing = this.#closeLink(link, error).finally(() => this.#closings.delete(closing));
    this.#closings.add(closing);
    return closing;
  }

  async #closeLink(link: DriverLink, error: WireError): Promise<void> {
    const { id } = link.host;
    const { blobs, handle } = this.#parts;
    if (!this.#links.delete(id)) return;
    link.stopResults();
    this.#closing.set(id, link);
    handle({ kind: "sessionClosed", session: id, error });
    await link.host.close();
    this.#closing.delete(id);
    const hashes = blobs.release(id);
    if (hashes.length > 0) handle({ kind: "blobsReleased", hashes });
    const said = error.code === "JOB_CANCELLED" ? null : error;
    await link.log.ended(said);
    link.send({ kind: "closed", error: said });
  }
}

function answer(link: DriverLink, request: number, partitions: Promise<number>): void {
  partitions.then(
    (count) => link.send({ kind: "partitions", request, count, error: null }),
    (error) => link.send({ kind: "partitions", request, count: null, error: toWireError(error) }),
  );
}
