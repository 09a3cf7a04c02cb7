// The slot of master `local`: its task runs on the user's own thread, so that a breakpoint in the user's program stops there.
// It cannot be ended from outside: a cancel takes effect at the task's next look at its control row.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { MillraceError } from "../../core/errors.js";
import { ControlRow } from "../slot/control-row.js";
import type { SlotInit, SlotMessage, SlotOutcome, SlotReply, SlotRun, SlotSettings } from "../slot/messages.js";
import { runInTurn, toldOnly } from "../slot/tasks-in-turn.js";
import type { SlotEvents, SlotThread } from "./slot.js";

/** Carries a call to the user's thread and brings back what it answers. `port` goes along with an init call. */
export type CallUserThread = (call: unknown, port: MessagePort | null) => Promise<unknown>;

export class CallingThreadSlot implements SlotThread {
  readonly index = 0;
  readonly control = new ControlRow();
  readonly #call: CallUserThread;
  readonly #settings: Omit<SlotSettings, "slot">;
  readonly #events: SlotEvents;
  #port: MessagePort | null = null;

  constructor(call: CallUserThread, settings: Omit<SlotSettings, "slot">, events: SlotEvents) {
    this.#call = call;
    this.#settings = settings;
    this.#events = events;
  }

  async run(call: SlotRun, ended: (at: number, outcome: SlotOutcome) => void): Promise<void> {
    if (this.#port === null) await this.#init();
    await runInTurn(call, this.control, (one) => this.#runOne(one), toldOnly(ended));
  }

  takeBack(): number {
    return this.control.takeBack();
  }

  async #runOne(call: SlotRun): Promise<SlotOutcome> {
    try {
      return (await this.#call(call, null)) as SlotOutcome;
    } catch (error) {
      throw new MillraceError(
        "SLOT_DIED",
        `the task on the calling thread ended abnormally: ${(error as Error).message}`,
        { fields: { slot: 0 }, cause: error },
      );
    }
  }

  reply(reply: SlotReply): void {
    this.#port?.postMessage(reply);
    this.control.wake();
  }

  async terminate(): Promise<void> {
    this.control.cancel(this.control.running);
    this.#port?.close();
    this.#port = null;
    this.#events.onGone(this);
  }

  async start(): Promise<void> {
    await this.#init();
  }

  async #init(): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    port1.on("message", (message: SlotMessage) => this.#events.onMessage(this, message));
    port1.unref();
    this.#port = port1;
    const init: Omit<SlotInit, "port"> = {
      kind: "init",
      settings: { ...this.#settings, slot: 0 },
      control: this.control.memory,
    };
    await this.#call(init, port2);
  }
}
