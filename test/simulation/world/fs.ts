// In place of node:fs where workers and file systems under simulation keep their files: the calls that they use, on the
// virtual disks (disk.ts).

import { Disks, type Inode, systemError } from "./disk.js";
import { here } from "./runtime.js";

let disks = new Disks();
const open = new Map<number, { readonly inode: Inode; readonly path: string; at: number }>();
let lastFd = 0;

/** Empty disks, at the start of every run. */
export function mountDisks(): Disks {
  disks = new Disks();
  open.clear();
  lastFd = 0;
  return disks;
}

export function openSync(path: string, flags = "r"): number {
  const inode = disks.open(path, flags);
  open.set(++lastFd, { inode, path, at: 0 });
  return lastFd;
}

export function closeSync(fd: number): void {
  if (!open.delete(fd)) throw systemError("EBADF", String(fd));
}

export function readSync(
  fd: number,
  into: Uint8Array,
  offset = 0,
  length = into.byteLength - offset,
  position?: number,
) {
  const file = opened(fd);
  const at = position ?? file.at;
  const count = disks.read(file.inode, into.subarray(offset, offset + length), at, file.path);
  if (position === undefined) file.at += count;
  return count;
}

export function writeSync(
  fd: number,
  from: Uint8Array,
  offset = 0,
  length = from.byteLength - offset,
  position?: number,
) {
  const file = opened(fd);
  const at = position ?? file.at;
  disks.write(file.inode, from.subarray(offset, offset + length), at, file.path);
  if (position === undefined) file.at += length;
  return length;
}

export function fstatSync(fd: number) {
  const { inode, path } = opened(fd);
  return { size: inode.size, mtimeMs: 0, isDirectory: () => disks.isDirectory(path), isFile: () => true };
}

export function statSync(path: string, options: { throwIfNoEntry?: boolean } = {}) {
  if (!disks.exists(path)) {
    if (options.throwIfNoEntry === false) return undefined;
    throw systemError("ENOENT", path);
  }
  const inode = disks.file(path);
  return {
    size: inode?.size ?? 0,
    mtimeMs: inode?.modifiedMs ?? 0,
    isDirectory: () => disks.isDirectory(path),
    isFile: () => !disks.isDirectory(path),
  };
}

/** To this moment by the clock of the machine, whatever the caller takes for it. */
export function utimesSync(path: string, _accessed: Date, _modified: Date): void {
  const inode = disks.file(path);
  if (inode === null) throw systemError("ENOENT", path);
  inode.modifiedMs = here().wallMs;
}

/** Room is what faults leave of it: asking tells nothing of a fault to come. */
export function statfsSync(_path: string) {
  return { bsize: 4096, blocks: 2 ** 30, bfree: 2 ** 29, bavail: 2 ** 29, type: 0, files: 0, ffree: 0 };
}

export function mkdirSync(path: string, options: { recursive?: boolean } = {}): string | undefined {
  return disks.makeDirectory(path, options.recursive === true);
}

export function renameSync(from: string, to: string): void {
  disks.rename(from, to);
}

export const constants = { COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2 } as const;

export function linkSync(from: string, to: string): void {
  disks.link(from, to);
}

export function copyFileSync(from: string, to: string): void {
  writeFileSync(to, readFileSync(from) as Buffer);
}

export function rmSync(path: string, options: { recursive?: boolean; force?: boolean } = {}): void {
  if (!disks.remove(path, options.recursive === true) && options.force !== true) throw systemError("ENOENT", path);
}

export function unlinkSync(path: string): void {
  if (!disks.remove(path, false)) throw systemError("ENOENT", path);
}

export function rmdirSync(path: string): void {
  if (!disks.remove(path, false)) throw systemError("ENOENT", path);
}

export function existsSync(path: string): boolean {
  return disks.exists(path);
}

export function readdirSync(path: string, options?: { withFileTypes?: boolean } | string): unknown[] {
  const names = disks.names(path);
  if (typeof options !== "object" || options.withFileTypes !== true) return names;
  return names.map((name) => ({
    name,
    isDirectory: () => disks.isDirectory(`${path}/${name}`),
    isFile: () => disks.file(`${path}/${name}`) !== null,
    isSymbolicLink: () => false,
  }));
}

export function readFileSync(path: string, encoding?: BufferEncoding | { encoding?: BufferEncoding }): Buffer | string {
  const inode = disks.file(path);
  if (inode === null) throw systemError(disks.isDirectory(path) ? "EISDIR" : "ENOENT", path);
  const bytes = Buffer.alloc(inode.size);
  disks.read(inode, bytes, 0, path);
  const named = typeof encoding === "object" ? encoding.encoding : encoding;
  return named === undefined ? bytes : bytes.toString(named);
}

export function writeFileSync(path: string, data: Uint8Array | string): void {
  const inode = disks.open(path, "w");
  inode.modifiedMs = here().wallMs;
  disks.write(inode, typeof data === "string" ? Buffer.from(data) : data, 0, path);
}

export function readlinkSync(path: string): string {
  throw systemError("ENOENT", path);
}

/** Read when the first piece is asked for, as node does; at once, for time passes on the network. */
export async function* createReadStream(path: string, options: { highWaterMark?: number } = {}) {
  const inode = disks.open(path, "r");
  const bytes = Buffer.alloc(inode.size);
  disks.read(inode, bytes, 0, path);
  const step = options.highWaterMark ?? 65_536;
  for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step);
}

function opened(fd: number) {
  const file = open.get(fd);
  if (file === undefined) throw systemError("EBADF", String(fd));
  return file;
}
