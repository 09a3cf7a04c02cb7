// What each fault is tried with: memory that suffices and memory that makes every task spill, blocks read from files of the
// same machine and fetched from other processes, second attempts of slow tasks or none. MILLRACE_INTERNAL_CHAOS_ALL=1 tries
// every combination; without it the two that have all of it in them.

import type { SessionOptions } from "../../../src/index.js";
import type { Setting } from "./harness.js";

export interface ChaosSetting extends Setting {
  /** Blocks travel between processes. */
  readonly remote: boolean;
  readonly spills: boolean;
  readonly speculates: boolean;
}

/** Nearly everything counts as slow: copies come with every fault, and without one. */
const hasty: SessionOptions = {
  speculation: true,
  "speculation.interval": "5ms",
  "speculation.quantile": 0.1,
  "speculation.multiplier": 1,
  "speculation.minTaskRuntime": "1ms",
  "speculation.processRateMultiplier": 1,
  "speculation.longRunTaskFactor": 1,
};

const flags = [false, true];

const all: readonly ChaosSetting[] = flags.flatMap((spills) =>
  flags.flatMap((remote) =>
    flags.map((speculates) => ({
      name: [
        spills ? "spilling" : "in memory",
        remote ? "fetched" : "read from files",
        ...(speculates ? ["speculation"] : []),
      ].join(", "),
      remote,
      spills,
      speculates,
      options: {
        "shuffle.localReads": !remote,
        ...(spills ? { "memory.taskBytes": "64k" } : {}),
        ...(speculates ? hasty : {}),
      },
    })),
  ),
);

export const everything = process.env.MILLRACE_INTERNAL_CHAOS_ALL === "1";

const both = all.filter(
  ({ spills, remote, speculates }) => (!spills && !remote && !speculates) || (spills && remote && speculates),
);

export const settings: readonly ChaosSetting[] = everything ? all : both;
