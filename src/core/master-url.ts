// Master URLs, read once into a union that everybody branches on.

import { MillraceError } from "./errors.js";
import { parseBytes } from "./sizes.js";

export type MasterUrl =
  /** Tasks on the calling thread, one at a time: a breakpoint in the user's program stops there. */
  | { readonly kind: "local" }
  /** Slots in the driver's process; "all": as many as the machine gives. */
  | { readonly kind: "slots"; readonly slots: number | "all" }
  /** Processes here that end with the session. Memory is that of one worker. */
  | {
      readonly kind: "cluster";
      readonly coreWorkers: number;
      readonly taskWorkers: number;
      readonly slots: number;
      readonly memoryBytes: number;
    }
  /** A master that runs already. */
  | { readonly kind: "remote"; readonly host: string; readonly port: number };

/** More slots or workers in one URL are taken for a slip. */
const maxCount = 1024;
/** A worker cannot start in less. */
const minWorkerBytes = 64 * 1024 * 1024;

const forms =
  "local, local[N], local[*], local-cluster[workers,slots,memory] (memory as 1g or in MB; workers as 2+1 for two core and one task worker) or millrace://host:port";

export function parseMasterUrl(text: unknown): MasterUrl {
  if (typeof text !== "string") throw invalid(String(text), "it is no text");
  const url = text.trim();
  if (url === "local") return { kind: "local" };
  const local = /^local\[([^\]]*)\]$/.exec(url);
  if (local !== null) return parseSlots(url, local[1]!.trim());
  const cluster = /^local-cluster\[([^\]]*)\]$/.exec(url);
  if (cluster !== null) return parseCluster(url, cluster[1]!);
  if (url.startsWith("millrace://")) return parseRemote(url);
  if (url.startsWith("spark://")) throw invalid(url, "Spark's masters speak another protocol");
  if (/^local-cluster/.test(url)) throw invalid(url, "local-cluster needs [workers,slots,memory]");
  throw invalid(url, "no form begins so");
}

/** The inverse of parseMasterUrl, in the one spelling of ours. */
export function formatMasterUrl(master: MasterUrl): string {
  switch (master.kind) {
    case "local":
      return "local";
    case "slots":
      return `local[${master.slots === "all" ? "*" : master.slots}]`;
    case "cluster": {
      const workers = master.taskWorkers === 0 ? master.coreWorkers : `${master.coreWorkers}+${master.taskWorkers}`;
      return `local-cluster[${workers},${master.slots},${Math.round(master.memoryBytes / 2 ** 20)}]`;
    }
    case "remote":
      return `millrace://${master.host.includes(":") ? `[${master.host}]` : master.host}:${master.port}`;
  }
}

function parseSlots(url: string, text: string): MasterUrl {
  if (text === "*") return { kind: "slots", slots: "all" };
  return { kind: "slots", slots: parseCount(url, text, "slots") };
}

function parseCluster(url: string, text: string): MasterUrl {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length !== 3) throw invalid(url, `local-cluster needs three values and has ${parts.length}`);
  const [workers, slots, memory] = parts as [string, string, string];
  const [core, task, more] = workers.split("+").map((part) => part.trim());
  if (more !== undefined) throw invalid(url, "workers are written as 2 or as 2+1");
  let memoryBytes: number;
  try {
    memoryBytes = parseBytes(memory, { plainUnit: "m" });
  } catch (cause) {
    throw invalid(url, `the memory ${JSON.stringify(memory)} is no size`, cause);
  }
  if (memoryBytes < minWorkerBytes) throw invalid(url, `a worker needs at least 64m of memory, ${memory} is less`);
  return {
    kind: "cluster",
    coreWorkers: parseCount(url, core!, "workers"),
    taskWorkers: task === undefined || task === "0" ? 0 : parseCount(url, task, "task workers"),
    slots: parseCount(url, slots, "slots"),
    memoryBytes,
  };
}

function parseRemote(url: string): MasterUrl {
  const match = /^millrace:\/\/(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d+))?\/?$/.exec(url);
  if (match === null) throw invalid(url, "the host and port cannot be read");
  const port = Number(match[3]);
  if (match[3] === undefined) throw invalid(url, "the port is missing");
  if (port < 1 || port > 65_535) throw invalid(url, `${match[3]} is no port: 1 to 65535`);
  return { kind: "remote", host: (match[1] ?? match[2])!, port };
}

function parseCount(url: string, text: string, what: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= maxCount) return count;
  throw invalid(
    url,
    `the number of ${what} is ${JSON.stringify(text)}, a whole number from 1 to ${maxCount} was expected`,
  );
}

function invalid(url: string, reason: string, cause?: unknown): MillraceError {
  return new MillraceError(
    "INVALID_MASTER_URL",
    `the master URL ${JSON.stringify(url)} is not valid: ${reason}. Use ${forms}.`,
    {
      fields: { url },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
