// Writes the events of one session. They are gathered and written together, after a second or 64 KiB, without waiting: a slow
// disk slows nobody, what waits for it is bounded, and beyond that events are left out and counted. A log that cannot be written
// never fails a job: the first error is told once, and the log ends there. Each write is of whole lines, so a log whose writer
// was killed can be read up to the last line that it had written.

import { type FileHandle, mkdir, open } from "node:fs/promises";
import type { Clock } from "../core/clock.js";
import type { SessionId } from "../core/ids.js";
import { eventLogVersion, type SessionEvent } from "./event-types.js";
import { encodeLogFrame } from "./log-frames.js";
import { partPath } from "./log-parts.js";

const flushAfterMs = 1000;
/** Of what is to be seen soon: a write costs as much as a tenth of a small job, and they come by the hundred. */
const flushSoonMs = 50;
const flushFromChars = 64 * 1024;
/** Waiting for the disk at most. */
const maxWaitingChars = 8 * 1024 * 1024;

export interface EventLogWriterOptions {
  /** Made when missing, for its owner alone. */
  readonly directory: string;
  readonly session: SessionId;
  readonly clock: Clock;
  /** Default false. */
  readonly compress?: boolean;
  /** A file of about so many bytes is followed by another one; null, the default: there is one alone. */
  readonly maxFileBytes?: number | null;
  /** Called once, with the first error of the file. */
  onError(error: unknown, path: string): void;
}

export class EventLogWriter {
  readonly #options: EventLogWriterOptions;
  readonly #compress: boolean;
  readonly #maxFileBytes: number;
  #part = 1;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #pending = "";
  /** Events of `#pending`. */
  #pendingEvents = 0;
  #writing: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #soon = false;
  #failed = false;
  #closing: Promise<void> | null = null;
  #dropped = 0;
  /** Of the dropped ones, those that the log itself does not tell of yet. */
  #untold = 0;

  constructor(options: EventLogWriterOptions) {
    this.#options = options;
    this.#compress = options.compress ?? false;
    this.#maxFileBytes = options.maxFileBytes ?? Number.POSITIVE_INFINITY;
  }

  /** The file that is written. */
  get path(): string {
    return partPath(this.#options.directory, this.#options.session, this.#part, this.#compress);
  }

  /** Events that are not in the log: it could not be written, or the disk was too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  write(event: SessionEvent): void {
    if (this.#failed || this.#closing !== null) {
      this.#dropped++;
      return;
    }
    if (this.#pending.length >= maxWaitingChars) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    if (this.#untold > 0) this.#tellDropped(event.time);
    this.#append(event);
    if (this.#pending.length >= flushFromChars) void this.flush();
    else this.#cancelTimer ??= this.#options.clock.after(flushAfterMs, () => void this.flush());
  }

  /** What is gathered is written within 50 ms. */
  flushSoon(): void {
    if (this.#soon || this.#failed || this.#closing !== null) return;
    this.#cancelTimer?.();
    this.#soon = true;
    this.#cancelTimer = this.#options.clock.after(flushSoonMs, () => void this.flush());
  }

  /** Starts to write what is gathered; resolves when it is written, or the log has failed. Never rejects. */
  async flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#soon = false;
    // Again: what is under way may have ended before it saw the last lines.
    while ((this.#pending !== "" || this.#writing !== null) && !this.#failed) {
      this.#writing ??= this.#pump().finally(() => {
        this.#writing = null;
      });
      await this.#writing;
    }
  }

  /** Writes all of it and closes. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#untold > 0) this.#tellDropped(this.#options.clock.now());
    await this.flush();
    try {
      await this.#file?.close();
    } catch (error) {
      this.#fail(error, 0);
    }
    this.#file = null;
  }

  #append(event: SessionEvent): void {
    this.#pending += `${JSON.stringify(event)}\n`;
    this.#pendingEvents++;
  }

  #tellDropped(time: number): void {
    this.#append({ time, type: "eventsDropped", events: this.#untold });
    this.#untold = 0;
  }

  async #pump(): Promise<void> {
    while (this.#pending !== "" && !this.#failed) {
      const text = this.#pending;
      const events = this.#pendingEvents;
      this.#pending = "";
      this.#pendingEvents = 0;
      try {
        await this.#put(text);
      } catch (error) {
        this.#fail(error, events);
      }
    }
  }

  async #put(text: string): Promise<void> {
    const { directory, session } = this.#options;
    if (this.#fileBytes >= this.#maxFileBytes) {
      await this.#file?.close();
      this.#file = null;
      this.#part++;
      this.#fileBytes = 0;
    }
    let lines = text;
    if (this.#file === null) {
      // Programs, paths and messages of a user are nobody else's business.
      await mkdir(directory, { recursive: true, mode: 0o700 });
      this.#file = await open(this.path, "a", 0o600);
      if (this.#part > 1) {
        const head = {
          time: this.#options.clock.now(),
          type: "logPart",
          version: eventLogVersion,
          session,
          part: this.#part,
        };
        lines = `${JSON.stringify(head)}\n${text}`;
      }
    }
    const plain = Buffer.from(lines, "utf8");
    const bytes = this.#compress ? await encodeLogFrame(plain) : plain;
    for (let at = 0; at < bytes.byteLength; )
      at += (await this.#file.write(bytes, at, bytes.byteLength - at)).bytesWritten;
    this.#fileBytes += bytes.byteLength;
  }

  #fail(error: unknown, events: number): void {
    this.#dropped += events + this.#pendingEvents;
    this.#pending = "";
    this.#pendingEvents = 0;
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onError(error, this.path);
  }
}
