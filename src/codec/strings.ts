// String columns: int32 offsets, one more than rows, then the bytes in UTF-8, as Arrow has them. What is fastest depends on
// the length (measured, 64 Ki rows): up to about 12 characters a loop over charCodeAt (22 ns a string of 8), because every
// native call costs 50 ns; up to about 48 joined into one rope (30 ns a string of 20), longer ones one call each (100 ns at 100).
//
// Reading: one latin1Slice of many strings, then substring. V8 copies a substring below 13 characters; a longer one keeps its
// whole parent alive, so parents are small where strings are long, and nobody holds 4 MiB by a word.

import type { ByteReader } from "./byte-reader.js";
import type { ByteWriter } from "./byte-writer.js";

/** What became of a column: "mixed" when a row is no string, "illFormed" when one has a lone surrogate. */
export type StringsOutcome = "ascii" | "utf8" | "mixed" | "illFormed";

/** What Buffer has beside toString and write, without their checks of arguments; @types/node does not declare them. */
type RawBuffer = Buffer & {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, offset: number): number;
  latin1Write(text: string, offset: number): number;
};

/** Mean length up to which characters are copied one by one. */
const SHORT = 12;
/** Mean length up to which they are joined first. */
const MIDDLE = 48;
/** UTF-16 units; V8's strings end at 2^29. */
const MAX_JOINED = 1 << 26;
/** V8's SlicedString::kMinLength: shorter substrings are copies. */
const SLICED_FROM = 13;
/** Bytes of the parents of strings that do not get copied. */
const PARENT_BYTES = 1024;
const COPIED_PARENT_BYTES = 8192;

export function writeStrings(w: ByteWriter, values: ArrayLike<unknown>, start: number, end: number): StringsOutcome {
  let units = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "string") return "mixed";
    units += value.length;
  }
  const rows = end - start;
  w.reserve((rows + 2) * 4 + units);
  w.align4();
  const offsetsAt = w.at;
  w.at += (rows + 1) * 4;
  const short = units <= rows * SHORT;
  const ascii = short ? putAscii(w, values as ArrayLike<string>, start, end, offsetsAt) : false;
  if (ascii) return "ascii";
  if (short) {
    w.at = offsetsAt + (rows + 1) * 4;
    w.reserve(units * 3);
    return putUtf8(w, values as ArrayLike<string>, start, end, offsetsAt);
  }
  if (
    units <= rows * MIDDLE &&
    units < MAX_JOINED &&
    putJoined(w, values as ArrayLike<string>, start, end, offsetsAt)
  ) {
    return "ascii";
  }
  return putLong(w, values as ArrayLike<string>, start, end, offsetsAt, units);
}

/** One rope of all strings, flattened and written by one call each; false when it is not all ASCII. */
function putJoined(w: ByteWriter, values: ArrayLike<string>, start: number, end: number, offsetsAt: number): boolean {
  const offsets = w.i32;
  let slot = offsetsAt >> 2;
  offsets[slot++] = 0;
  let joined = "";
  for (let i = start; i < end; i++) {
    joined += values[i]!;
    offsets[slot++] = joined.length;
  }
  if (Buffer.byteLength(joined, "utf8") !== joined.length) return false;
  w.at += (w.buffer as RawBuffer).latin1Write(joined, w.at);
  return true;
}

/** False at the first character beyond ASCII. */
function putAscii(w: ByteWriter, values: ArrayLike<string>, start: number, end: number, offsetsAt: number): boolean {
  const bytes = w.buffer;
  const offsets = w.i32;
  const base = w.at;
  let at = base;
  let slot = offsetsAt >> 2;
  offsets[slot++] = 0;
  let all = 0;
  for (let i = start; i < end; i++) {
    const text = values[i]!;
    const length = text.length;
    for (let k = 0; k < length; k++) {
      const c = text.charCodeAt(k);
      all |= c;
      bytes[at++] = c;
    }
    offsets[slot++] = at - base;
  }
  w.at = at;
  return all < 128;
}

function putUtf8(
  w: ByteWriter,
  values: ArrayLike<string>,
  start: number,
  end: number,
  offsetsAt: number,
): StringsOutcome {
  const bytes = w.buffer;
  const offsets = w.i32;
  const base = w.at;
  let at = base;
  let slot = offsetsAt >> 2;
  offsets[slot++] = 0;
  for (let i = start; i < end; i++) {
    const text = values[i]!;
    for (let k = 0; k < text.length; k++) {
      let c = text.charCodeAt(k);
      if (c < 0x80) {
        bytes[at++] = c;
        continue;
      }
      if (c < 0x800) {
        bytes[at++] = 0xc0 | (c >> 6);
      } else {
        if ((c & 0xf800) === 0xd800) {
          const low = k + 1 < text.length ? text.charCodeAt(++k) : 0;
          if (c >= 0xdc00 || (low & 0xfc00) !== 0xdc00) return "illFormed";
          c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
          bytes[at++] = 0xf0 | (c >> 18);
          bytes[at++] = 0x80 | ((c >> 12) & 0x3f);
        } else {
          bytes[at++] = 0xe0 | (c >> 12);
        }
        bytes[at++] = 0x80 | ((c >> 6) & 0x3f);
      }
      bytes[at++] = 0x80 | (c & 0x3f);
    }
    offsets[slot++] = at - base;
  }
  w.at = at;
  return "utf8";
}

function putLong(
  w: ByteWriter,
  values: ArrayLike<string>,
  start: number,
  end: number,
  offsetsAt: number,
  units: number,
): StringsOutcome {
  const base = w.at;
  let slot = offsetsAt >> 2;
  w.i32[slot++] = 0;
  let ascii = true;
  let left = units;
  for (let i = start; i < end; i++) {
    const text = values[i]!;
    const length = text.length;
    left -= length;
    // What is reserved holds everything as long as it is ASCII; a string that is not may take up to three times its length.
    const room = w.buffer.length - w.at - left - 16;
    if (length * 3 > room) {
      const exact = Buffer.byteLength(text, "utf8");
      if (exact > room) w.reserve(exact + left);
    }
    const written = (w.buffer as RawBuffer).utf8Write(text, w.at);
    if (written !== length) {
      ascii = false;
      // utf8Write puts U+FFFD in place of a lone surrogate.
      if (!isWellFormed(text)) return "illFormed";
    }
    w.at += written;
    w.i32[slot++] = w.at - base;
  }
  return ascii ? "ascii" : "utf8";
}

/** The strings of an "ascii" or "utf8" column. */
export function readStrings(r: ByteReader, rows: number, ascii: boolean): string[] {
  const out: string[] = new Array(rows);
  r.align4();
  const offsetsAt = r.skip((rows + 1) * 4);
  const bytes = r.bytes as RawBuffer;
  const total = readI32(bytes, offsetsAt + rows * 4);
  const base = r.skip(total);
  if (rows === 0) return out;
  const aligned = ((bytes.byteOffset + offsetsAt) & 3) === 0;
  const offsets =
    rows > 24 && aligned
      ? new Int32Array(bytes.buffer, bytes.byteOffset + offsetsAt, rows + 1)
      : smallOffsets(bytes, offsetsAt, rows);
  if (ascii) readAscii(bytes, base, offsets, rows, total, out);
  else readUtf8(bytes, base, offsets, rows, out);
  return out;
}

function readAscii(
  bytes: RawBuffer,
  base: number,
  offsets: Int32Array,
  rows: number,
  total: number,
  out: string[],
): void {
  const parentBytes = total <= rows * SHORT ? COPIED_PARENT_BYTES : PARENT_BYTES;
  for (let i = 0; i < rows; ) {
    const first = offsets[i]!;
    // A run of strings that together make one parent.
    let last = i + 1;
    while (last < rows && offsets[last + 1]! - first <= parentBytes) last++;
    const parent = bytes.latin1Slice(base + first, base + offsets[last]!);
    if (last === i + 1) {
      out[i++] = parent;
      continue;
    }
    let from = 0;
    for (; i < last; i++) {
      const to = offsets[i + 1]! - first;
      // A long string among short ones gets bytes of its own rather than hold the large parent.
      out[i] =
        parentBytes === COPIED_PARENT_BYTES && to - from >= SLICED_FROM
          ? bytes.latin1Slice(base + first + from, base + first + to)
          : parent.substring(from, to);
      from = to;
    }
  }
}

function readUtf8(bytes: RawBuffer, base: number, offsets: Int32Array, rows: number, out: string[]): void {
  for (let i = 0; i < rows; ) {
    const first = offsets[i]!;
    let last = i + 1;
    while (last < rows && offsets[last + 1]! - first <= PARENT_BYTES) last++;
    const parent = bytes.utf8Slice(base + first, base + offsets[last]!);
    if (last === i + 1) {
      out[i++] = parent;
      continue;
    }
    let from = 0;
    let at = base + first;
    for (; i < last; i++) {
      // UTF-16 units of these bytes: one a lead byte, one more for those of four bytes.
      let to = from;
      for (const stop = base + offsets[i + 1]!; at < stop; at++) {
        const byte = bytes[at]!;
        if ((byte & 0xc0) !== 0x80) to += byte >= 0xf0 ? 2 : 1;
      }
      out[i] = parent.substring(from, to);
      from = to;
    }
  }
}

let small = new Int32Array(0);

/** Offsets as numbers without a view of their own, which costs more than ten rows do. The result is used up at once. */
function smallOffsets(bytes: Buffer, at: number, rows: number): Int32Array {
  if (small.length <= rows) small = new Int32Array(Math.max(64, rows + 1));
  for (let i = 0; i <= rows; i++) small[i] = readI32(bytes, at + i * 4);
  return small;
}

export function readI32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function isWellFormed(text: string): boolean {
  // In every Node that we run on; the es2023 library does not declare it.
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}
