// What happens to single attempts: how long they take, how they end, what their disk does. Drawn when an attempt begins.

import { formatTaskKey, type TaskKey } from "../../src/core/ids.js";
import type { RunFate } from "./cluster/slot.js";
import type { FaultBudget } from "./faults.js";
import type { DiskFault } from "./world/disk.js";
import type { Random } from "./world/random.js";

export interface FateParts {
  readonly random: Random;
  readonly faults: FaultBudget;
  /** Whether something ends a task that does not end by itself. */
  readonly tasksTimeOut: boolean;
  isDoomed(key: TaskKey): boolean;
}

const SLOW_MS = 100;

export function drawFate({ random, faults, tasksTimeOut, isDoomed }: FateParts, key: TaskKey): RunFate {
  const runMs = random.chance(0.1) ? SLOW_MS + random.below(200) : 1 + random.below(20);
  const task = formatTaskKey(key);
  const fate = { runMs, end: "well", disk: null, deaf: random.chance(0.2), crashAfter: false } as const;
  if (isDoomed(key)) return { ...fate, end: "error" };
  if (tasksTimeOut && faults.charged(0.02, `hang of ${task}`)) return { ...fate, end: "hang", deaf: true };
  if (faults.charged(0.02, `death at ${task}`)) return { ...fate, end: "death" };
  // Slow ones oftener: another attempt may have been launched beside them.
  if (faults.charged(runMs >= SLOW_MS ? 0.2 : 0.03, `error in ${task}`)) return { ...fate, end: "error" };
  // Also in the middle of a commit, file there, report lost.
  if (faults.charged(0.015, `crash after ${task}`)) return { ...fate, crashAfter: true };
  const disk = drawDiskFault(random, faults, task);
  return disk === null ? fate : { ...fate, disk };
}

function drawDiskFault(random: Random, faults: FaultBudget, task: string): DiskFault | null {
  const kinds = [
    ["full", 0.02],
    ["unreadable", 0.02],
    ["garbled", 0.02],
    ["crash", 0.01],
  ] as const;
  for (const [kind, p] of kinds) {
    if (faults.charged(p, `${kind} disk in ${task}`)) return { kind, left: random.below(6), fired: false };
  }
  return null;
}
