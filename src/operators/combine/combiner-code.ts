// The text of a combining table: open addressing, short keys kept in the slots themselves, keys in insertion order, values
// in a Float64Array while all of them are numbers. It is compiled together with the loop that feeds it, so that the user's
// merge function is inlined into the probe. The result for a key is the left fold of its values in the order they came;
// entries come out in the order of their first occurrence.
//
// What the table may not decide itself (is there room, is it time to flush) it asks its governor, once a new key.

import type { SinkCode } from "../chain/chain-code.js";
import type { Governor } from "./governor.js";

/** The functions of an aggregator as the table calls them. */
export type CombineStyle =
  /** The first value is the first combiner. */
  | "reduce"
  /** create(value), then merge(combiner, value). */
  | "create"
  /** merge(zero(), value), then merge(combiner, value). */
  | "zero"
  /** The first value stays. */
  | "first"
  /** Numbers of records: values are ignored. */
  | "count";

export interface CombineFunctions {
  readonly style: CombineStyle;
  readonly merge: (combiner: unknown, value: unknown) => unknown;
  readonly create: (value: unknown) => unknown;
  readonly zero: () => unknown;
  /** Hashes of the functions: part of the compiled text's cache key. */
  readonly identity: string;
}

/** What the compiled table is given: the functions, and key operations for what is neither string nor number. */
export interface CombineEnv extends CombineFunctions {
  readonly governor: Governor;
  hashKey(key: unknown): number;
  keysEqual(a: unknown, b: unknown): boolean;
  /** Keep each entry's sequence number (below the first level of a spill). */
  readonly tracked: boolean;
}

/** Entries in the order of their first occurrence. `values` may be longer than `count`. */
export interface CombinedEntries {
  readonly keys: unknown[];
  readonly values: ArrayLike<unknown>;
  readonly seqs: readonly number[] | null;
  readonly count: number;
}

export interface CombinerMembers {
  add(key: unknown, value: unknown): void;
  addColumns(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, from: number, to: number): void;
  addTracked(keys: ArrayLike<unknown>, values: ArrayLike<unknown>, seqs: Float64Array): void;
  /** The entries so far; the table is empty afterwards. */
  take(): CombinedEntries;
}

const INIT: Record<CombineStyle, string> = {
  reduce: "v",
  create: "env.create(v)",
  zero: "merge(env.zero(), v)",
  first: "v",
  count: "1",
};

const MERGE: Record<CombineStyle, (combiner: string) => string> = {
  reduce: (c) => `merge(${c}, v)`,
  create: (c) => `merge(${c}, v)`,
  zero: (c) => `merge(${c}, v)`,
  first: (c) => c,
  count: (c) => `${c} + 1`,
};

/** Slots at the start; a table is at most half full. */
const FIRST_SLOTS = 1024;

// A slot is four words: three that hold the key itself or its hash, then the entry's number (from 1) above four bits that
// say which. A short string is packed into the slot, so that finding it touches neither the key nor its characters.

/** Strings of at most so many units below 256 are packed, four to a word; the tag is their length. */
const PACKED_CHARS = 12;
const INTEGER = 13;
const DOUBLE = 14;
/** The first word is a hash: the keys themselves are compared. */
const HASHED = 15;

export function combinerSink(style: CombineStyle): SinkCode {
  return {
    name: `combine-${style}`,
    setup: tableText(style),
    record: null,
    pair: (k, v) => `add(${k}, ${v});`,
    members: "add, addColumns, addTracked, take",
  };
}

function tableText(style: CombineStyle): string {
  const merge = MERGE[style];
  const onNumbers =
    style === "first"
      ? "return;"
      : style === "count"
        ? "nums[e] += 1; return;"
        : `const r = ${merge("nums[e]")};
    if (typeof r === "number") { nums[e] = r; return; }
    toValues(); vals[e] = r; return;`;
  return `  const merge = env.merge, governor = env.governor, tracked = env.tracked;
  const hashKey = env.hashKey, keysEqual = env.keysEqual, doubles = new Float64Array(1), words = new Int32Array(doubles.buffer);
  let slots = new Int32Array(${4 * FIRST_SLOTS}), mask = ${FIRST_SLOTS - 1}, n = 0;
  let keys = [], seqs = tracked ? [] : null, nums = new Float64Array(${FIRST_SLOTS / 2 + 1}), vals = null;
  function mix(a, b, c, tag) {
    let h = Math.imul(a ^ tag, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ b, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ c, 0xc2b2ae35);
    return h ^ (h >>> 16);
  }
  function add(k, v) {
    if (typeof k !== "string") { addOther(k, v); return; }
    const length = k.length;
    if (length > ${PACKED_CHARS}) { addLong(k, v); return; }
    let a = 0, b = 0, c = 0, any = 0, i = 0;
    for (let end = length < 4 ? length : 4; i < end; i++) { const u = k.charCodeAt(i); any |= u; a = (a << 8) | u; }
    if (length > 4) {
      for (let end = length < 8 ? length : 8; i < end; i++) { const u = k.charCodeAt(i); any |= u; b = (b << 8) | u; }
      for (; i < length; i++) { const u = k.charCodeAt(i); any |= u; c = (c << 8) | u; }
    }
    if (any > 255) { addLong(k, v); return; }
    addPacked(a, b, c, length, k, v);
  }
  function addPacked(a, b, c, tag, k, v) {
    const h = mix(a, b, c, tag), table = slots, wrap = (mask << 2) | 3;
    let s = (h & mask) << 2;
    for (let m = table[s + 3]; m !== 0; m = table[s + 3]) {
      if (table[s] === a && table[s + 1] === b && (m & 15) === tag && table[s + 2] === c) { found((m >>> 4) - 1, v); return; }
      s = (s + 4) & wrap;
    }
    insert(s, a, b, c, tag, h, k, v);
  }
  function addLong(k, v) {
    const length = k.length;
    let a = length;
    for (let i = 0; i < length; i++) a = Math.imul(a ^ k.charCodeAt(i), 0x01000193);
    const h = mix(a, 0, 0, ${HASHED}), table = slots, wrap = (mask << 2) | 3;
    let s = (h & mask) << 2;
    for (let m = table[s + 3]; m !== 0; m = table[s + 3]) {
      if (table[s] === a && (m & 15) === ${HASHED} && keys[(m >>> 4) - 1] === k) { found((m >>> 4) - 1, v); return; }
      s = (s + 4) & wrap;
    }
    insert(s, a, 0, 0, ${HASHED}, h, k, v);
  }
  function addOther(k, v) {
    if (typeof k === "number") {
      if ((k | 0) === k) { addPacked(k | 0, 0, 0, ${INTEGER}, k, v); return; }
      doubles[0] = k === k ? k : NaN;
      addPacked(words[0], words[1], 0, ${DOUBLE}, k, v);
      return;
    }
    const a = hashKey(k) | 0, h = mix(a, 0, 0, ${HASHED}), table = slots, wrap = (mask << 2) | 3;
    let s = (h & mask) << 2;
    for (let m = table[s + 3]; m !== 0; m = table[s + 3]) {
      if (table[s] === a && (m & 15) === ${HASHED} && keysEqual(keys[(m >>> 4) - 1], k)) { found((m >>> 4) - 1, v); return; }
      s = (s + 4) & wrap;
    }
    insert(s, a, 0, 0, ${HASHED}, h, k, v);
  }
  function found(e, v) {
    if (vals === null) {
      ${onNumbers}
    }
    ${style === "first" ? "" : `vals[e] = ${merge("vals[e]")};`}
  }
  function insert(s, a, b, c, tag, h, k, v) {
    if (governor.admit(h, k, v)) {
      const first = ${INIT[style]};
      slots[s] = a; slots[s + 1] = b; slots[s + 2] = c; slots[s + 3] = (++n << 4) | tag;
      keys.push(k);
      if (tracked) seqs.push(governor.seq);
      if (vals === null && typeof first === "number") nums[n - 1] = first;
      else { if (vals === null) toValues(); vals[n - 1] = first; }
      if (n << 1 > mask) grow();
    }
    if (governor.flushDue) governor.flush();
  }
  function toValues() {
    vals = [];
    for (let i = 0; i < n; i++) vals.push(nums[i]);
  }
  function grow() {
    const old = slots, length = old.length;
    mask = (mask << 1) | 1;
    slots = new Int32Array(length << 1);
    const wrap = (mask << 2) | 3;
    for (let i = 0; i < length; i += 4) {
      const m = old[i + 3];
      if (m === 0) continue;
      const a = old[i], b = old[i + 1], c = old[i + 2];
      let s = (mix(a, b, c, m & 15) & mask) << 2;
      while (slots[s + 3] !== 0) s = (s + 4) & wrap;
      slots[s] = a; slots[s + 1] = b; slots[s + 2] = c; slots[s + 3] = m;
    }
    if (vals === null) {
      const wider = new Float64Array((mask >> 1) + 2);
      wider.set(nums.subarray(0, n));
      nums = wider;
    }
  }
  function addColumns(ks, vs, from, to) {
    try {
      for (let i = from; i < to; i++) add(ks[i], vs[i]);
    } catch (error) { helpers.fail(error, -1); }
  }
  function addTracked(ks, vs, order) {
    try {
      for (let i = 0; i < order.length; i++) { governor.seq = order[i]; add(ks[i], vs[i]); }
    } catch (error) { helpers.fail(error, -1); }
  }
  function take() {
    const taken = { keys, values: vals === null ? nums : vals, seqs, count: n };
    keys = []; seqs = tracked ? [] : null; n = 0;
    slots.fill(0);
    nums = new Float64Array((mask >> 1) + 2); vals = null;
    return taken;
  }
`;
}
