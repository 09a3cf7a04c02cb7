// Who takes a block of a leaving worker: a core worker before a task worker (which may vanish at any time), one on another node
// before one on the same (which may be what is going), and of these the one that was given least.

import type { WorkerId } from "../../core/ids.js";
import type { Receiver } from "./state.js";

/** null: nobody is left who has not refused it. */
export function chooseReceiver(
  receivers: readonly Receiver[],
  fromNode: string,
  refusedBy: ReadonlySet<WorkerId>,
  givenBytes: ReadonlyMap<WorkerId, number>,
): WorkerId | null {
  let best: Receiver | null = null;
  for (const receiver of receivers) {
    if (refusedBy.has(receiver.worker)) continue;
    if (best === null || isBetter(receiver, best, fromNode, givenBytes)) best = receiver;
  }
  return best?.worker ?? null;
}

function isBetter(
  one: Receiver,
  other: Receiver,
  fromNode: string,
  givenBytes: ReadonlyMap<WorkerId, number>,
): boolean {
  const rank = ({ role, node }: Receiver) => (role === "core" ? 0 : 2) + (node === fromNode ? 1 : 0);
  if (rank(one) !== rank(other)) return rank(one) < rank(other);
  return (givenBytes.get(one.worker) ?? 0) < (givenBytes.get(other.worker) ?? 0);
}
