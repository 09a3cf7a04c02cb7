// Files as slots use them: synchronous, because slots are synchronous inside a batch. Reading checks that the file is still
// the version that was planned; writing goes to a pending name and is published by somebody else's rename. Only file: URLs:
// what lies in an object store reaches a slot through its process's main thread.

import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { MillraceError } from "../core/errors.js";
import { toStatus } from "./local-file-system.js";
import { toStorageError } from "./storage-error.js";
import { toLocalPath } from "./url.js";

/** The version of a file that a split was planned on. */
export interface PinnedFile {
  readonly url: string;
  readonly fileSize: number;
  readonly modifiedMs: number;
}

export class SyncFileReader {
  #fd: number;
  readonly path: string;

  /** Opens and checks the version: FILE_CHANGED when size or time differ. */
  constructor(private readonly file: PinnedFile) {
    this.path = toLocalPath(file.url);
    try {
      this.#fd = openSync(this.path, "r");
    } catch (error) {
      throw toStorageError(error, "open", this.path);
    }
    try {
      this.checkUnchanged();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The size that was planned, which is the file's until checkUnchanged says otherwise. */
  get sizeBytes(): number {
    return this.file.fileSize;
  }

  /** Fills `buffer` from `offset` with at most `length` bytes at `position`; fewer only at the file's end. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    let filled = 0;
    try {
      while (filled < length) {
        const count = readSync(this.#fd, buffer, offset + filled, length - filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
    } catch (error) {
      throw toStorageError(error, "read", this.path);
    }
    if (filled < length && position + filled < this.file.fileSize) throw this.#changed("it became shorter");
    return filled;
  }

  /** Throws FILE_CHANGED when the file is no longer the planned version. Called after the last read, too. */
  checkUnchanged(): void {
    const found = toStatus(this.file.url, fstatSync(this.#fd));
    if (found.kind === "directory") {
      throw new MillraceError("IS_A_DIRECTORY", `cannot read ${this.path}: it is a directory, a file was expected`, {
        fields: { path: this.path },
      });
    }
    if (found.sizeBytes !== this.file.fileSize || found.modifiedMs !== this.file.modifiedMs) {
      throw this.#changed(`it had ${this.file.fileSize} bytes when the job was planned, now ${found.sizeBytes}`);
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #changed(how: string): MillraceError {
    return new MillraceError("FILE_CHANGED", `${this.path} changed while a job read it: ${how}`, {
      fields: { path: this.path, plannedBytes: this.file.fileSize, plannedModifiedMs: this.file.modifiedMs },
    });
  }
}

/** A new file, written from its start. Bytes below `bufferBytes` are gathered, larger ones go straight to the disk. */
export class SyncFileWriter {
  #fd: number;
  #buffer: Buffer | null = null;
  #buffered = 0;
  #written = 0;

  /** Refuses a file that is there (OUTPUT_EXISTS); its directory must exist. `path` is a plain path. */
  constructor(
    readonly path: string,
    private readonly bufferBytes = 256 * 1024,
  ) {
    try {
      this.#fd = openSync(this.path, "wx");
    } catch (error) {
      throw toStorageError(error, "create", this.path);
    }
  }

  /** Bytes taken so far, on disk or not. */
  get sizeBytes(): number {
    return this.#written + this.#buffered;
  }

  write(bytes: Uint8Array): void {
    if (bytes.byteLength >= this.bufferBytes) {
      this.#flush();
      this.#put(bytes, bytes.byteLength);
      return;
    }
    if (this.#buffered + bytes.byteLength > this.bufferBytes) this.#flush();
    this.#buffer ??= Buffer.allocUnsafeSlow(this.bufferBytes);
    this.#buffer.set(bytes, this.#buffered);
    this.#buffered += bytes.byteLength;
  }

  /** Flushes and closes; the file stays under its name. */
  finish(): void {
    this.#flush();
    const fd = this.#fd;
    this.#fd = -1;
    try {
      closeSync(fd);
    } catch (error) {
      throw toStorageError(error, "write", this.path);
    }
  }

  /** Closes and removes the file. Idempotent, also after finish. */
  abort(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#buffered = 0;
    rmSync(this.path, { force: true });
  }

  #flush(): void {
    if (this.#buffer === null || this.#buffered === 0) return;
    const length = this.#buffered;
    this.#buffered = 0;
    this.#put(this.#buffer, length);
  }

  #put(bytes: Uint8Array, length: number): void {
    try {
      for (let at = 0; at < length; ) at += writeSync(this.#fd, bytes, at, length - at);
    } catch (error) {
      throw toStorageError(error, "write", this.path);
    }
    this.#written += length;
  }
}
