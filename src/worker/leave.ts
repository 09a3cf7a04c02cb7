// How a worker means to go: at once, or within a time in which others take what it holds. Both are said again after a broken
// stream, because a master starts over with who registers, and the next one may be another process.

import type { WorkerToMaster } from "../protocol/worker.js";

/** A worker whose time is over waits so long for its master to say so, then it goes by itself. */
const OVERDUE_MS = 5_000;

export class Leave {
  #atOnceFor: string | null = null;
  #within: { readonly reason: string; readonly deadlineMs: number } | null = null;

  /** Whether it has been told, or has said, that it is to go. */
  get isMeant(): boolean {
    return this.#atOnceFor !== null || this.#within !== null;
  }

  atOnce(reason: string): void {
    this.#atOnceFor = reason;
  }

  within(reason: string, timeoutMs: number, now: number): void {
    this.#within = { reason, deadlineMs: now + timeoutMs };
  }

  /** Why it goes now without its master's word; null: it does not. */
  overdue(now: number): string | null {
    const within = this.#within;
    if (within === null || this.#atOnceFor !== null || now < within.deadlineMs + OVERDUE_MS) return null;
    return `its time to leave is over (${within.reason})`;
  }

  /** What a master that has just taken the worker must know. */
  said(now: number): WorkerToMaster | null {
    if (this.#atOnceFor !== null) return { kind: "leaving", reason: this.#atOnceFor };
    if (this.#within === null) return null;
    const { reason, deadlineMs } = this.#within;
    return { kind: "decommission", reason, timeoutMs: Math.max(0, deadlineMs - now) };
  }
}
