// Grouping and cogrouping on the reduce side: every value of a key is kept, in arrays, in canonical order. When the budget
// refuses, all that is held goes to buckets in order, later records follow it there, and the buckets are grouped one after
// the other; the results are merged by the number of each key's first record, so memory changes nothing in them. A key that
// holds half of what is held, or that no further level could divide, goes to disk alone and comes out as an iterable.

import { estimateBytes } from "../../codec/estimate.js";
import { hashKey, keysEqual } from "../../codec/keys.js";
import { type CallSite, formatCallSite } from "../../plan/function.js";
import { BATCH_RECORDS } from "../batches.js";
import { Reservation } from "../reservation.js";
import type { TaskContext } from "../task-context.js";
import type { PairColumns } from "./combine.js";
import { KeyIndex } from "./key-index.js";
import { LARGE_GROUPS, LargeGroup, withLargeGroups } from "./large-group.js";
import { mergeRuns, RunFile, SeqRun } from "./seq-runs.js";

const BUCKETS = 16;
const BUCKET_BITS = 4;
const MAX_LEVEL = 32 / BUCKET_BITS - 1;
/** Held without asking, so that every level of a spill makes progress. */
const FLOOR_BYTES = 64 * 1024;
const VALUE_OVERHEAD = 24;
const KEY_OVERHEAD = 120;

export interface GroupOptions {
  readonly context: TaskContext;
  readonly site: CallSite;
  /** Parents of a cogroup: a key's value is an array of one array a parent. 0: groupByKey, a plain array of values. */
  readonly parents: number;
}

export class GroupTable {
  readonly #options: GroupOptions;
  readonly #level: number;
  readonly #reservation: Reservation;
  #index: KeyIndex;
  /** Of each key, the number of its first row. */
  #seqs: number[] = [];
  /** Rows in the order they came: the value, and which key (its number) it belongs to. */
  #values: unknown[] = [];
  #entries = new Int32Array(1024);
  /** First row of each parent; parents come one after the other. */
  #starts: number[] = [];
  #nextSeq = 0;
  #held = 0;
  #covered = FLOOR_BYTES;
  #file: RunFile | null = null;
  #buckets: (SeqRun | null)[] = [];
  /** Keys that went to disk alone, of this table and of those below it; those of this one also by hash. */
  readonly #large: LargeGroup[] = [];
  #largeByHash: Map<number, LargeGroup[]> | null = null;
  #largeFile: RunFile | null = null;

  constructor(options: GroupOptions, level = 0) {
    this.#options = options;
    this.#level = level;
    this.#index = new KeyIndex(options.context.classes);
    this.#reservation = new Reservation(options.context.memory, `${formatCallSite(options.site)}: values by key`);
  }

  /** Values of parent `parent` (0 for groupByKey), in order. */
  addColumns(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, parent: number): void {
    const { length } = keys;
    for (let i = 0; i < length; i++) this.#add(keys[i], values[i], parent, this.#nextSeq++);
  }

  /** Every key once with its values, by first occurrence; the table is empty afterwards. */
  *results(): Generator<PairColumns, void, void> {
    try {
      if (this.#file === null && this.#large.length === 0) {
        yield* this.#groups();
        return;
      }
      for (const { keys, values, seqs } of this.#ordered()) yield { keys, values, count: seqs.length };
    } finally {
      this.release();
    }
  }

  /**
   * Instead of the groups of a cogroup of two: [left, right] of every pair of rows with the same key, in the order in which
   * pairing the groups would make them, but without making the groups.
   */
  *joined(): Generator<PairColumns, void, void> {
    try {
      if (this.#file === null && this.#large.length === 0) yield* this.#pairs();
      else yield* pairsOfGroups(this.#ordered());
    } finally {
      this.release();
    }
  }

  /** Gives memory and scratch files back. Idempotent. */
  release(): void {
    this.#reservation.release();
    this.#file?.delete();
    this.#file = null;
    this.#buckets = [];
    this.#forget();
  }

  #add(key: unknown, value: unknown, parent: number, seq: number): void {
    if (this.#largeByHash !== null) {
      const large = this.#largeByHash.get(hashKey(key))?.find((group) => keysEqual(group.key, key));
      if (large !== undefined) {
        large.add(value, parent);
        return;
      }
    }
    if (this.#file !== null) {
      this.#bucketOf(hashKey(key)).add(seq, key, this.#options.parents === 0 ? value : [parent, value]);
      return;
    }
    const entry = this.#index.numberOf(key);
    if (entry === this.#seqs.length) {
      this.#seqs.push(seq);
      this.#held += estimateBytes(key) + KEY_OVERHEAD;
    }
    const row = this.#values.length;
    while (this.#starts.length <= parent) this.#starts.push(row);
    if (row === this.#entries.length) this.#widen();
    this.#entries[row] = entry;
    this.#values.push(value);
    this.#held += estimateBytes(value) + VALUE_OVERHEAD;
    if (this.#held > this.#covered) this.#cover();
  }

  #widen(): void {
    const wider = new Int32Array(this.#entries.length * 2);
    wider.set(this.#entries);
    this.#entries = wider;
  }

  #cover(): void {
    if (this.#reservation.cover(this.#held)) {
      this.#covered = this.#held + FLOOR_BYTES;
      return;
    }
    if (this.#putAside(this.#level >= MAX_LEVEL ? 0 : this.#held / 2)) return;
    this.#dump();
  }

  /** Moves the key that holds most to disk, if that is `least` bytes. */
  #putAside(least: number): boolean {
    const { context, parents, site } = this.#options;
    const sizes = new Float64Array(this.#index.keys.length);
    for (let row = 0; row < this.#values.length; row++) {
      const entry = this.#entries[row] as number;
      sizes[entry] = (sizes[entry] as number) + estimateBytes(this.#values[row]) + VALUE_OVERHEAD;
    }
    const largest = sizes.reduce((best, size, entry) => (size > (sizes[best] as number) ? entry : best), 0);
    if ((sizes[largest] as number) < least) return false;
    const [keys, seqs, values, entries, starts] = [
      this.#index.keys,
      this.#seqs,
      this.#values,
      this.#entries,
      this.#starts,
    ];
    const key = keys[largest];
    this.#largeFile ??= new RunFile(context.spill, context.classes, LARGE_GROUPS);
    const group = new LargeGroup(key, seqs[largest] as number, parents, this.#largeFile, context, site);
    this.#large.push(group);
    this.#largeByHash ??= new Map();
    const h = hashKey(key);
    this.#largeByHash.set(h, [...(this.#largeByHash.get(h) ?? []), group]);
    this.#forget();
    this.#reservation.release();
    let parent = 0;
    for (let row = 0; row < values.length; row++) {
      while (parent + 1 < starts.length && row >= (starts[parent + 1] as number)) parent++;
      const entry = entries[row] as number;
      if (entry === largest) group.add(values[row], parent);
      else this.#add(keys[entry], values[row], parent, seqs[entry] as number);
    }
    return true;
  }

  /** Everything held goes to the buckets, rows in order, each with the sequence number of its key's first row. */
  #dump(): void {
    const { context, parents } = this.#options;
    this.#file = new RunFile(context.spill, context.classes, "group");
    this.#buckets = new Array<SeqRun | null>(BUCKETS).fill(null);
    let parent = 0;
    for (let row = 0; row < this.#values.length; row++) {
      while (parent + 1 < this.#starts.length && row >= (this.#starts[parent + 1] as number)) parent++;
      const entry = this.#entries[row] as number;
      const key = this.#index.keys[entry];
      const value = this.#values[row];
      this.#bucketOf(hashKey(key)).add(this.#seqs[entry] as number, key, parents === 0 ? value : [parent, value]);
    }
    this.#forget();
    this.#reservation.release();
  }

  #forget(): void {
    this.#index = new KeyIndex(this.#options.context.classes);
    this.#seqs = [];
    this.#values = [];
    this.#entries = new Int32Array(1024);
    this.#starts = [];
    this.#held = 0;
    this.#covered = FLOOR_BYTES;
  }

  /** Rows sorted by key, stably, by counting; ends[e] is where the rows of key e end. */
  #sortedRows(): { readonly order: Uint32Array; readonly ends: Uint32Array } {
    const rows = this.#values.length;
    const ends = new Uint32Array(this.#index.keys.length);
    const entries = this.#entries;
    for (let row = 0; row < rows; row++) ends[entries[row] as number] = (ends[entries[row] as number] as number) + 1;
    let sum = 0;
    for (let e = 0; e < ends.length; e++) {
      const count = ends[e] as number;
      ends[e] = sum;
      sum += count;
    }
    const order = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) {
      const e = entries[row] as number;
      order[ends[e] as number] = row;
      ends[e] = (ends[e] as number) + 1;
    }
    return { order, ends };
  }

  *#pairs(): Generator<PairColumns, void, void> {
    const { order, ends } = this.#sortedRows();
    const all = this.#values;
    const distinct = this.#index.keys;
    const bound = this.#starts[1] ?? Infinity;
    let keys: unknown[] = [];
    let values: unknown[] = [];
    for (let e = 0, at = 0; e < ends.length; e++) {
      const end = ends[e] as number;
      let middle = at;
      while (middle < end && (order[middle] as number) < bound) middle++;
      for (; at < middle; at++) {
        const left = all[order[at] as number];
        for (let r = middle; r < end; r++) {
          keys.push(distinct[e]);
          if (values.push([left, all[order[r] as number]]) < BATCH_RECORDS) continue;
          yield { keys, values, count: BATCH_RECORDS };
          keys = [];
          values = [];
        }
      }
      at = end;
    }
    if (keys.length > 0) yield { keys, values, count: keys.length };
  }

  /** Every key held, with its values in an array of exactly their number. */
  *#groups(): Generator<PairColumns, void, void> {
    const { order, ends } = this.#sortedRows();
    let at = 0;
    for (let from = 0; from < ends.length; from += BATCH_RECORDS) {
      const to = Math.min(ends.length, from + BATCH_RECORDS);
      const groups: unknown[][] = [];
      for (let e = from; e < to; e++) {
        const end = ends[e] as number;
        groups.push(this.#options.parents === 0 ? this.#rowsOf(order, at, end) : this.#byParent(order, at, end));
        at = end;
      }
      yield { keys: this.#index.keys.slice(from, to), values: groups, count: to - from };
    }
  }

  *#heldGroups(): Generator<{ keys: ArrayLike<unknown>; values: ArrayLike<unknown>; seqs: Float64Array }> {
    let from = 0;
    for (const { keys, values, count } of this.#groups()) {
      yield { keys, values, seqs: Float64Array.from(this.#seqs.slice(from, from + count)) };
      from += count;
    }
  }

  /** All groups by the number of their first row, wherever they are. */
  #ordered() {
    return withLargeGroups(this.#file === null ? this.#heldGroups() : this.#spilledResults(), () => this.#large);
  }

  #byParent(order: Uint32Array, from: number, to: number): unknown[][] {
    const groups: unknown[][] = [];
    let at = from;
    for (let parent = 0; parent < this.#options.parents; parent++) {
      const bound = this.#starts[parent + 1] ?? Infinity;
      let end = at;
      while (end < to && (order[end] as number) < bound) end++;
      groups.push(this.#rowsOf(order, at, end));
      at = end;
    }
    return groups;
  }

  #rowsOf(order: Uint32Array, from: number, to: number): unknown[] {
    const values = this.#values;
    if (to - from === 1) return [values[order[from] as number]];
    const group = new Array<unknown>(to - from);
    for (let i = from; i < to; i++) group[i - from] = values[order[i] as number];
    return group;
  }

  *#spilledResults(): Generator<{ keys: ArrayLike<unknown>; values: ArrayLike<unknown>; seqs: Float64Array }> {
    const { context } = this.#options;
    const file = new RunFile(context.spill, context.classes, "grouped");
    try {
      const runs: SeqRun[] = [];
      for (const bucket of this.#buckets) {
        if (bucket === null) continue;
        bucket.end();
        runs.push(this.#groupBucket(bucket, new SeqRun(file)));
      }
      yield* mergeRuns(runs);
    } finally {
      file.delete();
    }
  }

  #groupBucket(bucket: SeqRun, into: SeqRun): SeqRun {
    const below = new GroupTable(this.#options, this.#level + 1);
    const { parents, context } = this.#options;
    try {
      for (const { keys, values, seqs } of bucket.read()) {
        context.checkCancelled();
        for (let i = 0; i < seqs.length; i++) {
          const seq = seqs[i] as number;
          if (parents === 0) below.#add(keys[i], values[i], 0, seq);
          else {
            const [parent, value] = values[i] as readonly [number, unknown];
            below.#add(keys[i], value, parent, seq);
          }
        }
      }
      if (below.#file === null) {
        let entry = 0;
        for (const { keys, values, count } of below.#groups()) {
          for (let i = 0; i < count; i++) into.add(below.#seqs[entry++] as number, keys[i], values[i]);
        }
      } else {
        for (const { keys, values, seqs } of below.#spilledResults()) {
          for (let i = 0; i < seqs.length; i++) into.add(seqs[i] as number, keys[i], values[i]);
        }
      }
      this.#large.push(...below.#large);
      into.end();
      return into;
    } finally {
      below.release();
    }
  }

  #bucketOf(h: number): SeqRun {
    const at = (h >>> (this.#level * BUCKET_BITS)) & (BUCKETS - 1);
    let bucket = this.#buckets[at] ?? null;
    if (bucket === null) {
      bucket = new SeqRun(this.#file as RunFile);
      this.#buckets[at] = bucket;
    }
    return bucket;
  }
}

function* pairsOfGroups(
  groups: Iterable<{ readonly keys: ArrayLike<unknown>; readonly values: ArrayLike<unknown> }>,
): Generator<PairColumns, void, void> {
  let keys: unknown[] = [];
  let values: unknown[] = [];
  for (const chunk of groups) {
    for (let i = 0; i < chunk.keys.length; i++) {
      const [left, right] = chunk.values[i] as readonly [Iterable<unknown>, Iterable<unknown>];
      for (const one of left) {
        for (const other of right) {
          keys.push(chunk.keys[i]);
          if (values.push([one, other]) < BATCH_RECORDS) continue;
          yield { keys, values, count: BATCH_RECORDS };
          keys = [];
          values = [];
        }
      }
    }
  }
  if (keys.length > 0) yield { keys, values, count: keys.length };
}
