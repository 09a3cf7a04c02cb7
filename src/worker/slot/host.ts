// What lives in a slot: settings, the blocking channel to the main thread, the fragments and functions of the one session
// that it serves, and the run of one attempt after the other. main.ts puts it on a piscina thread; `local` puts it on the
// user's own thread.

import { MillraceError, toWireError } from "../../core/errors.js";
import { formatTaskKey } from "../../core/ids.js";
import { unpack } from "../../core/packed.js";
import { functionsIn } from "../../plan/function.js";
import type { Fragment } from "../../plan/stages.js";
import { ownThreadNumber } from "../touched-pages.js";
import { BlockingChannel } from "./blocking-channel.js";
import { collectIfAsked } from "./collect-garbage.js";
import { ConsoleCapture } from "./console-capture.js";
import { ControlRow } from "./control-row.js";
import { heapBytes } from "./heap-bytes.js";
import type { SlotInit, SlotMessage, SlotOutcome, SlotReply, SlotRun, SlotSettings } from "./messages.js";
import { runAttempt } from "./run-attempt.js";
import { SlotSession } from "./slot-session.js";
import { runInTurn } from "./tasks-in-turn.js";
import type { ThreadMeter } from "./thread-meter.js";

interface Ready {
  readonly settings: SlotSettings;
  readonly control: ControlRow;
  readonly channel: BlockingChannel;
  readonly console: ConsoleCapture | null;
}

export class SlotHost {
  #ready: Ready | null = null;
  #session: SlotSession | null = null;
  readonly #fragments = new Map<string, { readonly fragment: Fragment; prepared: boolean }>();

  /** `captureConsole`: only where the thread belongs to millrace. `meter` null: nothing is known of the thread. */
  constructor(
    private readonly captureConsole: boolean,
    private readonly meter: ThreadMeter | null = null,
  ) {}

  async call(call: SlotInit | SlotRun): Promise<SlotOutcome | null> {
    if (call.kind === "run") return this.run(call);
    this.#init(call);
    return null;
  }

  /** A reply that came while the thread was not waiting for one. */
  accept(reply: SlotReply): void {
    this.#ready?.channel.accept(reply);
  }

  #init(call: SlotInit): void {
    const control = new ControlRow(call.control);
    control.thread = ownThreadNumber();
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

  /** The call's task and those after it; `ended` as runInTurn says. */
  runAll(call: SlotRun, ended: (at: number, outcome: SlotOutcome) => SlotOutcome): Promise<void> {
    const { control } = this.#ready as Ready;
    return runInTurn(call, control, (one) => this.run(one), ended);
  }

  /** Never rejects: whatever goes wrong is an outcome. */
  async run(call: SlotRun): Promise<SlotOutcome> {
    const ready = this.#ready as Ready;
    const { key } = call.launch;
    ready.control.setRunning(call.run);
    ready.console?.begin(key);
    try {
      if (this.#session?.id !== key.session) {
        this.#session?.close();
        this.#session = new SlotSession(key.session, ready.channel, ready.settings);
        this.#fragments.clear();
      }
      for (const hash of call.forget?.fragments ?? []) this.#fragments.delete(hash);
      for (const shuffle of call.forget?.shuffles ?? []) this.#session.fetchPlans.delete(shuffle);
      if (call.fragment !== null)
        this.#fragments.set(call.launch.fragment, { fragment: unpack<Fragment>(call.fragment), prepared: false });
      const known = this.#fragments.get(call.launch.fragment);
      if (known === undefined)
        throw new MillraceError(
          "INTERNAL",
          `slot ${ready.settings.slot} was not given the fragment of ${formatTaskKey(key)}`,
        );
      for (const locations of call.locations) this.#session.learn(locations);
      const outcome = await runAttempt(
        known.fragment,
        known.prepared ? null : functionsIn(known.fragment),
        call,
        this.#session,
        ready,
        this.meter,
      );
      known.prepared = outcome.kind === "succeeded" || known.prepared;
      return outcome;
    } catch (error) {
      return { kind: "failed", error: toWireError(error), metrics: {} };
    } finally {
      ready.console?.end();
      collectIfAsked(ready.control);
      // What an idle slot still holds is the slots', not the driver's (memory-watch.ts).
      ready.control.report(heapBytes(), Date.now());
      ready.control.setRunning(0);
    }
  }
}
