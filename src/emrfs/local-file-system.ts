// Files of this machine by node:fs/promises. A writer works on a hidden file beside the target and renames it at commit,
// so that a crash leaves no half file under the real name. Refuses nothing that the disk accepts; every error of the
// system leaves as one of ours (storage-error.ts).

import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MillraceError } from "../core/errors.js";
import type { CreateOptions, FileReader, FileStatus, FileSystem, FileWriter } from "./file-system.js";
import { errnoOf, toStorageError } from "./storage-error.js";
import { joinUrl, toLocalPath } from "./url.js";

/** Stats in flight at once while listing: enough to keep a disk busy, few enough for libuv's four threads. */
const listBatch = 64;

export class LocalFileSystem implements FileSystem {
  readonly scheme = "file";
  readonly atomicRename = true;

  async stat(url: string, signal?: AbortSignal): Promise<FileStatus | null> {
    signal?.throwIfAborted();
    return statPath(toLocalPath(url), url);
  }

  async *list(url: string, signal?: AbortSignal): AsyncGenerator<FileStatus> {
    signal?.throwIfAborted();
    const directory = toLocalPath(url);
    const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
      throw toStorageError(error, "list", directory);
    });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (let i = 0; i < entries.length; i += listBatch) {
      signal?.throwIfAborted();
      const batch = entries.slice(i, i + listBatch);
      const found = await Promise.all(batch.map(({ name }) => statPath(join(directory, name), joinUrl(url, name))));
      for (const [at, status] of found.entries()) {
        // null: removed meanwhile, or a symbolic link to nowhere.
        if (status !== null) yield batch[at]!.isSymbolicLink() ? { ...status, link: true } : status;
      }
    }
  }

  async open(url: string, signal?: AbortSignal): Promise<FileReader> {
    signal?.throwIfAborted();
    const path = toLocalPath(url);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, "r");
      const found = await handle.stat();
      if (found.isDirectory()) {
        throw new MillraceError("IS_A_DIRECTORY", `cannot open ${path}: it is a directory, a file was expected`, {
          fields: { path },
        });
      }
      return new LocalReader(handle, path, toStatus(url, found));
    } catch (error) {
      await handle?.close();
      throw toStorageError(error, "open", path);
    }
  }

  async create(url: string, options: CreateOptions = {}): Promise<FileWriter> {
    options.signal?.throwIfAborted();
    const path = toLocalPath(url);
    const there = await statPath(path, url);
    if (there?.kind === "directory") {
      throw new MillraceError("IS_A_DIRECTORY", `cannot write ${path}: it is a directory`, { fields: { path } });
    }
    if (there !== null && options.overwrite !== true) throw outputExists(path);
    const pending = join(dirname(path), `.${basename(path)}.${randomUUID()}.pending`);
    try {
      await mkdir(dirname(path), { recursive: true });
      return new LocalWriter(await open(pending, "wx"), pending, path, options.overwrite === true);
    } catch (error) {
      throw toStorageError(error, "create", path);
    }
  }

  async makeDirectory(url: string): Promise<boolean> {
    const path = toLocalPath(url);
    try {
      return (await mkdir(path, { recursive: true }).catch((error: unknown) => plainMkdir(path, error))) !== undefined;
    } catch (error) {
      // mkdir of a path that is a file says EEXIST, which for a directory is no error.
      if (errnoOf(error) === "EEXIST") {
        throw new MillraceError("NOT_A_DIRECTORY", `cannot make the directory ${path}: a file is there`, {
          fields: { path },
        });
      }
      throw toStorageError(error, "make the directory", path);
    }
  }

  async delete(url: string, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    const path = toLocalPath(url);
    try {
      // Retried: an attempt that is being cancelled may still add a file to a directory that is being emptied.
      await rm(path, { recursive: true, maxRetries: 5, retryDelay: 20 });
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw toStorageError(error, "delete", path);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const source = toLocalPath(from);
    try {
      await rename(source, toLocalPath(to));
    } catch (error) {
      throw toStorageError(error, `rename to ${toLocalPath(to)}`, source);
    }
  }
}

class LocalReader implements FileReader {
  constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    readonly status: FileStatus,
  ) {}

  async read(start: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    try {
      while (filled < length) {
        const { bytesRead } = await this.handle.read(bytes, filled, length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
    } catch (error) {
      throw toStorageError(error, "read", this.path);
    }
    return bytes.subarray(0, filled);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

class LocalWriter implements FileWriter {
  #open = true;

  constructor(
    private readonly handle: FileHandle,
    private readonly pending: string,
    private readonly path: string,
    private readonly overwrite: boolean,
  ) {}

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    try {
      for (let at = 0; at < bytes.byteLength; ) {
        at += (await this.handle.write(bytes, at, bytes.byteLength - at)).bytesWritten;
      }
    } catch (error) {
      throw toStorageError(error, "write", this.path);
    }
  }

  async commit(): Promise<void> {
    try {
      this.#open = false;
      await this.handle.close();
      // Two writers of one name are the caller's mistake; this check finds it unless they commit in the same instant.
      if (!this.overwrite && (await statPath(this.path, this.path)) !== null) throw outputExists(this.path);
      await rename(this.pending, this.path);
    } catch (error) {
      await rm(this.pending, { force: true });
      throw toStorageError(error, "write", this.path);
    }
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.handle.close();
    await rm(this.pending, { force: true });
  }
}

interface Stats {
  isDirectory(): boolean;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Shared with the synchronous reader, so that both pin a version alike. */
export function toStatus(url: string, found: Stats): FileStatus {
  const directory = found.isDirectory();
  return {
    url,
    kind: directory ? "directory" : "file",
    sizeBytes: directory ? 0 : found.size,
    modifiedMs: Math.floor(found.mtimeMs),
  };
}

async function statPath(path: string, url: string): Promise<FileStatus | null> {
  try {
    return toStatus(url, await stat(path));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return null;
    throw toStorageError(error, "look at", path);
  }
}

function outputExists(path: string): MillraceError {
  return new MillraceError("OUTPUT_EXISTS", `cannot write ${path}: it exists already`, { fields: { path } });
}

/** ENOENT is what Node says of a recursive mkdir on a read-only file system; the plain one says why. */
async function plainMkdir(path: string, error: unknown): Promise<string> {
  if (errnoOf(error) !== "ENOENT") throw error;
  await mkdir(path);
  return path;
}
