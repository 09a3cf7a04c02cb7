// One driver's connection: what is said to it, the relays of its jobs' results, and the log of its session. The end of a job is
// told after its results, and after its output is gone when it failed.

import { isMillraceError, MillraceError, toWireError, type WireError } from "../core/errors.js";
import type { JobId, TaskKey, WorkerId } from "../core/ids.js";
import type { JobSummary, MasterToDriver } from "../protocol/driver.js";
import type { TaskResult } from "../protocol/tasks.js";
import { type Connection, encodeMasterToDriver } from "../rpc/index.js";
import type { MasterCommand, MasterEvent } from "./events.js";
import { type ResultPart, ResultRelay } from "./results/result-relay.js";
import type { SessionHost } from "./session-host.js";
import type { SessionLog } from "./session-log.js";

export interface DriverLinkParts {
  readonly connection: Connection;
  readonly host: SessionHost;
  readonly log: SessionLog;
  readonly nowMs: number;
  /** Tells the machine. */
  handle(event: MasterEvent): void;
  /** Opens a result that a worker holds. */
  openResult(worker: WorkerId, key: TaskKey, bytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  warn(message: string): void;
}

export class DriverLink {
  readonly host: SessionHost;
  readonly log: SessionLog;
  /** Milliseconds since 1970. */
  readonly openedMs = Date.now();
  /** By the shell's clock. */
  heardMs: number;
  readonly #parts: DriverLinkParts;
  readonly #relays = new Map<JobId, ResultRelay>();
  /** How often the results of a job started over; acknowledgements of an earlier round count no more. */
  readonly #rounds = new Map<JobId, number>();

  constructor(parts: DriverLinkParts) {
    this.#parts = parts;
    this.host = parts.host;
    this.log = parts.log;
    this.heardMs = parts.nowMs;
  }

  send(message: MasterToDriver): void {
    this.#parts.connection.send(encodeMasterToDriver(message));
  }

  disconnect(): void {
    this.#parts.connection.close();
  }

  deliver({ session, job, partition, key, worker, result }: MasterCommand & { readonly kind: "deliver" }): void {
    const { handle, openResult, warn } = this.#parts;
    let relay = this.#relays.get(job);
    if (relay === undefined) {
      relay = new ResultRelay(job, {
        send: (message) => this.send(message),
        onDelivered: (delivered) => handle({ kind: "resultDelivered", session, job, partition: delivered }),
        onLost: (lost, error) => {
          warn(`the result ${session}/${job}/${lost} is lost: ${isMillraceError(error) ? error.code : String(error)}`);
          handle({ kind: "resultLost", session, job, partition: lost });
        },
        onChanged: (changed) => handle({ kind: "jobBroken", session, job, error: resultChanged(job, changed) }),
      });
      this.#relays.set(job, relay);
    }
    relay.push(toPart(partition, result, (bytes, signal) => openResult(worker, key, bytes, signal)));
  }

  /** What the driver has of the job's results is void. */
  restartResults(job: JobId): void {
    this.#relays.get(job)?.close();
    this.#relays.delete(job);
    const round = (this.#rounds.get(job) ?? 0) + 1;
    this.#rounds.set(job, round);
    this.send({ kind: "resultsRestarted", job, round });
  }

  /** The driver has taken `bytes` more of the job's results. */
  acknowledge(job: JobId, bytes: number, round: number): void {
    if (round === (this.#rounds.get(job) ?? 0)) this.#relays.get(job)?.acknowledge(bytes);
  }

  jobEnded(job: JobId, error: WireError | null, summary: JobSummary): void {
    const relay = this.#relays.get(job);
    const tell = (): void => {
      relay?.close();
      this.#relays.delete(job);
      this.#rounds.delete(job);
      this.host.forget(job);
      this.log.jobEnded(job, error, summary);
      this.send({ kind: "jobEnded", job, error, summary });
    };
    // The end comes after the results; a failed job's results nobody wants, but its output is gone when its end is told.
    if (error !== null) {
      const cleaning = this.host.outputWork(job);
      if (cleaning === null) tell();
      else void cleaning.then(tell);
    } else if (relay === undefined) tell();
    else relay.whenDrained(tell);
  }

  /** No result is sent any more. */
  stopResults(): void {
    for (const relay of this.#relays.values()) relay.close();
  }
}

function resultChanged(job: JobId, partition: number): WireError {
  const message = `job ${job} failed: the worker that held the result of partition ${partition} was lost after the driver had received part of it, and the partition computed anew gave other bytes. Make the functions of the job deterministic (no Math.random, Date.now or state of their own), or run it again`;
  const { stack: _, ...error } = toWireError(new MillraceError("JOB_FAILED", message, { fields: { job, partition } }));
  return error;
}

function toPart(
  partition: number,
  result: TaskResult,
  open: (bytes: number, signal: AbortSignal) => AsyncIterable<Uint8Array>,
): ResultPart {
  if (result.kind === "block")
    return { partition, records: result.records, open: (signal) => open(result.sizeBytes, signal) };
  const inline = result.kind === "inline" ? result.bytes : new Uint8Array(0);
  const records = result.kind === "inline" ? result.records : 0;
  return { partition, records, inline, open: (signal) => open(inline.byteLength, signal) };
}
