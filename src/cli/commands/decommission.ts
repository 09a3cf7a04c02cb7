// `millrace worker decommission`: tells a master to let one of its workers go, and waits until it has left.

import { setTimeout as sleep } from "node:timers/promises";
import { MillraceError } from "../../core/errors.js";
import { formatBytes, parseDuration } from "../../core/sizes.js";
import type { DecommissionProgress } from "../../master/decommission/index.js";
import type { Departure } from "../../master/departures.js";
import type { DecommissionFlags } from "../flags.js";
import { dialMaster } from "../remote-master.js";

const ASK_EVERY_MS = 250;
/** How long after its time a worker may still be there before this command gives up. */
const OVERDUE_MS = 30_000;

export async function decommission(id: string, flags: DecommissionFlags): Promise<void> {
  const timeoutMs = flags.timeout === undefined ? null : parseDuration(flags.timeout, "--timeout");
  const channel = await dialMaster(flags.master, "decommission", flags);
  const tell = (line: string) => void (flags.json === true || process.stdout.write(`${line}\n`));
  try {
    let departure = (await channel.ask({ ask: "decommission", worker: id, timeoutMs })) as Departure;
    let told = "";
    for (let deadline: number | null = null; departure.kind === "leaving"; ) {
      const { progress } = departure;
      const line = `worker ${id} is leaving: ${describeWaiting(progress)}`;
      if (line !== told) tell(line);
      told = line;
      if (!flags.wait) break;
      deadline ??= Date.now() + progress.leavesInMs + OVERDUE_MS;
      if (Date.now() > deadline) throw stillThere(id, flags.master);
      await sleep(ASK_EVERY_MS);
      departure = (await channel.ask({ ask: "departure", worker: id })) as Departure;
    }
    if (flags.json === true) process.stdout.write(`${JSON.stringify(departure, null, 2)}\n`);
    else if (departure.kind === "left") tell(describeLeft(departure));
  } finally {
    channel.close();
  }
}

export function describeWaiting(progress: DecommissionProgress): string {
  const { attempts, results, readers, blocksLeft, bytesLeft } = progress;
  const parts = [
    attempts === 0 ? "" : `${attempts} attempts run`,
    blocksLeft === 0 ? "" : `${blocksLeft} blocks (${formatBytes(bytesLeft)}) are to be moved`,
    results === 0 ? "" : `${results} results are to be taken by their drivers`,
    readers === 0 ? "" : `${readers} attempts elsewhere may still read from it`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "nothing keeps it" : parts.join(", ");
}

export function describeLeft({ worker, reason, elapsedMs, counts }: Departure & { readonly kind: "left" }): string {
  const { outputsMoved, cachedMoved, bytesMoved, blocksLeft } = counts;
  const moved = `${outputsMoved} map outputs and ${cachedMoved} cached partitions (${formatBytes(bytesMoved)}) were moved`;
  const lost = blocksLeft === 0 ? "nothing was lost" : `${blocksLeft} blocks were lost with it`;
  return `worker ${worker} has left after ${(elapsedMs / 1000).toFixed(1)} s: ${reason}; ${moved}, ${lost}`;
}

function stillThere(id: string, master: string): MillraceError {
  return new MillraceError(
    "TIMEOUT",
    `worker ${id} was to leave and is still there; \`millrace status --master ${master}\` shows it`,
    {
      fields: { worker: id },
    },
  );
}
