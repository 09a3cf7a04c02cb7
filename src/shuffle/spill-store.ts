// Scratch files of one attempt in a directory of its own: appended through a buffer, read at any offset, synchronous. A file
// loses its name as soon as it is open, so that the system frees it with its descriptor whatever the attempt's end: a
// thread that is terminated, a process that is killed. (Where an open file cannot lose its name, dispose removes it.)

import { closeSync, mkdirSync, openSync, readSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "../core/errors.js";
import type { SpillFile, SpillStore } from "../core/memory.js";
import { toStorageError } from "../emrfs/storage-error.js";

const bufferBytes = 256 * 1024;

export class FileSpillStore implements SpillStore {
  readonly #files = new Set<FileSpill>();
  #written = 0;
  #memory = 0;
  #created = 0;

  /** `directory` belongs to the attempt alone; it is made at the first spill. */
  constructor(private readonly directory: string) {}

  get writtenBytes(): number {
    return this.#written;
  }

  get memoryBytes(): number {
    return this.#memory;
  }

  create(purpose: string): SpillFile {
    if (this.#created === 0) {
      try {
        mkdirSync(this.directory, { recursive: true });
      } catch (error) {
        throw toStorageError(error, "make the directory", this.directory);
      }
    }
    const path = join(this.directory, `${purpose}-${this.#created++}.spill`);
    const file = new FileSpill(
      path,
      (bytes, memoryBytes) => {
        this.#written += bytes;
        this.#memory += memoryBytes;
      },
      () => this.#files.delete(file),
    );
    this.#files.add(file);
    return file;
  }

  /** Closes and removes everything. Idempotent. */
  dispose(): void {
    for (const file of this.#files) file.delete();
    if (this.#created > 0) rmSync(this.directory, { recursive: true, force: true });
    this.#created = 0;
  }
}

class FileSpill implements SpillFile {
  #fd: number;
  #named = false;
  #buffer: Buffer | null = null;
  #buffered = 0;
  #flushed = 0;

  constructor(
    private readonly path: string,
    private readonly onWritten: (bytes: number, memoryBytes: number) => void,
    private readonly onDeleted: () => void,
  ) {
    try {
      this.#fd = openSync(path, "wx+");
    } catch (error) {
      throw toStorageError(error, "create", path);
    }
    try {
      unlinkSync(path);
    } catch {
      // Windows keeps the names of open files.
      this.#named = true;
    }
  }

  get sizeBytes(): number {
    return this.#flushed + this.#buffered;
  }

  append(bytes: Uint8Array, memoryBytes = bytes.byteLength): number {
    const offset = this.sizeBytes;
    if (bytes.byteLength >= bufferBytes) {
      this.#flush();
      this.#put(bytes, bytes.byteLength);
    } else {
      if (this.#buffered + bytes.byteLength > bufferBytes) this.#flush();
      this.#buffer ??= Buffer.allocUnsafeSlow(bufferBytes);
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.byteLength;
    }
    this.onWritten(bytes.byteLength, memoryBytes);
    return offset;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset + length > this.#flushed) this.#flush();
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    try {
      while (filled < length) {
        const count = readSync(this.#fd, bytes, filled, length - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
    } catch (error) {
      throw toStorageError(error, "read", this.path);
    }
    if (filled < length) {
      throw new MillraceError("IO_ERROR", `cannot read ${this.path}: ${length} bytes at ${offset} are beyond its end`, {
        fields: { path: this.path, offset, length, sizeBytes: this.sizeBytes },
      });
    }
    return bytes;
  }

  delete(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
    this.#buffer = null;
    if (this.#named) rmSync(this.path, { force: true });
    this.onDeleted();
  }

  #flush(): void {
    if (this.#buffer === null || this.#buffered === 0) return;
    const length = this.#buffered;
    this.#buffered = 0;
    this.#put(this.#buffer, length);
  }

  #put(bytes: Uint8Array, length: number): void {
    try {
      for (let at = 0; at < length; ) at += writeSync(this.#fd, bytes, at, length - at, this.#flushed + at);
    } catch (error) {
      throw toStorageError(error, "write", this.path);
    }
    this.#flushed += length;
  }
}
