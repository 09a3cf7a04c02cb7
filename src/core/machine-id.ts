// What tells one machine from another: workers with the same id may read each other's files. The boot id changes with every
// start and differs between containers' hosts; a container with its own /proc but a host's disk still has the same one, so
// readers also look whether a directory is there.

import { readFileSync } from "node:fs";
import { hostname } from "node:os";

let known: string | null = null;

export function machineId(): string {
  known ??= read();
  return known;
}

function read(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch (error) {
    // Not Linux: host names are the next best.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return hostname();
  }
}
