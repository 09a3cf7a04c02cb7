// Free space under a worker's local directory: below `disk.minFree`, or a tenth of a smaller disk, the worker says that it is
// short and gets no new tasks until there is room again. One system call a look, none a record.

import { statfsSync } from "node:fs";
import type { DiskState } from "../protocol/worker.js";

/** Of the whole disk: a small one is not short from the start. */
const SMALL_DISK_FRACTION = 0.1;

export class DiskWatch {
  #wasShort = false;

  constructor(
    private readonly path: string,
    private readonly minFreeBytes: number,
    private readonly log: (message: string) => void,
  ) {}

  /** null where the system does not tell. */
  look(): DiskState | null {
    let freeBytes: number;
    let totalBytes: number;
    try {
      const { bavail, blocks, bsize } = statfsSync(this.path);
      freeBytes = bavail * bsize;
      totalBytes = blocks * bsize;
    } catch (error) {
      if (error instanceof Error) return null;
      throw error;
    }
    const isShort = freeBytes < leastFree(this.minFreeBytes, totalBytes);
    if (isShort !== this.#wasShort) {
      this.#wasShort = isShort;
      const state = isShort ? "is short of space, so this worker takes no new tasks" : "has room again";
      this.log(`the disk of ${this.path} ${state}: ${freeBytes} bytes are free (disk.minFree)`);
    }
    return { freeBytes, isShort };
  }
}

export function leastFree(minFreeBytes: number, totalBytes: number): number {
  return Math.min(minFreeBytes, totalBytes * SMALL_DISK_FRACTION);
}
