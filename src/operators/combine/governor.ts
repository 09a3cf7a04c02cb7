// Decides for a combining table, once a new key: may it be held, must it be put aside, is it time to flush.
//
// Flushing depends on data alone: on the encoded size of the distinct keys seen since the last flush, whether they are held
// or spilled. Which spilled keys are distinct is told by a bitmap of hashes; the same bitmap judges the keys that are held,
// so that a task with much memory and one with little flush at the very same record. The bitmap counts from FLOOR_BYTES on,
// and nothing is spilled before that. Held keys alone cannot come near the flush before the sum of their sizes does, so their
// hashes are only noted, and marked when that happens, when the notes are full or when the first record is spilled.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { estimateBytes } from "../../codec/estimate.js";
import { checkKey } from "../../codec/keys.js";
import type { MemoryBudget, SpillStore } from "../../core/memory.js";
import { Reservation } from "../reservation.js";
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
}

export class Governor {
  /** Sequence number of the record that is being added; counted here at level 0, set by the reader of a bucket below. */
  seq = 0;
  flushDue = false;
  readonly flush: () => void;
  readonly #options: GovernorOptions;
  readonly #reservation: Reservation;
  #encoded = 0;
  #held = 0;
  #covered = 0;
  #hashes = new Int32Array(0);
  #sizes = new Float64Array(0);
  #noted = 0;
  #bitmap: Int32Array | null = null;
  #file: RunFile | null = null;
  #buckets: (SeqRun | null)[] = [];

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
    const size = keySize + (typeof value === "number" ? 8 : estimateBytes(value));
    if (this.#bitmap === null) this.#note(hash, size);
    else this.#mark(this.#bitmap, hash, size);
    if (this.#file === null) {
      this.#held += size + ENTRY_OVERHEAD;
      if (this.#held <= this.#covered || this.#cover()) return true;
      if (this.#bitmap === null && this.#options.flushBytes !== Infinity) this.#startBitmap();
      this.#file = new RunFile(this.#options.spill, this.#options.classes, "combine");
      this.#buckets = new Array<SeqRun | null>(BUCKETS).fill(null);
    }
    this.#bucketOf(hash).add(this.#options.level === 0 ? this.seq++ : this.seq, key, value);
    return false;
  }

  /** The buckets that hold something, closed for writing; the caller reads them and then calls `reset`. */
  endBuckets(): SeqRun[] {
    const filled = this.#buckets.filter((bucket) => bucket !== null);
    for (const bucket of filled) bucket.end();
    return filled;
  }

  /** Gives everything back: memory, scratch file, counts. */
  reset(): void {
    this.#reservation.release();
    this.#file?.delete();
    this.#file = null;
    this.#buckets = [];
    this.#encoded = 0;
    this.#held = 0;
    this.#covered = 0;
    this.#noted = 0;
    this.#bitmap = null;
    this.seq = 0;
    this.flushDue = false;
  }

  #cover(): boolean {
    const wanted = Math.max(this.#held, 2 * FLOOR_BYTES);
    if (this.#reservation.cover(wanted)) {
      this.#covered = wanted + FLOOR_BYTES;
      return this.#held <= this.#covered;
    }
    return this.#encoded < FLOOR_BYTES || this.#options.level >= MAX_LEVEL;
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

  /** Goes over the notes as if they had been marked one by one: the first FLOOR_BYTES count whatever the bitmap says. */
  #startBitmap(): void {
    const bitmap = new Int32Array(BITMAP_WORDS);
    this.#bitmap = bitmap;
    this.#encoded = 0;
    for (let i = 0; i < this.#noted; i++) {
      const hash = this.#hashes[i] as number;
      const size = this.#sizes[i] as number;
      if (this.#encoded >= FLOOR_BYTES) {
        this.#mark(bitmap, hash, size);
        continue;
      }
      const bit = hash >>> BITMAP_SHIFT;
      bitmap[bit >>> 5] = (bitmap[bit >>> 5] as number) | (1 << (bit & 31));
      this.#encoded += size;
    }
    this.#noted = 0;
    if (this.#encoded >= this.#options.flushBytes) this.flushDue = true;
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

  #bucketOf(hash: number): SeqRun {
    const at = (hash >>> (this.#options.level * BUCKET_BITS)) & (BUCKETS - 1);
    let bucket = this.#buckets[at] ?? null;
    if (bucket === null) {
      bucket = new SeqRun(this.#file as RunFile);
      this.#buckets[at] = bucket;
    }
    return bucket;
  }
}
