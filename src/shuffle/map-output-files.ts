// Committed map outputs opened for reading: one cache a slot, or a block server, of open files and parsed indexes, so that a
// block of a file that was read before costs one pread. A 1,000 x 1,000 shuffle goes round its files in a circle; a list by
// last use would then throw out just what comes next, so entries to close are picked without order instead.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { sep } from "node:path";
import { SchemaTable } from "../codec/schema.js";
import { crc32c } from "../core/crc32c.js";
import { MillraceError } from "../core/errors.js";
import { errnoOf, toStorageError } from "../emrfs/storage-error.js";
import { decodeTail, type MapOutputIndex, tailLength } from "./map-output-file.js";

export interface MapOutputFilesOptions {
  /** Default MAX_OPEN_FILES. Fewer are kept where the system allows fewer. */
  readonly maxFiles?: number;
  /** Of all parsed indexes together. Default 64 MiB. */
  readonly maxIndexBytes?: number;
}

/** Of one cache, where the process may have any number. */
export const MAX_OPEN_FILES = 2000;

/**
 * Read at once where small blocks are asked for: the tasks of a slot read neighbouring partitions of the same files, one
 * after the other. Together at most maxFiles times as much is held.
 */
const aheadBytes = 8 * 1024;

/** Most tails fit into the first read: a thousand partitions and some schemas. */
const tailGuessBytes = 16 * 1024;

export class MapOutputFiles {
  readonly #byPath = new Map<string, MapOutputFile>();
  readonly #entries: MapOutputFile[] = [];
  readonly #maxIndexBytes: number;
  #maxFiles: number;
  #indexBytes = 0;
  /** State of the generator that picks what to close. */
  #pick = 1;

  constructor(options: MapOutputFilesOptions = {}) {
    this.#maxFiles = options.maxFiles ?? MAX_OPEN_FILES;
    this.#maxIndexBytes = options.maxIndexBytes ?? 64 * 1024 * 1024;
  }

  get openFiles(): number {
    return this.#entries.length;
  }

  /** Throws PATH_NOT_FOUND and its like, or BLOCK_CORRUPT. The file may be closed by the next open: use it at once. */
  open(path: string): MapOutputFile {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    while (this.#entries.length >= this.#maxFiles || this.#indexBytes > this.#maxIndexBytes) {
      if (!this.#closeOne()) break;
    }
    const file = this.#openFile(path);
    file.slot = this.#entries.push(file) - 1;
    this.#byPath.set(path, file);
    this.#indexBytes += file.indexBytes;
    return file;
  }

  /** Closes the file `path`, or what lies in that directory (a shuffle's, a session's): it is about to be removed. */
  release(path: string): void {
    for (const file of [...this.#entries]) {
      if (file.path === path || file.path.startsWith(path + sep)) this.#close(file);
    }
  }

  close(): void {
    for (const file of [...this.#entries]) this.#close(file);
  }

  #openFile(path: string): MapOutputFile {
    for (;;) {
      try {
        return new MapOutputFile(path);
      } catch (error) {
        const errno = errnoOf((error as { cause?: unknown }).cause);
        if ((errno !== "EMFILE" && errno !== "ENFILE") || !this.#closeOne()) throw error;
        // The system's limit is lower than ours, and others in this process need descriptors too.
        this.#maxFiles = Math.max(1, this.#entries.length);
      }
    }
  }

  #closeOne(): boolean {
    if (this.#entries.length === 0) return false;
    this.#pick = (Math.imul(this.#pick, 1_664_525) + 1_013_904_223) >>> 0;
    this.#close(this.#entries[Math.floor((this.#pick / 4_294_967_296) * this.#entries.length)]!);
    return true;
  }

  #close(file: MapOutputFile): void {
    const last = this.#entries.pop()!;
    if (last !== file) {
      this.#entries[file.slot] = last;
      last.slot = file.slot;
    }
    this.#byPath.delete(file.path);
    this.#indexBytes -= file.indexBytes;
    file.close();
  }
}

export class MapOutputFile {
  readonly #fd: number;
  readonly #index: MapOutputIndex;
  #schemas: SchemaTable | null = null;
  #schemaChecksum: number | null = null;
  #ahead: Uint8Array | null = null;
  /** Where `#ahead` begins in the file. */
  #aheadAt = 0;
  /** Place in the cache's list. */
  slot = 0;

  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      throw toStorageError(error, "open", path);
    }
    try {
      this.#index = this.#readIndex(fstatSync(this.#fd).size);
    } catch (error) {
      closeSync(this.#fd);
      throw toStorageError(error, "read", path);
    }
  }

  get indexBytes(): number {
    return this.#index.offsets.byteLength + this.#index.schemas.byteLength;
  }

  /** Where the last block ends and the tail begins. */
  get dataBytes(): number {
    return this.#index.offsets[this.#index.partitions]!;
  }

  get schemas(): SchemaTable {
    this.#schemas ??= SchemaTable.fromBytes(this.#index.schemas);
    return this.#schemas;
  }

  get schemaBytes(): Uint8Array {
    return this.#index.schemas;
  }

  /** CRC32C of schemaBytes. */
  get schemaChecksum(): number {
    this.#schemaChecksum ??= crc32c(this.#index.schemas);
    return this.#schemaChecksum;
  }

  /** Where the block of a reduce partition begins in the file; its length is blockLength. */
  blockStart(partition: number): number {
    return this.#index.offsets[partition]!;
  }

  blockLength(partition: number): number {
    if (partition >= this.#index.partitions) {
      throw new MillraceError(
        "BLOCK_CORRUPT",
        `the map output ${this.path} has ${this.#index.partitions} partitions, number ${partition} was asked for`,
      );
    }
    return this.#index.offsets[partition + 1]! - this.#index.offsets[partition]!;
  }

  /** The block of a partition as a view that stays as it is; for small blocks. BLOCK_CORRUPT as with readInto. */
  readSmall(partition: number): Uint8Array {
    const length = this.blockLength(partition);
    const position = this.blockStart(partition);
    if (
      this.#ahead === null ||
      position < this.#aheadAt ||
      position + length > this.#aheadAt + this.#ahead.byteLength
    ) {
      const { offsets, partitions } = this.#index;
      const left = offsets[partitions]! - position;
      const ahead = Buffer.allocUnsafeSlow(Math.min(left, Math.max(length, aheadBytes)));
      this.readInto(ahead, 0, ahead.byteLength, position);
      this.#ahead = ahead;
      this.#aheadAt = position;
    }
    const from = position - this.#aheadAt;
    return this.#ahead.subarray(from, from + length);
  }

  /** Fills `target[offset, offset + length)` from `position`. BLOCK_CORRUPT when the file has fewer bytes. */
  readInto(target: Uint8Array, offset: number, length: number, position: number): void {
    try {
      for (let filled = 0; filled < length; ) {
        const count = readSync(this.#fd, target, offset + filled, length - filled, position + filled);
        if (count === 0) throw new MillraceError("BLOCK_CORRUPT", `the map output ${this.path} is cut short`);
        filled += count;
      }
    } catch (error) {
      throw toStorageError(error, "read", this.path);
    }
  }

  /** By whoever opened it: of files in a cache, the cache. */
  close(): void {
    closeSync(this.#fd);
  }

  #readIndex(fileBytes: number): MapOutputIndex {
    let tail = Buffer.allocUnsafeSlow(Math.min(fileBytes, tailGuessBytes));
    this.readInto(tail, 0, tail.byteLength, fileBytes - tail.byteLength);
    const length = tailLength(tail, fileBytes, this.path);
    if (length > tail.byteLength) {
      tail = Buffer.allocUnsafeSlow(length);
      this.readInto(tail, 0, length, fileBytes - length);
    }
    return decodeTail(tail.subarray(tail.byteLength - length), this.path);
  }
}
