// A collection of this thread's garbage when the main thread asks for one (worker/memory-pressure.ts). V8 knows of no limit
// near enough to hurry for: the one it has is out of reach, because reaching it ends the process.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ControlRow } from "./control-row.js";

let collector: (() => void) | null = null;

/** Does what the row asks for, and says when it was done and how long it took. */
export function collectIfAsked(control: ControlRow): void {
  if (!control.collectAsked) return;
  const started = performance.now();
  collectGarbage();
  control.collected(performance.now() - started, Date.now());
}

/** All of this isolate's garbage, now. */
export function collectGarbage(): void {
  collector ??= makeCollector();
  collector();
}

/** The flag makes V8 put `gc` into contexts made from now on; user code runs in older ones. */
function makeCollector(): () => void {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as () => void;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}
