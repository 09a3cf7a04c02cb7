// One slot as its process's main thread sees it: a thread that runs one attempt at a time. A piscina pool of exactly one
// thread gives the thread's life cycle, and its first task the port that runs go over; a pool for each slot makes slots addressable (locality) and lets
// one die without the others. A slot that died starts a new thread at its next run.

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { Piscina } from "piscina";
import { MillraceError } from "../../core/errors.js";
import type { HeapLimits } from "../memory-plan.js";
import { ControlRow } from "../slot/control-row.js";
import type {
  SlotAnswer,
  SlotCall,
  SlotMessage,
  SlotOutcome,
  SlotReply,
  SlotRun,
  SlotSettings,
} from "../slot/messages.js";

export interface SlotEvents {
  onMessage(slot: SlotThread, message: SlotMessage): void;
  /** Its thread ended: nobody takes what it had asked for. */
  onGone(slot: SlotThread): void;
}

export interface SlotThread {
  readonly index: number;
  readonly control: ControlRow;
  /**
   * Tells what each task of the run did, with its place in it. Resolves when the run is over: all tasks have ended, one not
   * well, or the rest was taken back; rejects with SLOT_DIED when the thread ended under it.
   */
  run(call: SlotRun, ended: (at: number, outcome: SlotOutcome) => void): Promise<void>;
  /** No further task of the run begins. Answers how many have, ended ones too. */
  takeBack(): number;
  reply(reply: SlotReply): void;
  /** Starts the thread ahead of its first run. */
  start(): Promise<void>;
  /** Ends the thread whatever it does; the run in it rejects. Resolves when it is gone. */
  terminate(): Promise<void>;
}

export interface SlotThreadOptions {
  /** file: URL of the built slot entry. */
  readonly entry: string;
  readonly settings: Omit<SlotSettings, "slot">;
  readonly env: NodeJS.ProcessEnv;
  readonly heap: HeapLimits;
}

/** The run that the thread is at. */
interface Current {
  readonly run: number;
  /** Tasks of it that may still begin or have begun. */
  tasks: number;
  /** Tasks that have ended. */
  ended: number;
  told(at: number, outcome: SlotOutcome): void;
  resolve(): void;
  reject(error: MillraceError): void;
}

export class PiscinaSlot implements SlotThread {
  control = new ControlRow();
  #pool: Piscina | null = null;
  #port: MessagePort | null = null;
  #current: Current | null = null;

  constructor(
    readonly index: number,
    private readonly options: SlotThreadOptions,
    private readonly events: SlotEvents,
  ) {}

  async run(call: SlotRun, ended: (at: number, outcome: SlotOutcome) => void): Promise<void> {
    if (this.#pool === null) await this.start();
    const port = this.#port;
    if (port === null) throw slotDied(this.index, new Error("the slot was ended while it started"));
    return new Promise((resolve, reject) => {
      const tasks = this.control.takenBackAt ?? 1 + call.rest.length;
      this.#current = { run: call.run, tasks, ended: 0, told: ended, resolve, reject };
      port.postMessage(call);
    });
  }

  takeBack(): number {
    const begun = this.control.takeBack();
    const current = this.#current;
    if (current !== null) {
      current.tasks = begun;
      if (current.ended === begun) {
        this.#current = null;
        current.resolve();
      }
    }
    return begun;
  }

  #receive(message: SlotMessage | SlotAnswer): void {
    if (message.kind !== "outcome") return this.events.onMessage(this, message);
    const current = this.#current;
    // Of a run that was given up before.
    if (current === null || message.run !== current.run + current.ended) return;
    const at = current.ended++;
    const isOver = current.ended === current.tasks || message.outcome.kind !== "succeeded";
    if (isOver) this.#current = null;
    current.told(at, message.outcome);
    if (isOver) current.resolve();
  }

  /** The thread ended by itself. What it had said before is read first. */
  async #died(pool: Piscina, error: Error): Promise<void> {
    if (this.#pool !== pool) return;
    const port = this.#port as MessagePort;
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      this.#receive(next.message as SlotMessage | SlotAnswer);
    }
    const current = this.#current;
    this.#current = null;
    try {
      await this.terminate();
    } finally {
      current?.reject(slotDied(this.index, error));
    }
  }

  reply(reply: SlotReply): void {
    this.#port?.postMessage(reply);
    this.control.wake();
  }

  async terminate(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    this.#port?.close();
    this.#port = null;
    if (pool !== null) this.events.onGone(this);
    // What the dead thread had reserved is free again.
    this.control = new ControlRow();
    const current = this.#current;
    this.#current = null;
    await pool?.destroy();
    current?.reject(slotDied(this.index, new Error("the slot was ended while it ran a task")));
  }

  async start(): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const pool = new Piscina({
      filename: this.options.entry,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // Any other mode blocks the thread's event loop between tasks, and with it the timers of asynchronous functions.
      atomics: "disabled",
      recordTiming: false,
      execArgv: [],
      env: this.options.env,
      resourceLimits: {
        maxOldGenerationSizeMb: this.options.heap.heapLimitMb,
        maxYoungGenerationSizeMb: this.options.heap.youngGenerationMb,
      },
    });
    // piscina reports a thread's uncaught error both here and by rejecting the call in it; the call's rejection is what counts.
    pool.on("error", () => undefined);
    port1.on("message", (message: SlotMessage | SlotAnswer) => this.#receive(message));
    port1.unref();
    this.#pool = pool;
    this.#port = port1;
    const init: SlotCall = {
      kind: "init",
      settings: { ...this.options.settings, slot: this.index },
      control: this.control.memory,
      port: port2,
    };
    try {
      await pool.run(init, { transferList: [port2] });
    } catch (error) {
      // Ended while it started, as when a session is opened and stopped at once: no failure of the start.
      if (this.#pool === pool) throw error;
      return;
    }
    // Ended just then: a call would start another thread in a pool that nobody holds any more.
    if (this.#pool !== pool) return;
    const stay: SlotCall = { kind: "stay" };
    pool.run(stay).catch((error: Error) => this.#died(pool, error));
  }
}

/** piscina tells an exit of the thread by its message alone; else the error is what nothing in the thread caught. */
function slotDied(slot: number, error: Error): MillraceError {
  const exitCode = /exited with code: (-?\d+)/.exec(error.message)?.[1];
  if (exitCode === undefined) {
    const message = `an error that nothing caught, in a callback or a promise, ended the thread of slot ${slot} while it ran a task: ${error.name}: ${error.message}`;
    return new MillraceError("SLOT_DIED", message, { fields: { slot }, cause: error });
  }
  const message = `the thread of slot ${slot} ended with exit code ${exitCode} while it ran a task: a function of the task called process.exit, or a native module failed`;
  return new MillraceError("SLOT_DIED", message, { fields: { slot, exitCode: Number(exitCode) } });
}
