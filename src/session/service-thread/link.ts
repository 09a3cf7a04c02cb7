// The user's end of the service thread: turns domain messages into bytes and back, keeps the process alive while something
// is asked for and not answered, and cleans up when the program ends without stop(). The codec is given by the wiring,
// because the session does not know the wire.

import { rmSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { fromWireError, MillraceError } from "../../core/errors.js";
import { MessageBatcher, splitBatch } from "../../core/message-batch.js";
import type { DriverToMaster, MasterToDriver } from "../../protocol/driver.js";
import type { MasterLink } from "../master-link.js";
import type { FromService, ServiceData, ToService } from "./messages.js";
import { serviceThread } from "./spare-thread.js";

export interface LinkCodec {
  encode(message: DriverToMaster): Uint8Array;
  decode(bytes: Uint8Array): MasterToDriver;
}

/** Runs tasks on the calling thread (`local`). */
export type CallingThreadSlot = (call: unknown) => Promise<unknown>;

/** A worker process that is just leaving may still write while its directory is removed. */
const LEFTOVERS = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 };

/** How long `close` waits for the service thread to release everything. */
const CLOSE_TIMEOUT_MS = 15_000;

/** How long the end of the process waits for the end of the event log: a few milliseconds unless the disk hangs. */
const LEAVE_TIMEOUT_MS = 500;

export class ServiceLink implements MasterLink {
  readonly #thread: Worker;
  readonly #codec: LinkCodec;
  readonly #slot: CallingThreadSlot | null;
  readonly #onExit = () => this.#leave();
  readonly #onSignal = (signal: NodeJS.Signals) => this.#leaveBySignal(signal);
  #message: (message: MasterToDriver) => void = () => undefined;
  #closed: (error: Error | null) => void = () => undefined;
  #leftovers: { directories: readonly string[]; pids: readonly number[] } = { directories: [], pids: [] };
  /** Questions without an answer yet: what keeps the process alive. */
  readonly #pending = new Set<string>();
  #ended: { promise: Promise<void>; resolve: () => void };
  readonly #outgoing = new MessageBatcher((batch) =>
    this.#thread.postMessage({ kind: "driver", batch } satisfies ToService, [batch.buffer]),
  );
  #over = false;
  /** The master is in the service thread, and up. */
  #isReady = false;

  constructor(entry: URL, data: ServiceData, codec: LinkCodec, slot: CallingThreadSlot | null) {
    this.#codec = codec;
    this.#slot = slot;
    let resolve = () => {};
    this.#ended = { promise: new Promise<void>((done) => (resolve = done)), resolve: () => resolve() };
    this.#thread = serviceThread(entry, data);
    this.#thread.on("message", (message: FromService) => this.#receive(message));
    this.#thread.on("error", (error) =>
      this.#end(
        new MillraceError("INTERNAL", `the session's service thread failed: ${error.message}`, { cause: error }),
      ),
    );
    this.#thread.on("exit", () => this.#end(null));
    process.on("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, this.#onSignal);
  }

  send(message: DriverToMaster): void {
    if (this.#over) return;
    const question = questionOf(message);
    if (question !== null) this.#await(question);
    this.#outgoing.add(this.#codec.encode(message));
  }

  onMessage(handler: (message: MasterToDriver) => void): void {
    this.#message = handler;
  }

  onClose(handler: (error: Error | null) => void): void {
    this.#closed = handler;
  }

  /** Releases everything; resolves when workers, files and the thread are gone, at most 15 s later. */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#await("shutdown");
    this.#outgoing.flush();
    this.#post({ kind: "shutdown" });
    const timer = setTimeout(() => void this.#thread.terminate(), CLOSE_TIMEOUT_MS);
    await this.#ended.promise;
    clearTimeout(timer);
    this.#removeLeftovers();
  }

  #receive(message: FromService): void {
    switch (message.kind) {
      case "ready":
        this.#isReady = true;
        this.#leftovers = message;
        return;
      case "driver":
        for (const bytes of splitBatch(message.batch)) {
          const decoded = this.#codec.decode(bytes);
          const answer = answerOf(decoded);
          if (answer !== null) this.#answered(answer);
          this.#message(decoded);
        }
        return;
      case "slotCall":
        void this.#runHere(message.id, message.call, message.port);
        return;
      case "failed":
        this.#end(fromWireError(message.error));
        return;
      case "ended":
        this.#end(null);
    }
  }

  async #runHere(id: number, call: unknown, port: unknown): Promise<void> {
    try {
      const withPort = port === null ? call : { ...(call as object), port };
      const outcome = await (this.#slot as CallingThreadSlot)(withPort);
      this.#post({ kind: "slotOutcome", id, outcome, error: null });
    } catch (error) {
      this.#post({ kind: "slotOutcome", id, outcome: null, error: (error as Error).message });
    }
  }

  #post(message: ToService): void {
    this.#thread.postMessage(message);
  }

  #await(question: string): void {
    this.#pending.add(question);
    this.#thread.ref();
  }

  #answered(question: string): void {
    this.#pending.delete(question);
    if (this.#pending.size === 0) this.#thread.unref();
  }

  #end(error: Error | null): void {
    if (this.#over) return;
    this.#over = true;
    process.off("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, this.#onSignal);
    if (error !== null) void this.#thread.terminate();
    this.#pending.clear();
    this.#thread.unref();
    this.#ended.resolve();
    this.#closed(error);
  }

  /** What a program that ended without stop() leaves: directories of this process; children go by their closed pipe. */
  #removeLeftovers(): void {
    for (const directory of this.#leftovers.directories) rmSync(directory, LEFTOVERS);
    this.#leftovers = { directories: [], pids: [] };
  }

  /** The process ends without stop(): the service thread still writes the end of the event log, for which this one stands still. */
  #leave(): void {
    if (this.#isReady && !this.#over) {
      const done = new Int32Array(new SharedArrayBuffer(4));
      this.#post({ kind: "leaving", done });
      Atomics.wait(done, 0, 0, LEAVE_TIMEOUT_MS);
    }
    this.#removeLeftovers();
  }

  /** A signal that nobody else handles ends the program as it would without us, after the clean-up. */
  #leaveBySignal(signal: NodeJS.Signals): void {
    if (process.listenerCount(signal) > this.#ownListeners(signal)) return;
    this.#leave();
    process.off(signal, this.#onSignal);
    process.kill(process.pid, signal);
  }

  /** Other sessions of this process listen as well; each cleans its own before the last one lets the signal through. */
  #ownListeners(signal: NodeJS.Signals): number {
    return process.listeners(signal).filter((listener) => listener.name === this.#onSignal.name).length;
  }
}

/** The name of what a message asks for; null: it wants no answer. */
function questionOf(message: DriverToMaster): string | null {
  if (message.kind === "open") return "open";
  if (message.kind === "submit") return `job ${message.job}`;
  if (message.kind === "countPartitions" || message.kind === "cutLineage") return `count ${message.request}`;
  return null;
}

function answerOf(message: MasterToDriver): string | null {
  if (message.kind === "opened" || message.kind === "refused") return "open";
  if (message.kind === "jobEnded") return `job ${message.job}`;
  if (message.kind === "partitions") return `count ${message.request}`;
  return null;
}
