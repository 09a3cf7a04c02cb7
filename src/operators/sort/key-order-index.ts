// The order of a column of keys as an index: stable, by codec order. Numbers and strings are sorted by 8-byte prefixes with
// a radix sort that moves prefix and index together; strings with equal prefixes go on behind what they have in common.
// Any other mixture of keys is sorted by comparing.

import { compareKeys } from "../../codec/keys.js";

/** Below this a comparison of prefixes is cheaper than counting digits. */
const INSERTION_ROWS = 24;
const WIDE_DIGIT_ROWS = 1 << 15;

/** Row numbers [0, count) in the order of their keys; rows with equal keys keep their order. */
export function sortedOrder(keys: ArrayLike<unknown>, count: number, descending: boolean): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  if (count < 2) return order;
  const kind = commonKind(keys, count);
  if (kind === "number") sortNumbers(keys as ArrayLike<number>, order, descending);
  else if (kind === "string") sortStrings(keys as ArrayLike<string>, order, 0, count, 0, descending);
  else sortAny(keys, order, descending);
  return order;
}

function commonKind(keys: ArrayLike<unknown>, count: number): "number" | "string" | "other" {
  const kind = typeof keys[0];
  if (kind !== "number" && kind !== "string") return "other";
  for (let i = 1; i < count; i++) if (typeof keys[i] !== kind) return "other";
  return kind;
}

function sortAny(keys: ArrayLike<unknown>, order: Uint32Array, descending: boolean): void {
  const sign = descending ? -1 : 1;
  order.sort((a, b) => sign * compareKeys(keys[a], keys[b]) || a - b);
}

function sortNumbers(keys: ArrayLike<number>, order: Uint32Array, descending: boolean): void {
  const n = order.length;
  const high = new Uint32Array(n);
  const low = new Uint32Array(n);
  const double = new Float64Array(1);
  const words = new Uint32Array(double.buffer);
  const flip = descending ? 0xffffffff : 0;
  for (let i = 0; i < n; i++) {
    const key = keys[i] as number;
    // One zero and one NaN, as keysEqual has it.
    double[0] = key === 0 ? 0 : Number.isNaN(key) ? Number.NaN : key;
    const top = words[1] as number;
    const mask = top >>> 31 === 1 ? 0xffffffff : 0;
    high[i] = (top ^ (mask | 0x80000000) ^ flip) >>> 0;
    low[i] = ((words[0] as number) ^ mask ^ flip) >>> 0;
  }
  radixSort(high, low, order);
}

/** Sorts order[from, to), whose strings agree in their first `skip` units. */
function sortStrings(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  to: number,
  skip: number,
  descending: boolean,
): void {
  const n = to - from;
  if (n <= INSERTION_ROWS) {
    insertionSort(keys, order, from, to, descending);
    return;
  }
  const shared = sharedPrefix(keys, order, from, to, skip);
  if (shared.allEqual) return;
  const at = shared.length;
  const high = new Uint32Array(n);
  const low = new Uint32Array(n);
  const narrow = fitsBytes(keys, order, from, to, at);
  if (narrow) bytePrefixes(keys, order, from, at, high, low);
  else unitPrefixes(keys, order, from, at, high, low);
  if (descending) {
    for (let i = 0; i < n; i++) {
      high[i] = ~(high[i] as number);
      low[i] = ~(low[i] as number);
    }
  }
  const part = order.subarray(from, to);
  radixSort(high, low, part);
  const taken = at + (narrow ? 8 : 4);
  for (let start = 0; start < n; ) {
    let end = start + 1;
    while (end < n && high[end] === high[start] && low[end] === low[start]) end++;
    if (end - start > 1) sortTies(keys, order, from + start, from + end, at, taken, descending);
    start = end;
  }
}

/** Equal prefixes: a string that ended inside the prefix looks like one that goes on with U+0000, so such are compared. */
function sortTies(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  to: number,
  at: number,
  taken: number,
  descending: boolean,
): void {
  let short = false;
  for (let i = from; i < to && !short; i++) short = (keys[order[i] as number] as string).length < taken;
  if (!short) {
    sortStrings(keys, order, from, to, taken, descending);
    return;
  }
  const { allEqual } = sharedPrefix(keys, order, from, to, at);
  if (allEqual) return;
  const sign = descending ? -1 : 1;
  // Rows stand in ascending order where keys are equal, because the radix sort is stable.
  order.subarray(from, to).sort((a, b) => sign * compareKeys(keys[a], keys[b]) || a - b);
}

function insertionSort(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  to: number,
  descending: boolean,
): void {
  const sign = descending ? -1 : 1;
  for (let i = from + 1; i < to; i++) {
    const row = order[i] as number;
    const key = keys[row];
    let j = i - 1;
    while (j >= from && sign * compareKeys(keys[order[j] as number], key) > 0) {
      order[j + 1] = order[j] as number;
      j--;
    }
    order[j + 1] = row;
  }
}

function sharedPrefix(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  to: number,
  skip: number,
): { readonly length: number; readonly allEqual: boolean } {
  const first = keys[order[from] as number] as string;
  let length = first.length;
  let equal = true;
  for (let i = from + 1; i < to; i++) {
    const key = keys[order[i] as number] as string;
    const bound = Math.min(length, key.length);
    let at = skip;
    while (at < bound && key.charCodeAt(at) === first.charCodeAt(at)) at++;
    if (at < first.length || key.length !== first.length) equal = false;
    length = at;
    if (length === skip && !equal) break;
  }
  return { length, allEqual: equal };
}

function fitsBytes(keys: ArrayLike<string>, order: Uint32Array, from: number, to: number, at: number): boolean {
  for (let i = from; i < to; i++) {
    const key = keys[order[i] as number] as string;
    const end = Math.min(key.length, at + 8);
    for (let j = at; j < end; j++) if (key.charCodeAt(j) > 0xff) return false;
  }
  return true;
}

function bytePrefixes(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  at: number,
  high: Uint32Array,
  low: Uint32Array,
): void {
  for (let i = 0; i < high.length; i++) {
    const key = keys[order[from + i] as number] as string;
    const left = key.length - at;
    let h = 0;
    let l = 0;
    const inHigh = Math.min(left, 4);
    for (let j = 0; j < inHigh; j++) h |= key.charCodeAt(at + j) << (24 - 8 * j);
    const inAll = Math.min(left, 8);
    for (let j = 4; j < inAll; j++) l |= key.charCodeAt(at + j) << (56 - 8 * j);
    high[i] = h;
    low[i] = l;
  }
}

/** Four units a prefix, ranked so that surrogates follow U+FFFF: the order by code point. */
function unitPrefixes(
  keys: ArrayLike<string>,
  order: Uint32Array,
  from: number,
  at: number,
  high: Uint32Array,
  low: Uint32Array,
): void {
  const rank = (key: string, j: number) => {
    if (j >= key.length) return 0;
    const unit = key.charCodeAt(j);
    return unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
  };
  for (let i = 0; i < high.length; i++) {
    const key = keys[order[from + i] as number] as string;
    high[i] = (rank(key, at) << 16) | rank(key, at + 1);
    low[i] = (rank(key, at + 2) << 16) | rank(key, at + 3);
  }
}

/** Sorts (high, low) with their rows, least significant digit first; digits that all rows share cost one count only. */
function radixSort(high: Uint32Array, low: Uint32Array, rows: Uint32Array): void {
  const n = rows.length;
  const bits = n < WIDE_DIGIT_ROWS ? 8 : 11;
  const buckets = 1 << bits;
  const counts = new Uint32Array(buckets);
  let from: Sortable = { high, low, rows };
  let to: Sortable = { high: new Uint32Array(n), low: new Uint32Array(n), rows: new Uint32Array(n) };
  for (const word of ["low", "high"] as const) {
    for (let shift = 0; shift < 32; shift += bits) {
      const digits = from[word];
      counts.fill(0);
      for (let i = 0; i < n; i++) {
        const digit = ((digits[i] as number) >>> shift) & (buckets - 1);
        counts[digit] = (counts[digit] as number) + 1;
      }
      if (counts[((digits[0] as number) >>> shift) & (buckets - 1)] === n) continue;
      let sum = 0;
      for (let d = 0; d < buckets; d++) {
        const count = counts[d] as number;
        counts[d] = sum;
        sum += count;
      }
      scatter(from, to, digits, counts, shift, buckets - 1);
      [from, to] = [to, from];
    }
  }
  if (from.rows !== rows) {
    high.set(from.high);
    low.set(from.low);
    rows.set(from.rows);
  }
}

interface Sortable {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly rows: Uint32Array;
}

function scatter(
  from: Sortable,
  to: Sortable,
  digits: Uint32Array,
  places: Uint32Array,
  shift: number,
  mask: number,
): void {
  const { high, low, rows } = from;
  const { high: toHigh, low: toLow, rows: toRows } = to;
  for (let i = 0; i < rows.length; i++) {
    const digit = ((digits[i] as number) >>> shift) & mask;
    const place = places[digit] as number;
    places[digit] = place + 1;
    toHigh[place] = high[i] as number;
    toLow[place] = low[i] as number;
    toRows[place] = rows[i] as number;
  }
}
