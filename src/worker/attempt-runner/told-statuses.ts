// What the master was told of attempts that have ended, kept to be told again after a broken stream: those that ended lately,
// whose word may have been lost, and all whose result is a file here. Such a file goes by the master's word alone, and a master
// that has given the worker up meanwhile does not know that it is there.

import { formatTaskKey, type SessionId, type TaskKey } from "../../core/ids.js";
import type { TaskStatus } from "../../protocol/tasks.js";

type Ended = Extract<TaskStatus, { readonly kind: "ended" }>;

/** Remembered at most, besides those with a result here. */
const MAX_RECENT = 4096;
/** Fewer are not looked through. */
const MIN_RECENT = 64;

export class ToldStatuses {
  /** Latest last. */
  #recent: { readonly status: Ended; readonly atMs: number }[] = [];
  /** By the attempt's name, until the master lets its result go. */
  readonly #results = new Map<string, Ended>();

  /** `retellMs`: how long one without a result here is remembered. */
  constructor(private readonly retellMs: number) {}

  add(statuses: readonly TaskStatus[], now: number): void {
    for (const status of statuses) {
      if (status.kind !== "ended") continue;
      if (hasResultHere(status)) this.#results.set(formatTaskKey(status.key), status);
      else this.#recent.push({ status, atMs: now });
    }
    this.#forget(now);
  }

  /** The master has taken them, or does not want them. */
  resultsReleased(keys: readonly TaskKey[]): void {
    for (const key of keys) this.#results.delete(formatTaskKey(key));
  }

  sessionDropped(session: SessionId): void {
    for (const [name, { key }] of this.#results) if (key.session === session) this.#results.delete(name);
    this.#recent = this.#recent.filter(({ status }) => status.key.session !== session);
  }

  /** Sessions of which a result is here. */
  get sessions(): Set<SessionId> {
    return new Set([...this.#results.values()].map(({ key }) => key.session));
  }

  /** Those of the sessions that live. */
  again(live: ReadonlySet<SessionId>, now: number): Ended[] {
    const isOfUse = ({ key }: Ended) => live.has(key.session);
    this.#recent = this.#recent.filter(({ atMs, status }) => now - atMs <= this.retellMs && isOfUse(status));
    return [...[...this.#results.values()].filter(isOfUse), ...this.#recent.map(({ status }) => status)];
  }

  /** Half of them at a time, so that a status costs O(1). */
  #forget(now: number): void {
    const { length } = this.#recent;
    if (length < MIN_RECENT) return;
    const middle = this.#recent[length >> 1]?.atMs ?? now;
    if (length < MAX_RECENT && now - middle < this.retellMs) return;
    this.#recent = this.#recent.slice(length >> 1);
  }
}

function hasResultHere({ outcome }: Ended): boolean {
  return outcome.kind === "succeeded" && outcome.result.kind === "block";
}
