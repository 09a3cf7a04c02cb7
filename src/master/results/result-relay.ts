// Relays one job's results to its driver: undecoded, partitions in order, pieces of at most 256 KiB, at most 4 MiB that the
// driver has not acknowledged. A slow driver therefore stops only its own job, and the master never holds a whole result.

import type { JobId } from "../../core/ids.js";
import type { MasterToDriver } from "../../protocol/driver.js";

/** Bytes of one job that may be under way to its driver. */
export const RESULT_WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes of one message. */
export const RESULT_PIECE_BYTES = 256 * 1024;

export interface ResultPart {
  readonly partition: number;
  readonly records: number;
  /** Bytes at hand, of at most one piece. */
  readonly inline?: Uint8Array;
  /** Opens the bytes: a block of a worker. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface ResultRelayEvents {
  send(message: MasterToDriver): void;
  /** Every byte of the partition is with the driver and acknowledged: its block may go. */
  onDelivered(partition: number): void;
  /** The block could not be read: the partition must be computed again. */
  onLost(partition: number, error: unknown): void;
}

export class ResultRelay {
  readonly #job: JobId;
  readonly #events: ResultRelayEvents;
  readonly #queue: ResultPart[] = [];
  readonly #abort = new AbortController();
  /** Partitions sent whole, with the number of bytes of the job up to their end. */
  readonly #ends: { readonly partition: number; readonly end: number }[] = [];
  #sentBytes = 0;
  #acknowledgedBytes = 0;
  #pumping = false;
  #onDrained: (() => void) | null = null;
  #resume: (() => void) | null = null;

  constructor(job: JobId, events: ResultRelayEvents) {
    this.#job = job;
    this.#events = events;
  }

  /** Adds the next partition in order. */
  push(part: ResultPart): void {
    if (part.inline !== undefined && !this.#pumping && this.#hasRoom) {
      this.#sendNow(part, part.inline, true);
      return;
    }
    this.#queue.push(part);
    if (!this.#pumping) void this.#pump();
  }

  /** Calls back once everything pushed so far is sent: at once, if it is. Never after `close`. */
  whenDrained(callback: () => void): void {
    if (!this.#pumping) return callback();
    this.#onDrained = callback;
  }

  /** The driver has taken `bytes` more. */
  acknowledge(bytes: number): void {
    this.#acknowledgedBytes += bytes;
    while (this.#ends[0] !== undefined && this.#ends[0].end <= this.#acknowledgedBytes) {
      this.#events.onDelivered((this.#ends.shift() as { partition: number }).partition);
    }
    if (this.#hasRoom) this.#resume?.();
  }

  /** Stops sending; nothing more is reported. */
  close(): void {
    this.#abort.abort();
    this.#queue.length = 0;
    this.#onDrained = null;
    this.#resume?.();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      for (let part = this.#queue.shift(); part !== undefined && !this.#abort.signal.aborted; part = this.#queue.shift()) {
        await this.#sendPart(part);
      }
    } finally {
      this.#pumping = false;
      const drained = this.#onDrained;
      this.#onDrained = null;
      drained?.();
    }
  }

  get #hasRoom(): boolean {
    return this.#sentBytes - this.#acknowledgedBytes < RESULT_WINDOW_BYTES;
  }

  async #sendPart(part: ResultPart): Promise<void> {
    try {
      if (part.inline !== undefined) return await this.#send(part, part.inline, true);
      let held: Uint8Array | null = null;
      for await (const chunk of part.open(this.#abort.signal)) {
        for (let at = 0; at < chunk.byteLength; at += RESULT_PIECE_BYTES) {
          if (held !== null) await this.#send(part, held, false);
          held = chunk.subarray(at, at + RESULT_PIECE_BYTES);
        }
      }
      await this.#send(part, held ?? new Uint8Array(0), true);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#events.onLost(part.partition, error);
    }
  }

  async #send(part: ResultPart, bytes: Uint8Array, last: boolean): Promise<void> {
    while (!this.#hasRoom && !this.#abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
      this.#resume = null;
    }
    if (!this.#abort.signal.aborted) this.#sendNow(part, bytes, last);
  }

  #sendNow(part: ResultPart, bytes: Uint8Array, last: boolean): void {
    this.#sentBytes += bytes.byteLength;
    if (last) this.#ends.push({ partition: part.partition, end: this.#sentBytes });
    this.#events.send({ kind: "result", job: this.#job, partition: part.partition, bytes, last, records: part.records });
    // A partition of no bytes needs no acknowledgement.
    this.acknowledge(0);
  }
}
