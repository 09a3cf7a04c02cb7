// In place of node:fs/promises: the same disks, but every call takes a while of the node's time, so that a commit is many steps
// between which anything may happen. Faults of the shared storage are drawn here.

import { systemError } from "./disk.js";
import * as sync from "./fs.js";
import type { Random } from "./random.js";
import { here } from "./runtime.js";

export interface FileHandle {
  stat(): Promise<ReturnType<typeof sync.fstatSync>>;
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(from: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  writeFile(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface SharedStorage {
  readonly random: Random;
  /** Whether a rename (a commit's step) fails; asked once a rename. */
  renameFails(path: string): boolean;
}

let storage: SharedStorage | null = null;

export function mountStorage(mounted: SharedStorage): void {
  storage = mounted;
}

async function takesTime<T>(work: () => T): Promise<T> {
  await here().sleep(1 + (storage?.random.below(6) ?? 0));
  return work();
}

export const mkdir = (path: string, options?: { recursive?: boolean }) =>
  takesTime(() => sync.mkdirSync(path, options));
export const readdir = (path: string, options?: { withFileTypes?: boolean }) =>
  takesTime(() => sync.readdirSync(path, options));
export const stat = (path: string) => takesTime(() => sync.statSync(path));
export const rm = (path: string, options?: { recursive?: boolean; force?: boolean }) =>
  takesTime(() => sync.rmSync(path, options));
export const rename = (from: string, to: string) =>
  takesTime(() => {
    if (storage?.renameFails(from) === true) throw systemError("EIO", from);
    sync.renameSync(from, to);
  });
export const copyFile = (from: string, to: string) => takesTime(() => sync.copyFileSync(from, to));

export function open(path: string, flags?: string): Promise<FileHandle> {
  return takesTime(() => {
    const fd = sync.openSync(path, flags);
    return {
      stat: () => takesTime(() => sync.fstatSync(fd)),
      read: (into, offset, length, position) =>
        takesTime(() => ({ bytesRead: sync.readSync(fd, into, offset, length, position) })),
      write: (from, offset, length) => takesTime(() => ({ bytesWritten: sync.writeSync(fd, from, offset, length) })),
      writeFile: (bytes) => takesTime(() => void sync.writeSync(fd, bytes)),
      close: () => takesTime(() => sync.closeSync(fd)),
    };
  });
}
