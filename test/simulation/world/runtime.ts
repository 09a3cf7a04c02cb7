// What the sources under simulation use in place of the system's time: bundle.ts puts these calls where setTimeout,
// performance.now and their like stand. Each acts on the node whose step it is: a step of the clock belongs to exactly one node,
// and all that follows of it (promises) is settled before the next step.

import type { SimulatedNode, Timer } from "./node.js";

let current: SimulatedNode | null = null;

/** From now on code runs for `node`. */
export function enter(node: SimulatedNode | null): void {
  current = node;
}

export function here(): SimulatedNode {
  if (current === null) throw new Error("code of a node runs outside of every node");
  return current;
}

/** Called where a slot would block: throws. Set while an attempt runs (cluster/slot.ts). */
let blocked: (() => never) | null = null;

export function onBlocked(act: (() => never) | null): void {
  blocked = act;
}

const runtime = {
  now: (): number => current?.now ?? 0,
  /** Whole milliseconds since 1970, of the node's own clock. */
  dateNow: (): number => Math.floor(current?.wallMs ?? 0),
  setTimeout: (act: () => void, ms = 0): Timer => here().timer(act, ms, false),
  setInterval: (act: () => void, ms = 0): Timer => here().timer(act, ms, true),
  setImmediate: (act: () => void): Timer => here().timer(act, 0, false),
  clearTimer: (timer: Timer | null | undefined): void => timer?.stop(),
  signalAfter: (ms: number): AbortSignal => {
    const controller = new AbortController();
    here().timer(() => controller.abort(new Error(`nothing came for ${ms} ms`)), ms, false);
    return controller.signal;
  },
  atomicsWait: (): void => {
    if (blocked === null) throw new Error("something waits by Atomics.wait outside of an attempt");
    blocked();
  },
  rss: (): number => 1,
  get pid(): number {
    return current?.pid ?? 0;
  },
  /** Signal 0 asks whether a process lives. */
  kill: (pid: number): boolean => {
    if (here().lives(pid)) return true;
    throw Object.assign(new Error("no such process"), { code: "ESRCH" });
  },
};

/** Names that bundle.ts replaces, with what stands there then. */
export const replacedGlobals: Readonly<Record<string, string>> = {
  "performance.now": "__simulated.now",
  "Date.now": "__simulated.dateNow",
  setTimeout: "__simulated.setTimeout",
  setInterval: "__simulated.setInterval",
  setImmediate: "__simulated.setImmediate",
  clearTimeout: "__simulated.clearTimer",
  clearInterval: "__simulated.clearTimer",
  clearImmediate: "__simulated.clearTimer",
  "AbortSignal.timeout": "__simulated.signalAfter",
  "Atomics.wait": "__simulated.atomicsWait",
  "process.memoryUsage.rss": "__simulated.rss",
  "process.pid": "__simulated.pid",
  "process.kill": "__simulated.kill",
};

export function installRuntime(): void {
  (globalThis as { __simulated?: typeof runtime }).__simulated = runtime;
}
