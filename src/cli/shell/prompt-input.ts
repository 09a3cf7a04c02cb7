// The terminal as the prompt reads it: one line at a time, and nothing while a line runs. What is pasted waits here, and what
// is typed meanwhile in the terminal itself, which is out of raw mode then: Ctrl-C is a signal, and comes even where a line
// keeps this thread busy.

import { Readable } from "node:stream";
import type { ReadStream } from "node:tty";

/** A line break before a member: a chain that is pasted goes on there. Commands of the prompt stand in the first column. */
const CHAIN = /^\r?\n?[ \t]+\??\.[A-Za-z_$#]/;

export class PromptInput extends Readable {
  readonly #source: ReadStream;
  #pending = "";
  #ended = false;
  #held = false;
  #raw = false;
  /** What was given on has been seen. */
  #wanted = false;

  constructor(source: ReadStream) {
    super({ highWaterMark: 1 });
    this.#source = source;
    source.setEncoding("utf8");
    source.on("data", (text: string) => {
      this.#pending += text;
      this.#pump();
    });
    source.on("end", () => {
      this.#ended = true;
      this.#pump();
    });
    source.on("error", (error) => this.destroy(error));
  }

  /** For readline. */
  get isTTY(): boolean {
    return this.#source.isTTY;
  }

  setRawMode(raw: boolean): this {
    this.#raw = raw;
    if (!this.#held) this.#source.setRawMode?.(raw);
    return this;
  }

  /** Until `release`. */
  hold(): void {
    this.#held = true;
    this.#source.pause();
    this.#source.setRawMode?.(false);
  }

  release(): void {
    this.#held = false;
    this.#source.setRawMode?.(this.#raw);
    this.#source.resume();
    this.#pump();
  }

  /** For good: the process may end. */
  close(): void {
    this.#source.pause();
    this.destroy();
  }

  /** Node asks just before it hands out what it has; a line begins to run in between. */
  override _read(): void {
    setImmediate(() => {
      this.#wanted = true;
      this.#pump();
    });
  }

  /** Gives a line on, or what there is of one. */
  #pump(): void {
    if (this.#held || !this.#wanted || this.destroyed) return;
    if (this.#pending === "") {
      if (this.#ended) this.push(null);
      return;
    }
    const end = /[\r\n]/.exec(this.#pending)?.index;
    if (end === undefined) {
      const part = this.#pending;
      this.#pending = "";
      this.#wanted = false;
      this.push(part);
      return;
    }
    const rest = this.#pending.slice(end);
    if (CHAIN.test(rest)) {
      this.#pending = this.#pending.slice(0, end) + rest.replace(/^\r?\n?[ \t]+/, "");
      this.#pump();
      return;
    }
    const length = rest.startsWith("\r\n") ? 2 : 1;
    const line = this.#pending.slice(0, end + length);
    this.#pending = rest.slice(length);
    this.#wanted = false;
    this.push(line);
  }
}
