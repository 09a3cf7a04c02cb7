// Collects the frames of a partition that is being cached. The bytes go into shared memory at commit, so that every slot of
// the process reads them without a copy; DISK_ONLY, and MEMORY_AND_DISK partitions above the limit, go straight to a file. What
// finds no room, in memory or on a disk that is full, is not kept: whoever needs it again computes it again.

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { CacheWriter } from "../../codec/frame-flow.js";
import type { SchemaTable } from "../../codec/schema.js";
import type { NodeId, SessionId } from "../../core/ids.js";
import type { MemoryBudget } from "../../core/memory.js";
import { toStorageError } from "../../emrfs/storage-error.js";
import { Reservation } from "../../operators/reservation.js";
import type { StorageLevel } from "../../plan/lineage.js";
import type { CacheOffer } from "./messages.js";

export interface CacheWriterOptions {
  readonly session: SessionId;
  readonly node: NodeId;
  readonly partition: number;
  /** Default 0. */
  readonly generation?: number;
  readonly level: StorageLevel;
  /** A partition larger than this is not kept in memory. */
  readonly memoryLimitBytes: number;
  /** Knows what is held until it is offered, as far as it has room: beside a full task the partition is cached all the same. */
  readonly memory: MemoryBudget;
  /** Of this attempt alone, because two jobs may compute the same partition at once. Who takes the offer gives it its name. */
  readonly path: string;
  readonly offer: (offer: CacheOffer) => void;
}

export class SharedCacheWriter implements CacheWriter {
  readonly #options: CacheWriterOptions;
  readonly #reservation: Reservation;
  #parts: Uint8Array[] = [];
  #sizeBytes = 0;
  #fd: number | null = null;
  #overflowed = false;

  constructor(options: CacheWriterOptions) {
    this.#options = options;
    this.#reservation = new Reservation(options.memory, `cache: partition ${options.partition}`);
    if (options.level === "DISK_ONLY") this.#toFile([]);
  }

  write(frame: Uint8Array): void {
    if (this.#overflowed) return;
    this.#sizeBytes += frame.byteLength;
    if (this.#fd !== null) return this.#toFile([frame]);
    this.#parts.push(frame);
    this.#reservation.cover(this.#sizeBytes);
    if (this.#sizeBytes <= this.#options.memoryLimitBytes) return;
    if (this.#options.level === "MEMORY_AND_DISK") this.#toFile(this.#parts);
    else this.#overflowed = true;
    this.#letGo();
  }

  commit(schemas: SchemaTable): boolean {
    if (this.#overflowed) return false;
    const { session, node, partition, generation = 0, level, path } = this.#options;
    const frames = this.#fd === null ? this.#share() : { path, bytes: this.#sizeBytes };
    if (this.#fd !== null) {
      closeSync(this.#fd);
      this.#fd = null;
    }
    this.#options.offer({
      session,
      level,
      sizeBytes: this.#sizeBytes,
      block: { node, partition, schemas: schemas.toBytes(), frames, ...(generation === 0 ? {} : { generation }) },
    });
    return true;
  }

  abort(): void {
    this.#letGo();
    this.#overflowed = true;
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
    rmSync(this.#options.path, { force: true });
  }

  #share(): SharedArrayBuffer {
    const shared = new SharedArrayBuffer(this.#sizeBytes);
    const view = new Uint8Array(shared);
    let at = 0;
    for (const part of this.#parts) {
      view.set(part, at);
      at += part.byteLength;
    }
    this.#letGo();
    return shared;
  }

  #letGo(): void {
    this.#parts = [];
    this.#reservation.release();
  }

  #toFile(parts: readonly Uint8Array[]): void {
    const { path } = this.#options;
    try {
      if (this.#fd === null) {
        mkdirSync(dirname(path), { recursive: true });
        this.#fd = openSync(path, "w");
      }
      for (const part of parts) writeAll(this.#fd, part);
    } catch (cause) {
      this.abort();
      const error = toStorageError(cause, "write the cached partition", path);
      if (error.code !== "DISK_FULL") throw error;
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.byteLength) at += writeSync(fd, bytes, at);
}
