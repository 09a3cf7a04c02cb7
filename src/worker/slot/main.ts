// Entry of a slot thread: piscina calls the default export with the slot's port, then with a call that lasts as long as the
// thread; runs come over the port. A run as a task of piscina's own would cost an empty task a seventh more.

import { toWireError } from "../../core/errors.js";
import { SlotHost } from "./host.js";
import type { SlotAnswer, SlotCall, SlotReply, SlotRun } from "./messages.js";
import { SystemThreadMeter } from "./thread-meter.js";

const host = new SlotHost(true, new SystemThreadMeter(true));

export default async function call(message: SlotCall): Promise<void> {
  if (message.kind === "stay") return new Promise(() => undefined);
  const { port } = message;
  await host.call(message);
  port.on("message", (said: SlotRun | SlotReply) => {
    if ("kind" in said) void run(said, (answer) => port.postMessage(answer));
    else host.accept(said);
  });
  port.unref();
}

async function run(call: SlotRun, post: (answer: SlotAnswer) => void): Promise<void> {
  const outcome = await host.run(call);
  try {
    post({ kind: "outcome", run: call.run, outcome });
  } catch (error) {
    // Something of the user's that cannot be cloned: the error says what.
    post({
      kind: "outcome",
      run: call.run,
      outcome: { kind: "failed", error: toWireError(error), metrics: {} },
    });
  }
}
