// The outside of decommissioning: questions of administrators, lines in the log and in the sessions' event logs, and the memory
// of who has left (whoever started the process asks before starting it again). What happens to a worker the machine decides.

import { MillraceError } from "../core/errors.js";
import { type WorkerId, workerId } from "../core/ids.js";
import { formatBytes } from "../core/sizes.js";
import type { DecommissionCommand, DecommissionCounts, DecommissionProgress } from "./decommission/index.js";
import type { MasterEvent } from "./events.js";
import type { MasterView } from "./machine/view.js";
import type { SessionLog } from "./session-log.js";

/** What an administrator is told of a worker that is to go. */
export type Departure =
  | { readonly kind: "leaving"; readonly worker: string; readonly progress: DecommissionProgress }
  | {
      readonly kind: "left";
      readonly worker: string;
      readonly reason: string;
      readonly elapsedMs: number;
      readonly counts: DecommissionCounts;
    };

export interface DeparturesParts {
  readonly view: MasterView;
  now(): number;
  handle(event: MasterEvent): void;
  /** Of every open session. */
  logs(): Iterable<SessionLog>;
  log(message: string): void;
}

/** Workers that have left, remembered at most. */
const MAX_REMEMBERED = 1_000;

export class Departures {
  readonly #parts: DeparturesParts;
  readonly #left = new Map<WorkerId, Departure & { readonly kind: "left" }>();

  constructor(parts: DeparturesParts) {
    this.#parts = parts;
  }

  /** `{ worker, timeoutMs }`: it shall go. @throws UNKNOWN_WORKER, PROTOCOL_ERROR */
  ask(question: unknown): Departure {
    const { timeoutMs = null } = question as { timeoutMs?: unknown };
    if (timeoutMs !== null && !(typeof timeoutMs === "number" && Number.isFinite(timeoutMs) && timeoutMs >= 0))
      throw new MillraceError("PROTOCOL_ERROR", `a worker was to leave within ${String(timeoutMs)} ms`);
    const worker = nameIn(question);
    if (!this.#isThere(worker) && !this.#left.has(worker)) throw this.#unknown(worker);
    this.decommission(worker, "an administrator asked for it", timeoutMs);
    return this.tell(question);
  }

  /** `{ worker }`: how far it is. @throws UNKNOWN_WORKER, PROTOCOL_ERROR */
  tell(question: unknown): Departure {
    const worker = nameIn(question);
    const progress = this.#parts.view.decommission(worker, this.#parts.now());
    const left = this.#left.get(worker);
    if (left !== undefined) return left;
    if (progress === null) throw this.#unknown(worker);
    return { kind: "leaving", worker, progress };
  }

  /** Lets a worker go: null takes the master's `decommission.timeout`. One that is not there is left alone. */
  decommission(worker: WorkerId, reason: string, timeoutMs: number | null): void {
    this.#parts.handle({ kind: "decommissionAsked", worker, reason, timeoutMs });
  }

  isLeavingOrLeft(worker: WorkerId): boolean {
    return this.#left.has(worker) || this.#parts.view.decommission(worker, this.#parts.now()) !== null;
  }

  /** One of that name is there (again). */
  registered(worker: WorkerId): void {
    if (this.#parts.view.decommission(worker, this.#parts.now()) === null) this.#left.delete(worker);
  }

  started(command: DecommissionCommand & { kind: "decommissionStarted" }): void {
    const { worker, reason, timeoutMs } = command;
    this.#parts.log(`worker ${worker} is being decommissioned (${reason}); it leaves within ${timeoutMs / 1000} s`);
    for (const log of this.#parts.logs()) log.decommissionStarted(command);
  }

  ended(command: DecommissionCommand & { kind: "decommissionEnded" }): void {
    const { worker, reason, elapsedMs, counts } = command;
    const { outputsMoved, cachedMoved, bytesMoved, blocksLeft } = counts;
    const moved = `${outputsMoved} map outputs and ${cachedMoved} cached partitions (${formatBytes(bytesMoved)}) were moved`;
    const lost =
      blocksLeft === 0 ? "" : `; ${blocksLeft} blocks go with it and are computed again where they are needed`;
    this.#parts.log(`worker ${worker} leaves: ${reason}; ${moved}${lost}`);
    for (const log of this.#parts.logs()) log.decommissionEnded(command);
    this.#left.delete(worker);
    this.#left.set(worker, { kind: "left", worker, reason, elapsedMs, counts });
    const oldest = this.#left.keys().next();
    if (this.#left.size > MAX_REMEMBERED && oldest.done !== true) this.#left.delete(oldest.value);
  }

  #isThere(worker: WorkerId): boolean {
    return this.#parts.view.workers.some(({ id }) => id === worker);
  }

  #unknown(worker: string): MillraceError {
    const known = this.#parts.view.workers.map(({ id }) => id);
    const there = known.length === 0 ? "none is there" : `there are ${known.slice(0, 20).join(", ")}`;
    return new MillraceError("UNKNOWN_WORKER", `this master has no worker ${worker}: ${there}`, {
      fields: { worker, workers: known },
    });
  }
}

function nameIn(question: unknown): WorkerId {
  const { worker } = question as { worker?: unknown };
  if (typeof worker !== "string" || worker === "")
    throw new MillraceError("PROTOCOL_ERROR", "the master was asked about a worker without its id");
  return workerId(worker);
}
