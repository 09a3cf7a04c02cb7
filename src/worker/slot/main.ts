// Entry of a slot thread: piscina calls the default export with each SlotCall.

import { SlotHost } from "./host.js";
import type { SlotCall, SlotOutcome } from "./messages.js";

const host = new SlotHost(true);

export default function call(message: SlotCall): Promise<SlotOutcome | null> {
  return host.call(message);
}
