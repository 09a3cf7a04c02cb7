// How many files this process may have open, and the share of it that caches of open files may take. The rest is for sockets,
// spills, part files and whatever user functions open: those fail with EMFILE where a cache could simply have closed one.

import { readFileSync } from "node:fs";

/** Where the system does not say. POSIX systems allow at least so many by default. */
const ASSUMED_LIMIT = 1024;
/** Of the limit, for all caches of a process together. */
const CACHED_FRACTION = 0.5;

/** The soft limit of this process, which Node has raised to the hard one. */
export function openFileLimit(): number {
  let text: string;
  try {
    text = readFileSync("/proc/self/limits", "latin1");
  } catch (error) {
    // No /proc on this system.
    if (error instanceof Error) return ASSUMED_LIMIT;
    throw error;
  }
  return parseOpenFileLimit(text);
}

/** From the text of /proc/<pid>/limits. */
export function parseOpenFileLimit(text: string): number {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  if (soft === "unlimited") return Number.MAX_SAFE_INTEGER;
  const limit = Number(soft);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : ASSUMED_LIMIT;
}

/** Files that each of `caches` caches of a process may keep open: at least 8, at most `most`. */
export function openFilesShare(limit: number, caches: number, most: number): number {
  return Math.max(8, Math.min(most, Math.floor((limit * CACHED_FRACTION) / caches)));
}
