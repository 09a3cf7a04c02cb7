// Decides for a combining table, once a new key: may it be held, must it be put aside, is it time to flush. And once in a
// while: have the combiners that are held grown too large.
//
// Flushing depends on data alone: on the encoded size of the distinct keys seen since the last flush, whether they are held
// or spilled. Which spilled keys are distinct is told by a bitmap of hashes; the same bitmap judges the keys that are held,
// so that a task with much memory and one with little flush at the very same record. Held keys alone cannot come near the
// flush before the sum of their sizes does, so their hashes are only noted, and marked when that happens, when the notes are
// full or when the first record is spilled.
//
// Combiners that have grown too large are put aside as they are, all at once; whatever comes for their keys afterwards is put
// aside behind them, and goes on from them when its bucket is combined: the same fold, only interrupted.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { estimateBytes } from "../../codec/estimate.js";
import { checkKey } from "../../codec/keys.js";
import type { MemoryBudget, SpillStore } from "../../core/memory.js";
import { Reservation } from "../reservation.js";
import { GrowthSample } from "./growth.js";
import { heapBytes } from "./heap-bytes.js";
import { RunFile, SeqRun } from "./seq-runs.js";

/** Encoded bytes that a table may hold without asking: a spilling level always makes progress. */
const FLOOR_BYTES = 64 * 1024;
/** 2^23 bits: at two million distinct keys the estimate is an eighth low. */
const BITMAP_SHIFT = 9;
const BITMAP_WORDS = 1 << (32 - BITMAP_SHIFT - 5);
/** Hashes noted before they are marked. */
const FIRST_NOTES = 4096;
const MAX_NOTES = 1 << 18;
/** What an entry costs beside its encoded bytes: slots, the key's header, the value. */
const ENTRY_OVERHEAD = 120;
export const BUCKETS = 16;
const BUCKET_BITS = 4;
/** The hash has no further bits: what is left is held, whatever the budget says. */
const MAX_LEVEL = 32 / BUCKET_BITS - 1;

export interface GovernorOptions {
  readonly memory: MemoryBudget;
  /** Whose table it is, for messages. */
  readonly holder: string;
  readonly spill: SpillStore;
  readonly classes: ClassRegistry;
  /** How many spills are above this one. */
  readonly level: number;
  /** Infinity: never. */
  readonly flushBytes: number;
  /** Called when flushBytes are reached, after the record that reached it. */
  readonly flush: () => void;
  /** Gives the table's entries to `putAside`: they take too much memory. */
  readonly dump: () => void;
}

/** What was put aside of one sixteenth of the keys, in the order in which it is combined. */
export interface Bucket {
  /** Combiners that had been held. */
  readonly dumped: SeqRun;
  /** Combiners from the level above that found no room here. */
  readonly combiners: SeqRun;
  readonly records: SeqRun;
}

export class Governor {
  /** Sequence number of the record that is being added; counted here at level 0, set by the reader of a bucket below. */
  seq = 0;
  flushDue = false;
  /** What is added are combiners, not records. */
  combiners = false;
  readonly flush: () => void;
  readonly #options: GovernorOptions;
  readonly #reservation: Reservation;
  readonly #growth = new GrowthSample();
  #encoded = 0;
  #held = 0;
  /** Of `#held`, what the values took when their keys were first seen. */
  #values = 0;
  /** What they take more by now. */
  #grown = 0;
  #covered = 0;
  #hashes = new Int32Array(0);
  #sizes = new Float64Array(0);
  #noted = 0;
  #bitmap: Int32Array | null = null;
  #file: RunFile | null = null;
  #buckets: (Bucket | null)[] = [];

  constructor(options: GovernorOptions) {
    this.#options = options;
    this.#reservation = new Reservation(options.memory, options.holder);
    this.flush = options.flush;
  }

  get spilled(): boolean {
    return this.#file !== null;
  }

  /** True: hold the new key. False: the record was put aside. */
  admit(hash: number, key: unknown, value: unknown): boolean {
    if (typeof key !== "number" && typeof key !== "string") checkKey(key, this.#options.classes);
    const keySize = typeof key === "number" ? 8 : typeof key === "string" ? 4 + key.length : estimateBytes(key);
    const valueSize = typeof value === "number" ? 8 : estimateBytes(value);
    const size = keySize + valueSize;
    if (this.#bitmap === null) this.#note(hash, size);
    else this.#mark(this.#bitmap, hash, size);
    if (this.#file === null) {
      const heap = typeof value === "number" ? 8 : heapBytes(value);
      this.#held += keySize + heap + ENTRY_OVERHEAD;
      this.#values += heap;
      if (this.#held + this.#grown <= this.#covered || this.#cover()) return true;
      this.#startFile();
    }
    const bucket = this.#bucketOf(hash);
    const run = this.combiners ? bucket.combiners : bucket.records;
    run.add(this.#options.level === 0 ? this.seq++ : this.seq, key, value);
    return false;
  }

  /**
   * After a merge: reads off `values`, of which `touched` has just changed, how much memory is held by now. Answers after how
   * many merges it wants to look again.
   */
  look(values: ArrayLike<unknown>, count: number, touched: number): number {
    const before = this.#grown;
    this.#grown = Math.max(0, this.#growth.bytesOf(values, count, touched) - this.#values);
    const next = this.#growth.next(this.#grown - before);
    if (this.#held + this.#grown <= this.#covered || this.#reserve()) return next;
    // One key is not divided, and what is small makes no difference.
    if (this.#grown < FLOOR_BYTES || count === 1 || this.#options.level >= MAX_LEVEL) return next;
    this.#startFile();
    this.#options.dump();
    this.#reservation.release();
    this.#growth.reset();
    this.#held = this.#values = this.#grown = this.#covered = 0;
    return next;
  }

  /** An entry of the table, which is held no longer; called by `dump`. */
  putAside(hash: number, seq: number, key: unknown, combiner: unknown): void {
    this.#bucketOf(hash).dumped.add(seq, key, combiner);
  }

  /** The buckets that hold something, closed for writing; the caller reads them and then calls `reset`. */
  endBuckets(): Bucket[] {
    const filled = this.#buckets.filter((bucket) => bucket !== null);
    for (const { dumped, combiners, records } of filled) for (const run of [dumped, combiners, records]) run.end();
    return filled;
  }

  /** Gives everything back: memory, scratch file, counts. */
  reset(): void {
    this.#reservation.release();
    this.#file?.delete();
    this.#file = null;
    this.#buckets = [];
    this.#encoded = 0;
    this.#held = this.#values = this.#grown = this.#covered = 0;
    this.#growth.reset();
    this.#noted = 0;
    this.#bitmap = null;
    this.seq = 0;
    this.flushDue = false;
  }

  #cover(): boolean {
    return this.#reserve() || this.#encoded < FLOOR_BYTES || this.#options.level >= MAX_LEVEL;
  }

  #reserve(): boolean {
    const wanted = Math.max(this.#held + this.#grown, 2 * FLOOR_BYTES);
    if (!this.#reservation.cover(wanted)) return false;
    this.#covered = wanted + FLOOR_BYTES;
    return true;
  }

  /** The first record is put aside. */
  #startFile(): void {
    if (this.#file !== null) return;
    if (this.#bitmap === null && this.#options.flushBytes !== Infinity) this.#startBitmap();
    this.#file = new RunFile(this.#options.spill, this.#options.classes, "combine");
    this.#buckets = new Array<Bucket | null>(BUCKETS).fill(null);
  }

  /** No bitmap yet: `#encoded` is the sum of all sizes, at least what the bitmap would say. */
  #note(hash: number, size: number): void {
    this.#encoded += size;
    const { flushBytes } = this.#options;
    if (flushBytes === Infinity) return;
    if (this.#noted === this.#hashes.length) this.#widen();
    this.#hashes[this.#noted] = hash;
    this.#sizes[this.#noted++] = size;
    if (this.#encoded >= flushBytes || this.#noted === MAX_NOTES) this.#startBitmap();
  }

  #mark(bitmap: Int32Array, hash: number, size: number): void {
    const bit = hash >>> BITMAP_SHIFT;
    const mark = 1 << (bit & 31);
    if (((bitmap[bit >>> 5] as number) & mark) !== 0) return;
    bitmap[bit >>> 5] = (bitmap[bit >>> 5] as number) | mark;
    this.#encoded += size;
    if (this.#encoded >= this.#options.flushBytes) this.flushDue = true;
  }

  /** Goes over the notes as if they had been marked one by one. */
  #startBitmap(): void {
    const bitmap = new Int32Array(BITMAP_WORDS);
    this.#bitmap = bitmap;
    this.#encoded = 0;
    for (let i = 0; i < this.#noted; i++) this.#mark(bitmap, this.#hashes[i] as number, this.#sizes[i] as number);
    this.#noted = 0;
  }

  #widen(): void {
    const length = Math.max(FIRST_NOTES, this.#hashes.length * 2);
    const hashes = new Int32Array(length);
    hashes.set(this.#hashes);
    const sizes = new Float64Array(length);
    sizes.set(this.#sizes);
    this.#hashes = hashes;
    this.#sizes = sizes;
  }

  #bucketOf(hash: number): Bucket {
    const at = (hash >>> (this.#options.level * BUCKET_BITS)) & (BUCKETS - 1);
    let bucket = this.#buckets[at] ?? null;
    if (bucket === null) {
      const file = this.#file as RunFile;
      bucket = { dumped: new SeqRun(file), combiners: new SeqRun(file), records: new SeqRun(file) };
      this.#buckets[at] = bucket;
    }
    return bucket;
  }
}
