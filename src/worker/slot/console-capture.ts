// Task console output: whatever a task writes to console, process.stdout or process.stderr goes to the main thread as lines
// with the task's key, at most LINES_PER_SECOND a second for the slot, then only counted. Lines leave at once, so a task that
// never ends is heard too.

import { format } from "node:util";
import type { TaskKey } from "../../core/ids.js";
import type { SlotMessage } from "./messages.js";

const LINES_PER_SECOND = 1000;
/** A longer line is cut: a log line is no way to move data. */
const MAX_LINE = 16 * 1024;

export class ConsoleCapture {
  readonly #post: (message: SlotMessage) => void;
  #key: TaskKey | null = null;
  #partial = { stdout: "", stderr: "" };
  #windowStart = 0;
  #inWindow = 0;
  #dropped = 0;

  constructor(post: (message: SlotMessage) => void) {
    this.#post = post;
  }

  /** Replaces this thread's console and streams. Only for threads that belong to millrace. */
  install(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      process[stream].write = ((chunk: string | Uint8Array, encoding?: unknown, done?: unknown) => {
        this.#write(stream, typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
        const callback = typeof encoding === "function" ? encoding : done;
        if (typeof callback === "function") callback();
        return true;
      }) as typeof process.stdout.write;
    }
    for (const method of ["log", "info", "debug"] as const) {
      console[method] = (...values: unknown[]) => this.#write("stdout", `${format(...values)}\n`);
    }
    for (const method of ["warn", "error", "trace"] as const) {
      console[method] = (...values: unknown[]) => this.#write("stderr", `${format(...values)}\n`);
    }
  }

  begin(key: TaskKey): void {
    this.#key = key;
  }

  /** Flushes a last line without its newline and says how many were dropped. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#partial[stream] !== "") this.#line(stream, this.#partial[stream]);
      this.#partial[stream] = "";
    }
    this.#tellDropped();
    this.#key = null;
  }

  #tellDropped(): void {
    if (this.#dropped > 0 && this.#key !== null) {
      this.#post({ kind: "log", line: { key: this.#key, stream: "stderr", text: "", dropped: this.#dropped } });
    }
    this.#dropped = 0;
  }

  #write(stream: "stdout" | "stderr", text: string): void {
    const lines = (this.#partial[stream] + text).split("\n");
    this.#partial[stream] = lines.pop() as string;
    for (const line of lines) this.#line(stream, line);
  }

  #line(stream: "stdout" | "stderr", text: string): void {
    if (this.#key === null) return;
    const now = Date.now();
    if (now - this.#windowStart >= 1000) {
      this.#tellDropped();
      this.#windowStart = now;
      this.#inWindow = 0;
    }
    if (++this.#inWindow > LINES_PER_SECOND) {
      this.#dropped++;
      return;
    }
    const shown = text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}...` : text;
    this.#post({ kind: "log", line: { key: this.#key, stream, text: shown } });
  }
}
