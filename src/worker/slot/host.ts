// What lives in a slot: settings, the blocking channel to the main thread, the fragments and functions of the one session
// that it serves, and the run of one attempt after the other. main.ts puts it on a piscina thread; `local` puts it on the
// user's own thread.

import { unpack } from "../../core/packed.js";
import { toWireError } from "../../core/errors.js";
import type { Fragment } from "../../plan/stages.js";
import { BlockingChannel } from "./blocking-channel.js";
import { ConsoleCapture } from "./console-capture.js";
import { ControlRow } from "./control-row.js";
import type { SlotCall, SlotMessage, SlotOutcome, SlotRun, SlotSettings } from "./messages.js";
import { runAttempt } from "./run-attempt.js";
import { SlotSession } from "./slot-session.js";

interface Ready {
  readonly settings: SlotSettings;
  readonly control: ControlRow;
  readonly channel: BlockingChannel;
  readonly console: ConsoleCapture | null;
}

export class SlotHost {
  #ready: Ready | null = null;
  #session: SlotSession | null = null;
  readonly #fragments = new Map<string, Fragment>();

  /** `captureConsole`: only where the thread belongs to millrace. */
  constructor(private readonly captureConsole: boolean) {}

  async call(call: SlotCall): Promise<SlotOutcome | null> {
    if (call.kind === "run") return this.#run(call);
    this.#init(call);
    return null;
  }

  #init(call: SlotCall & { kind: "init" }): void {
    const control = new ControlRow(call.control);
    const post = (message: SlotMessage) => call.port.postMessage(message);
    const capture = this.captureConsole ? new ConsoleCapture(post) : null;
    capture?.install();
    call.port.unref();
    this.#ready = {
      settings: call.settings,
      control,
      channel: new BlockingChannel(call.port, control, call.settings.requestTimeoutMs),
      console: capture,
    };
  }

  async #run(call: SlotRun): Promise<SlotOutcome> {
    const ready = this.#ready as Ready;
    const { key } = call.launch;
    ready.control.setRunning(call.run);
    ready.console?.begin(key);
    try {
      if (this.#session?.id !== key.session) {
        this.#session = new SlotSession(key.session, ready.channel, ready.settings);
        this.#fragments.clear();
      }
      if (call.fragment !== null) this.#fragments.set(call.launch.fragment, unpack<Fragment>(call.fragment));
      const fragment = this.#fragments.get(call.launch.fragment) as Fragment;
      for (const locations of call.locations) this.#session.locations.set(locations.shuffle, locations);
      return await runAttempt(fragment, call, this.#session, ready);
    } catch (error) {
      return { kind: "failed", error: toWireError(error), metrics: emptyMetrics };
    } finally {
      ready.console?.end();
      ready.control.setRunning(0);
    }
  }
}

const emptyMetrics = {
  runMs: 0,
  recordsRead: 0,
  bytesRead: 0,
  recordsWritten: 0,
  bytesWritten: 0,
  shuffleReadBytes: 0,
  shuffleWriteBytes: 0,
  spillBytes: 0,
  peakMemoryBytes: 0,
};
