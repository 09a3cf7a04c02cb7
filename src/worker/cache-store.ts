// The cached partitions of one worker process: buffers in shared memory that every slot reads without a copy. Bounded in
// bytes; least recently used partitions go first, but never those of the RDD that is being stored (Spark's rule: an RDD
// larger than the cache would evict itself for ever). MEMORY_AND_DISK moves to a file instead of going.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LRUCache } from "lru-cache";
import type { NodeId, SessionId } from "../core/ids.js";
import { toStorageError } from "../emrfs/storage-error.js";
import type { StoredBytes } from "../protocol/worker.js";
import type { CachedBlock, CacheOffer } from "./slot/messages.js";

interface Entry {
  readonly session: SessionId;
  readonly block: CachedBlock;
  readonly level: CacheOffer["level"];
  readonly sizeBytes: number;
  /** sizeBytes, or 0 for one that lies in a file. */
  readonly memoryBytes: number;
}

export interface CacheStoreOptions {
  readonly limitBytes: number;
  /** Where a partition that goes to disk is written. */
  readonly pathOf: (session: SessionId, node: NodeId, partition: number, generation: number) => string;
  /** Told of partitions that went, so that the master stops sending tasks after them. */
  readonly onEvicted: (session: SessionId, node: NodeId, partition: number) => void;
  /** Told why a partition that should have gone to disk was dropped instead: it is computed again where it is needed. */
  readonly log: (message: string) => void;
}

export class CacheStore {
  readonly #options: CacheStoreOptions;
  readonly #entries = new LRUCache<string, Entry>({ max: 1_000_000 });
  /** By session and node. */
  readonly #stored = new Map<string, StoredBytes & { readonly partitions: number }>();
  #usedBytes = 0;

  constructor(options: CacheStoreOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What lies here of each persisted node. */
  get stored(): StoredBytes[] {
    return [...this.#stored.values()].map(({ partitions, ...bytes }) => bytes);
  }

  /**
   * Takes a partition in; answers whether it is stored now. One that may not evict gets only room that is free. On a full disk
   * it is not. Throws what else the disk levels may meet.
   */
  store(offer: CacheOffer, mayEvict = true): boolean {
    const { session, block, level, sizeBytes } = offer;
    const key = keyOf(session, block.node, block.partition);
    const known = this.#entries.peek(key);
    if (known !== undefined && generationOf(known.block) > generationOf(block)) {
      removeFile(block);
      return false;
    }
    if (known !== undefined && generationOf(known.block) < generationOf(block)) {
      this.#drop(key, known);
    } else if (known !== undefined) {
      // Two jobs computed it at once: the first stays.
      removeFile(block);
      return true;
    }
    if (!(block.frames instanceof SharedArrayBuffer)) {
      this.#keep(key, { session, block: this.#named(session, block), level, sizeBytes, memoryBytes: 0 });
      return true;
    }
    const isFree = this.#usedBytes + sizeBytes <= this.#options.limitBytes;
    if (level !== "DISK_ONLY" && (isFree || (mayEvict && this.#makeRoom(sizeBytes, session, block.node)))) {
      this.#keep(key, { session, block, level, sizeBytes, memoryBytes: sizeBytes });
      return true;
    }
    if (level === "MEMORY_ONLY") return false;
    const moved = this.#toDisk(session, block);
    if (moved !== null) this.#keep(key, { session, block: moved, level, sizeBytes, memoryBytes: 0 });
    return moved !== null;
  }

  /** Nothing of another generation. */
  get(session: SessionId, node: NodeId, partition: number, generation = 0): CachedBlock | undefined {
    const block = this.#entries.get(keyOf(session, node, partition))?.block;
    return block !== undefined && generationOf(block) === generation ? block : undefined;
  }

  levelOf(session: SessionId, node: NodeId, partition: number): CacheOffer["level"] | undefined {
    return this.#entries.peek(keyOf(session, node, partition))?.level;
  }

  /** Forgets every partition of an RDD, or of the whole session. */
  remove(session: SessionId, node?: NodeId): void {
    for (const [key, entry] of [...this.#entries.entries()]) {
      if (entry.session === session && (node === undefined || entry.block.node === node)) this.#drop(key, entry);
    }
  }

  /** Memory is short: gives up `bytes` of memory, least recently used partitions first; answers how much it was. */
  evict(bytes: number): number {
    const before = this.#usedBytes;
    for (const key of [...this.#entries.rkeys()]) {
      if (before - this.#usedBytes >= bytes) break;
      const entry = this.#entries.peek(key);
      if (entry !== undefined && entry.memoryBytes > 0) this.#evict(key, entry);
    }
    return before - this.#usedBytes;
  }

  #makeRoom(bytes: number, session: SessionId, node: NodeId): boolean {
    if (bytes > this.#options.limitBytes) return false;
    if (this.#usedBytes + bytes <= this.#options.limitBytes) return true;
    for (const key of [...this.#entries.rkeys()]) {
      const entry = this.#entries.peek(key);
      if (entry === undefined || entry.memoryBytes === 0 || (entry.session === session && entry.block.node === node))
        continue;
      this.#evict(key, entry);
      if (this.#usedBytes + bytes <= this.#options.limitBytes) return true;
    }
    return false;
  }

  #evict(key: string, entry: Entry): void {
    const moved = entry.level === "MEMORY_AND_DISK" ? this.#moved(entry) : null;
    if (moved !== null) {
      this.#forget(key, entry);
      this.#keep(key, { ...entry, block: moved, memoryBytes: 0 });
      return;
    }
    this.#drop(key, entry);
    this.#options.onEvicted(entry.session, entry.block.node, entry.block.partition);
  }

  /** null: the disk does not take it, and it goes as if it had been in memory only. */
  #moved(entry: Entry): CachedBlock | null {
    try {
      return this.#toDisk(entry.session, entry.block);
    } catch (error) {
      const { node, partition } = entry.block;
      this.#options.log(`cached partition ${partition} of RDD ${node} is dropped: ${(error as Error).message}`);
      return null;
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#forget(key, entry);
    removeFile(entry.block);
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#usedBytes += entry.memoryBytes;
    this.#tally(entry, 1);
  }

  #forget(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#usedBytes -= entry.memoryBytes;
    this.#tally(entry, -1);
  }

  #tally({ session, block: { node }, sizeBytes, memoryBytes }: Entry, sign: 1 | -1): void {
    const name = `${session}/${node}`;
    const before = this.#stored.get(name) ?? { session, node, memoryBytes: 0, diskBytes: 0, partitions: 0 };
    const partitions = before.partitions + sign;
    if (partitions === 0) {
      this.#stored.delete(name);
      return;
    }
    this.#stored.set(name, {
      session,
      node,
      memoryBytes: before.memoryBytes + sign * memoryBytes,
      diskBytes: before.diskBytes + sign * (sizeBytes - memoryBytes),
      partitions,
    });
  }

  /** Gives the attempt's file the name under which the store keeps it. */
  #named(session: SessionId, block: CachedBlock): CachedBlock {
    const path = this.#options.pathOf(session, block.node, block.partition, generationOf(block));
    mkdirSync(dirname(path), { recursive: true });
    const { path: from, bytes } = block.frames as { path: string; bytes: number };
    renameSync(from, path);
    return { ...block, frames: { path, bytes } };
  }

  /** null: the disk has no room. */
  #toDisk(session: SessionId, block: CachedBlock): CachedBlock | null {
    const { frames } = block;
    if (!(frames instanceof SharedArrayBuffer)) return block;
    const path = this.#options.pathOf(session, block.node, block.partition, generationOf(block));
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, new Uint8Array(frames));
    } catch (cause) {
      const error = toStorageError(cause, "write the cached partition", path);
      if (error.code !== "DISK_FULL") throw error;
      rmSync(path, { force: true });
      return null;
    }
    return { ...block, frames: { path, bytes: frames.byteLength } };
  }
}

function removeFile({ frames }: CachedBlock): void {
  if (!(frames instanceof SharedArrayBuffer)) rmSync(frames.path, { force: true });
}

function generationOf({ generation = 0 }: CachedBlock): number {
  return generation;
}

function keyOf(session: SessionId, node: NodeId, partition: number): string {
  return `${session}/${node}/${partition}`;
}
