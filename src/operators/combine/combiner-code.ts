// The text of a combining table: open addressing, the hash kept beside the entry's number, keys in insertion order, values
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
  const hashKey = env.hashKey, keysEqual = env.keysEqual;
  let slots = new Int32Array(${2 * FIRST_SLOTS}), mask = ${FIRST_SLOTS - 1}, n = 0;
  let keys = [], seqs = tracked ? [] : null, nums = new Float64Array(${FIRST_SLOTS / 2 + 1}), vals = null;
  function mix(h) {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  }
  function add(k, v) {
    if (typeof k !== "string") { addOther(k, v); return; }
    const length = k.length;
    let h = length;
    for (let i = 0; i < length; i++) h = Math.imul(h ^ k.charCodeAt(i), 0x01000193);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
    h ^= h >>> 13;
    let s = (h & mask) << 1;
    for (let e = slots[s + 1]; e !== 0; e = slots[s + 1]) {
      if (slots[s] === h && keys[e - 1] === k) { found(e - 1, v); return; }
      s = (s + 2) & ((mask << 1) | 1);
    }
    insert(s, h, k, v);
  }
  function addOther(k, v) {
    if (typeof k === "number") {
      let h = k | 0;
      if (h !== k) h = k === k ? hashKey(k) : 0x7ff80000;
      h = mix(h);
      let s = (h & mask) << 1;
      for (let e = slots[s + 1]; e !== 0; e = slots[s + 1]) {
        if (slots[s] === h) {
          const other = keys[e - 1];
          if (other === k || (k !== k && other !== other)) { found(e - 1, v); return; }
        }
        s = (s + 2) & ((mask << 1) | 1);
      }
      insert(s, h, k, v);
      return;
    }
    const h = mix(hashKey(k));
    let s = (h & mask) << 1;
    for (let e = slots[s + 1]; e !== 0; e = slots[s + 1]) {
      if (slots[s] === h && keysEqual(keys[e - 1], k)) { found(e - 1, v); return; }
      s = (s + 2) & ((mask << 1) | 1);
    }
    insert(s, h, k, v);
  }
  function found(e, v) {
    if (vals === null) {
      ${onNumbers}
    }
    ${style === "first" ? "" : `vals[e] = ${merge("vals[e]")};`}
  }
  function insert(s, h, k, v) {
    if (governor.admit(h, k, v)) {
      const c = ${INIT[style]};
      slots[s] = h; slots[s + 1] = ++n;
      keys.push(k);
      if (tracked) seqs.push(governor.seq);
      if (vals === null && typeof c === "number") nums[n - 1] = c;
      else { if (vals === null) toValues(); vals[n - 1] = c; }
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
    const wrap = (mask << 1) | 1;
    for (let i = 0; i < length; i += 2) {
      const e = old[i + 1];
      if (e === 0) continue;
      const h = old[i];
      let s = (h & mask) << 1;
      while (slots[s + 1] !== 0) s = (s + 2) & wrap;
      slots[s] = h; slots[s + 1] = e;
    }
    if (vals === null) {
      const wider = new Float64Array(mask / 2 + 2);
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
    if (slots.length > ${2 * FIRST_SLOTS}) slots.fill(0); else slots = new Int32Array(${2 * FIRST_SLOTS});
    mask = (slots.length >> 1) - 1;
    nums = new Float64Array(mask / 2 + 2); vals = null;
    return taken;
  }
`;
}
