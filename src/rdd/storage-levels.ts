// Spark's storage levels and what they mean here. A cached partition is always encoded, in memory that all slots of a process
// share, or in a file; there is one copy of it.

import type { StorageLevel } from "../plan/lineage.js";
import { invalidArgument } from "../session/arguments.js";

/** What `persist` takes. */
export type PersistLevel =
  | Exclude<StorageLevel, "NONE">
  | "MEMORY_ONLY_SER"
  | "MEMORY_AND_DISK_SER"
  /** Spark's OFF_HEAP spills to disk too. */
  | "OFF_HEAP";

const kept: Readonly<Record<PersistLevel, Exclude<StorageLevel, "NONE">>> = {
  MEMORY_ONLY: "MEMORY_ONLY",
  MEMORY_AND_DISK: "MEMORY_AND_DISK",
  DISK_ONLY: "DISK_ONLY",
  MEMORY_ONLY_SER: "MEMORY_ONLY",
  MEMORY_AND_DISK_SER: "MEMORY_AND_DISK",
  OFF_HEAP: "MEMORY_AND_DISK",
};

/** Spark's words for a level, as toDebugString prints them. */
export const levelText: Readonly<Record<StorageLevel, string>> = {
  NONE: "",
  MEMORY_ONLY: "Memory Serialized 1x Replicated",
  MEMORY_AND_DISK: "Disk Memory Serialized 1x Replicated",
  DISK_ONLY: "Disk Serialized 1x Replicated",
};

export function keptLevel(method: string, level: unknown): Exclude<StorageLevel, "NONE"> {
  if (typeof level === "string" && Object.hasOwn(kept, level)) return kept[level as PersistLevel];
  if (level === "NONE")
    throw invalidArgument(method, "level", "a level that keeps something; unpersist() drops it", level);
  const plain = /^((?:MEMORY_ONLY|MEMORY_AND_DISK|DISK_ONLY)(?:_SER)?)_[23]$/.exec(String(level))?.[1];
  const levels = Object.keys(kept).map((name) => `"${name}"`);
  const expected =
    plain === undefined
      ? `one of ${levels.join(", ")}`
      : `a level of one copy: use "${plain}", with which a lost partition is computed again, or checkpoint(), which keeps it in files;`;
  throw invalidArgument(method, "level", expected, level);
}
