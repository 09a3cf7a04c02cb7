// What each fault is tried with: memory that suffices and memory that makes every task spill, blocks read from files of the
// same machine and fetched from other processes. MILLRACE_INTERNAL_CHAOS_ALL=1 tries every combination; without it the two
// that have all of it in them.

import type { Setting } from "./harness.js";

export interface ChaosSetting extends Setting {
  /** Blocks travel between processes. */
  readonly remote: boolean;
}

const flags = [false, true];

const all: readonly ChaosSetting[] = flags.flatMap((spills) =>
  flags.map((remote) => ({
    name: `${spills ? "spilling" : "in memory"}, ${remote ? "fetched" : "read from files"}`,
    remote,
    options: {
      "shuffle.localReads": !remote,
      ...(spills ? { "memory.taskBytes": "64k" } : {}),
    },
  })),
);

export const everything = process.env.MILLRACE_INTERNAL_CHAOS_ALL === "1";

export const settings: readonly ChaosSetting[] = everything ? all : [all[0] as ChaosSetting, all[3] as ChaosSetting];
