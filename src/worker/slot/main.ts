// Entry of a slot thread: piscina calls the default export with the slot's port, then with a call that lasts as long as the
// thread; runs come over the port. A run as a task of piscina's own would cost an empty task a seventh more.

import type { MessagePort } from "node:worker_threads";
import { toWireError } from "../../core/errors.js";
import { SlotHost } from "./host.js";
import type { SlotAnswer, SlotCall, SlotOutcome, SlotReply, SlotRun } from "./messages.js";
import { SystemThreadMeter } from "./thread-meter.js";

const host = new SlotHost(true, new SystemThreadMeter(true));

export default async function call(message: SlotCall): Promise<void> {
  if (message.kind === "stay") return new Promise(() => undefined);
  const { port } = message;
  await host.call(message);
  port.on("message", (said: SlotRun | SlotReply) => {
    if ("kind" in said) void host.runAll(said, (at, outcome) => post(port, said.run + at, outcome));
    else host.accept(said);
  });
  port.unref();
}

/** Gives what was told. */
function post(port: MessagePort, run: number, outcome: SlotOutcome): SlotOutcome {
  const tell = (answer: SlotAnswer) => port.postMessage(answer);
  try {
    tell({ kind: "outcome", run, outcome });
    return outcome;
  } catch (error) {
    // Something of the user's that cannot be cloned: the error says what.
    const failed: SlotOutcome = { kind: "failed", error: toWireError(error), metrics: {} };
    tell({ kind: "outcome", run, outcome: failed });
    return failed;
  }
}
