// The text of a combining table: open addressing, short keys kept in the slots themselves, keys in insertion order, values
// in a Float64Array while all of them are numbers. It is compiled together with the loop that feeds it, so that the user's
// merge function is inlined into the probe. The result for a key is the left fold of its values in the order they came;
// entries come out in the order of their first occurrence.
//
// What the table may not decide itself (is there room, is it time to flush) it asks its governor, once a new key; and once in
// some thousand merges of what is no number, whether the combiners have grown too large.

import type { SinkCode } from "../chain/chain-code.js";
import type { Governor } from "./governor.js";
import { FIRST_LOOK } from "./growth.js";

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
  /** Combiners of keys that are not in the table: they are continued where they were put aside. */
  addCombiners(keys: ArrayLike<unknown>, combiners: ArrayLike<unknown>, seqs: Float64Array): void;
  /** The hash of each entry, as the governor was told it. */
  hashes(): Int32Array;
  /** The entries so far; the table is empty afterwards. `more`: something will be added to it again. */
  take(more: boolean): CombinedEntries;
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

/** Slots at the start of a chain's first task; the next begins with as many as the one before it needed. */
const FIRST_SLOTS = 1024;
/** Keys that come often come early, and so stand where their hash points even in a rather full table. */
const MAX_LOAD = 13 / 16;

// A slot is eight words, half a cache line: four that hold the key itself or its hash, one with the entry's number (from 1)
// above five bits that say which, one unused, and the value as a double. Adding to a short key touches nothing else.
const SLOT_WORDS = 8;

// Keys that are 32-bit integers have a table beside it with slots of two words, key and the entry's number (from 1); their
// values stand by number in `nums`. They come in any order, where words repeat: what counts is that the table stays in cache.
const INTEGER_WORDS = 2;
const INTEGER_LOAD = 12 / 16;

/** Strings of at most so many units below 256 are packed, four to a word; the tag is their length. */
const PACKED_CHARS = 16;
const DOUBLE = 17;
/** The first word is a hash: the keys themselves are compared. */
const HASHED = 18;

export function combinerSink(style: CombineStyle): SinkCode {
  return {
    name: `combine-${style}`,
    shared: `let firstSlots = ${FIRST_SLOTS}, firstIntegers = ${FIRST_SLOTS};\n`,
    setup: tableText(style),
    record: null,
    pair: (k, v) => `add(${k}, ${v});`,
    members: "add, addColumns, addTracked, addCombiners, hashes, take",
  };
}

function tableText(style: CombineStyle): string {
  const merge = MERGE[style];
  const onNumbers = (cell: string, entry: string) =>
    style === "first"
      ? "return;"
      : style === "count"
        ? `${cell} += 1; return;`
        : `const r = ${merge(cell)};
      if (typeof r === "number") { ${cell} = r; return; }
      vals = numbers(); vals[${entry}] = r; return;`;
  const onValues = (entry: string) =>
    style === "first"
      ? ""
      : `vals[${entry}] = ${merge(`vals[${entry}]`)}; if (--looks === 0) looks = governor.look(vals, n, ${entry});`;
  const made = `combiners ? v : ${INIT[style]}`;
  return `  const merge = env.merge, governor = env.governor, tracked = env.tracked;
  const hashKey = env.hashKey, keysEqual = env.keysEqual, doubles = new Float64Array(1), words = new Int32Array(doubles.buffer);
  let slots = null, cells = null, mask = 0, room = 0, words8 = 0;
  let integers = null, nums = new Float64Array(16), integerMask = 0, integerRoom = 0, words2 = 0;
  let keys = [], seqs = tracked ? [] : null, vals = null, n = 0;
  let combiners = false, looks = ${FIRST_LOOK};
  makeSlots(firstSlots); makeIntegers(firstIntegers);
  function makeSlots(count) {
    slots = new Int32Array(count * ${SLOT_WORDS}); cells = new Float64Array(slots.buffer);
    mask = count - 1; room = count * ${MAX_LOAD};
  }
  function makeIntegers(count) {
    integers = new Int32Array(count * ${INTEGER_WORDS});
    integerMask = count - 1; integerRoom = count * ${INTEGER_LOAD};
  }
  function mix(a, b, c, d, tag) {
    let h = Math.imul(a ^ tag, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ b, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ c, 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 14) ^ d, 0x27d4eb2f);
    return h ^ (h >>> 16);
  }
  function add(k, v) {
    if (typeof k !== "string") { addOther(k, v); return; }
    const length = k.length;
    if (length > ${PACKED_CHARS}) { addLong(k, v); return; }
    let a = 0, b = 0, c = 0, d = 0, any = 0, i = 0;
    for (let end = length < 4 ? length : 4; i < end; i++) { const u = k.charCodeAt(i); any |= u; a = (a << 8) | u; }
    if (length > 4) {
      for (let end = length < 8 ? length : 8; i < end; i++) { const u = k.charCodeAt(i); any |= u; b = (b << 8) | u; }
      if (length > 8) {
        for (let end = length < 12 ? length : 12; i < end; i++) { const u = k.charCodeAt(i); any |= u; c = (c << 8) | u; }
        for (; i < length; i++) { const u = k.charCodeAt(i); any |= u; d = (d << 8) | u; }
      }
    }
    if (any > 255) { addLong(k, v); return; }
    addPacked(a, b, c, d, length, k, v);
  }
  function addPacked(a, b, c, d, tag, k, v) {
    const h = mix(a, b, c, d, tag), table = slots, wrap = (mask << 3) | 7;
    let s = (h & mask) << 3;
    for (let m = table[s + 4]; m !== 0; m = table[s + 4]) {
      if (table[s] === a && table[s + 1] === b && (m & 31) === tag && table[s + 2] === c && table[s + 3] === d) { found(s, m, v); return; }
      s = (s + 8) & wrap;
    }
    insert(s, a, b, c, d, tag, h, k, v);
  }
  function addLong(k, v) {
    const length = k.length;
    let a = length;
    for (let i = 0; i < length; i++) a = Math.imul(a ^ k.charCodeAt(i), 0x01000193);
    const h = mix(a, length, 0, 0, ${HASHED}), table = slots, wrap = (mask << 3) | 7;
    let s = (h & mask) << 3;
    for (let m = table[s + 4]; m !== 0; m = table[s + 4]) {
      if (table[s] === a && (m & 31) === ${HASHED} && table[s + 1] === length && keys[(m >>> 5) - 1] === k) { found(s, m, v); return; }
      s = (s + 8) & wrap;
    }
    insert(s, a, length, 0, 0, ${HASHED}, h, k, v);
  }
  function addOther(k, v) {
    if (typeof k === "number") {
      if ((k | 0) === k) { addInteger(k | 0, k, v); return; }
      doubles[0] = k === k ? k : NaN;
      addPacked(words[0], words[1], 0, 0, ${DOUBLE}, k, v);
      return;
    }
    const a = hashKey(k) | 0, h = mix(a, -1, 0, 0, ${HASHED}), table = slots, wrap = (mask << 3) | 7;
    let s = (h & mask) << 3;
    for (let m = table[s + 4]; m !== 0; m = table[s + 4]) {
      if (table[s] === a && (m & 31) === ${HASHED} && table[s + 1] === -1 && keysEqual(keys[(m >>> 5) - 1], k)) { found(s, m, v); return; }
      s = (s + 8) & wrap;
    }
    insert(s, a, -1, 0, 0, ${HASHED}, h, k, v);
  }
  function found(s, m, v) {
    if (vals === null) {
      ${onNumbers("cells[(s >> 1) + 3]", "(m >>> 5) - 1")}
    }
    const e = (m >>> 5) - 1; ${onValues("e")}
  }
  function mixInteger(i) {
    let h = Math.imul(i, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
    return h ^ (h >>> 13);
  }
  function addInteger(i, k, v) {
    const h = mixInteger(i), table = integers, wrap = (integerMask << 1) | 1;
    let s = (h & integerMask) << 1;
    for (let m = table[s + 1]; m !== 0; m = table[s + 1]) {
      if (table[s] === i) {
        if (vals === null) {
      ${onNumbers("nums[m - 1]", "m - 1")}
        }
        ${onValues("m - 1")}
        return;
      }
      s = (s + 2) & wrap;
    }
    insertInteger(s, i, h, k, v);
  }
  function insertInteger(s, i, h, k, v) {
    if (governor.admit(h, k, v)) {
      const first = ${made};
      integers[s] = i; integers[s + 1] = ++n;
      keys.push(k);
      if (tracked) seqs.push(governor.seq);
      if (vals === null && typeof first === "number") {
        if (n > nums.length) widen();
        nums[n - 1] = first;
      } else { if (vals === null) vals = numbers(); vals[n - 1] = first; }
      if (++words2 > integerRoom) growIntegers();
    }
    if (governor.flushDue) governor.flush();
  }
  function insert(s, a, b, c, d, tag, h, k, v) {
    if (governor.admit(h, k, v)) {
      const first = ${made};
      slots[s] = a; slots[s + 1] = b; slots[s + 2] = c; slots[s + 3] = d; slots[s + 4] = (++n << 5) | tag;
      keys.push(k);
      if (tracked) seqs.push(governor.seq);
      if (vals === null && typeof first === "number") cells[(s >> 1) + 3] = first;
      else { if (vals === null) vals = numbers(); vals[n - 1] = first; }
      if (++words8 > room) grow();
    }
    if (governor.flushDue) governor.flush();
  }
  function numbers(out = new Array(n).fill(0)) {
    for (let s = words8 === 0 ? slots.length : 0; s < slots.length; s += 8) {
      const m = slots[s + 4];
      if (m !== 0) out[(m >>> 5) - 1] = cells[(s >> 1) + 3];
    }
    for (let s = words2 === 0 ? integers.length : 0; s < integers.length; s += 2) {
      const m = integers[s + 1];
      if (m !== 0) out[m - 1] = nums[m - 1];
    }
    return out;
  }
  function widen() {
    const wider = new Float64Array(n + nums.length);
    wider.set(nums);
    nums = wider;
  }
  function grow() {
    const old = slots, oldCells = cells, length = old.length;
    makeSlots((mask + 1) << 1);
    const wrap = (mask << 3) | 7;
    for (let i = 0; i < length; i += 8) {
      const m = old[i + 4];
      if (m === 0) continue;
      const a = old[i], b = old[i + 1], c = old[i + 2], d = old[i + 3];
      let s = (mix(a, b, c, d, m & 31) & mask) << 3;
      while (slots[s + 4] !== 0) s = (s + 8) & wrap;
      slots[s] = a; slots[s + 1] = b; slots[s + 2] = c; slots[s + 3] = d; slots[s + 4] = m;
      cells[(s >> 1) + 3] = oldCells[(i >> 1) + 3];
    }
  }
  function growIntegers() {
    const old = integers, length = old.length;
    makeIntegers((integerMask + 1) << 1);
    const wrap = (integerMask << 1) | 1;
    for (let i = 0; i < length; i += 2) {
      if (old[i + 1] === 0) continue;
      let s = (mixInteger(old[i]) & integerMask) << 1;
      while (integers[s + 1] !== 0) s = (s + 2) & wrap;
      integers[s] = old[i]; integers[s + 1] = old[i + 1];
    }
  }
  function slotsFor(count, load) {
    let slots = ${FIRST_SLOTS};
    while (count > slots * load) slots *= 2;
    return slots;
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
  function addCombiners(ks, cs, order) {
    combiners = governor.combiners = true;
    addTracked(ks, cs, order);
    combiners = governor.combiners = false;
  }
  function hashes() {
    const out = new Int32Array(n);
    for (let s = words8 === 0 ? slots.length : 0; s < slots.length; s += 8) {
      const m = slots[s + 4];
      if (m !== 0) out[(m >>> 5) - 1] = mix(slots[s], slots[s + 1], slots[s + 2], slots[s + 3], m & 31);
    }
    for (let s = words2 === 0 ? integers.length : 0; s < integers.length; s += 2) {
      if (integers[s + 1] !== 0) out[integers[s + 1] - 1] = mixInteger(integers[s]);
    }
    return out;
  }
  function take(more) {
    const taken = { keys, values: vals !== null ? vals : words8 === 0 ? nums.subarray(0, n) : numbers(new Float64Array(n)), seqs, count: n };
    firstSlots = slotsFor(words8, ${MAX_LOAD}); firstIntegers = slotsFor(words2, ${INTEGER_LOAD});
    nums = new Float64Array(more ? nums.length : 16);
    keys = []; seqs = tracked ? [] : null; n = 0; vals = null;
    if (more) {
      if (words8 > 0) slots.fill(0);
      if (words2 > 0) integers.fill(0);
    } else {
      makeSlots(1); makeIntegers(1);
    }
    words8 = words2 = 0;
    return taken;
  }
`;
}
