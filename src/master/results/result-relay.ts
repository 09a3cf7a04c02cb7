// Relays one job's results to its driver: undecoded, partitions in order, pieces of at most 256 KiB, at most 4 MiB that the
// driver has not acknowledged. A slow driver therefore stops only its own job, and the master never holds a whole result.
// A partition that is lost half-way holds the later ones back until it comes again; what was sent of it is then read over and
// compared. Where the new bytes differ (a job that is not deterministic) the job fails: two runs are never mixed.

import { crc32c } from "../../core/crc32c.js";
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
  /** The block could not be read: the partition must be computed again and pushed again. */
  onLost(partition: number, error: unknown): void;
  /** The recomputed partition does not begin with what the driver has of it already. */
  onChanged(partition: number): void;
}

/** How far a partition has got. */
interface Sent {
  readonly partition: number;
  bytes: number;
  /** CRC32C of the bytes sent: against chance, not against an enemy. */
  checksum: number;
}

class ResultChanged extends Error {}

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
  /** The lost partition that is waited for. */
  #lost: Sent | null = null;
  #onDrained: (() => void) | null = null;
  #resume: (() => void) | null = null;

  constructor(job: JobId, events: ResultRelayEvents) {
    this.#job = job;
    this.#events = events;
  }

  /** Adds the next partition in order, or the one that was lost. */
  push(part: ResultPart): void {
    if (this.#lost !== null) {
      if (part.partition !== this.#lost.partition) {
        this.#queue.push(part);
        return;
      }
      const sent = this.#lost;
      this.#lost = null;
      void this.#pump(part, sent);
      return;
    }
    if (part.inline !== undefined && !this.#pumping && this.#hasRoom) {
      this.#sendNow(part, part.inline, true);
      return;
    }
    this.#queue.push(part);
    if (!this.#pumping) void this.#pump();
  }

  /** Calls back once everything pushed so far is sent: at once, if it is. Never after `close`. */
  whenDrained(callback: () => void): void {
    if (this.#isDrained) callback();
    else this.#onDrained = callback;
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
    this.#lost = null;
    this.#onDrained = null;
    this.#resume?.();
  }

  get #isDrained(): boolean {
    return !this.#pumping && this.#lost === null && this.#queue.length === 0;
  }

  async #pump(again?: ResultPart, sent?: Sent): Promise<void> {
    this.#pumping = true;
    try {
      if (again !== undefined) await this.#sendPart(again, sent);
      while (this.#lost === null && !this.#abort.signal.aborted) {
        const part = this.#queue.shift();
        if (part === undefined) break;
        await this.#sendPart(part);
      }
    } finally {
      this.#pumping = false;
      if (this.#isDrained) {
        const drained = this.#onDrained;
        this.#onDrained = null;
        drained?.();
      }
    }
  }

  get #hasRoom(): boolean {
    return this.#sentBytes - this.#acknowledgedBytes < RESULT_WINDOW_BYTES;
  }

  /** `before`: what an earlier run of the partition has sent of it. */
  async #sendPart(part: ResultPart, before?: Sent): Promise<void> {
    const { partition } = part;
    const sent: Sent = { partition, bytes: before?.bytes ?? 0, checksum: before?.checksum ?? 0 };
    const forward = async (bytes: Uint8Array, last: boolean): Promise<void> => {
      await this.#send(part, bytes, last);
      sent.bytes += bytes.byteLength;
      sent.checksum = crc32c(bytes, 0, bytes.byteLength, sent.checksum);
    };
    try {
      let held: Uint8Array | null = null;
      for await (const chunk of skip(open(part, this.#abort.signal), sent.bytes, sent.checksum)) {
        for (let at = 0; at < chunk.byteLength; at += RESULT_PIECE_BYTES) {
          if (held !== null) await forward(held, false);
          held = chunk.subarray(at, at + RESULT_PIECE_BYTES);
        }
      }
      await forward(held ?? new Uint8Array(0), true);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      if (error instanceof ResultChanged) {
        this.close();
        this.#events.onChanged(partition);
        return;
      }
      this.#lost = sent;
      this.#events.onLost(partition, error);
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
    this.#events.send({
      kind: "result",
      job: this.#job,
      partition: part.partition,
      bytes,
      last,
      records: part.records,
    });
    // A partition of no bytes needs no acknowledgement.
    this.acknowledge(0);
  }
}

async function* open(part: ResultPart, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  if (part.inline !== undefined) yield part.inline;
  else yield* part.open(signal);
}

/** What follows the first `count` bytes, which must have this checksum. Throws ResultChanged where they have not. */
async function* skip(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
  checksum: number,
): AsyncGenerator<Uint8Array, void, void> {
  let left = count;
  let found = 0;
  for await (const chunk of chunks) {
    const passed = Math.min(left, chunk.byteLength);
    if (passed > 0) {
      found = crc32c(chunk, 0, passed, found);
      left -= passed;
      if (left === 0 && found !== checksum) throw new ResultChanged();
    }
    if (passed < chunk.byteLength) yield chunk.subarray(passed);
  }
  if (left > 0) throw new ResultChanged();
}
