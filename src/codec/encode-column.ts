// Infers the type of a column from its values and writes its buffers, optimistically in one pass: the first value says what to
// try, a value that does not fit undoes it. Then come, in this order: the same with a validity bitmap when some rows are null
// or undefined, and the fallback column. Composite values (tuples, lists, objects) are taken apart into columns of their own.
//
// Layout of each type, lengths implied: bool ceil(n/8) bytes; i8, i16, i32, f64, i64, date n values aligned to their width
// (date as f64 of milliseconds); strings and bytes n+1 int32 offsets, then bytes; typed the same with offsets in bytes; list
// n+1 offsets, then the elements' column; tuple, object, class their columns in turn; "null?" a bitmap (1 = present), then the
// column: a leaf has some value in the absent rows, a composite leaves them out; any u32 length, then bytes.

import { MillraceError } from "../core/errors.js";
import type { ByteWriter } from "./byte-writer.js";
import type { ClassRegistry } from "./class-registry.js";
import {
  writeBigints,
  writeBitmap,
  writeBooleans,
  writeBytes,
  writeDates,
  writeFloat64Array,
  writeIntegers,
} from "./encode-leaves.js";
import { classIdOf, encodeFallback, notEncodable, throwWithPlace } from "./fallback.js";
import { unstored } from "./stored-values.js";
import { writeStrings } from "./strings.js";
import { objectKind } from "./value-kind.js";

/** Deeper composites, cyclic ones among them, make their whole batch one fallback column. */
const MAX_DEPTH = 8;
/** Elements of lists inside lists that may be laid flat; more of them are shared arrays seen many times, or a cycle. */
const MAX_NESTED_ELEMENTS = 1 << 24;
const MAX_ELEMENTS = 1 << 27;
const TUPLE_MAX = 8;

/** Thrown and caught inside the codec: this batch is no tree. */
class NotATree extends Error {}

/** Writes `values[start, end)` and returns the JSON text of the column's type. */
export function encodeRoot(
  w: ByteWriter,
  given: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
): string {
  const from = w.at;
  const values = unstored(given, start, end);
  try {
    try {
      return encodeColumn(w, values, start, end, classes, 0);
    } catch (error) {
      if (!(error instanceof NotATree)) throw error;
      w.at = from;
      return writeFallback(w, values, start, end, classes);
    }
  } catch (error) {
    return throwWithPlace(error, Array.prototype.slice.call(values, start, end), classes);
  }
}

/** The pair columns of `keys[start, end)` and `values[start, end)`. */
export function encodePairRoot(
  w: ByteWriter,
  keys: ArrayLike<unknown>,
  given: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
): string {
  const from = w.at;
  const values = unstored(given, start, end);
  try {
    try {
      const key = encodeColumn(w, keys, start, end, classes, 1);
      return pairText(key, encodeColumn(w, values, start, end, classes, 1));
    } catch (error) {
      if (!(error instanceof NotATree)) throw error;
      w.at = from;
      const key = writeFallback(w, keys, start, end, classes);
      return pairText(key, writeFallback(w, values, start, end, classes));
    }
  } catch (error) {
    return throwWithPlace(error, pairsOf(keys, values, start, end), classes);
  }
}

function* pairsOf(
  keys: ArrayLike<unknown>,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
): Generator<unknown> {
  for (let i = start; i < end; i++) yield [keys[i], values[i]];
}

const pairTexts = new Map<string, Map<string, string>>();

/** Kept per pair of types: building the text anew costs as much as a frame of ten rows. */
function pairText(key: string, value: string): string {
  let byValue = pairTexts.get(key);
  if (byValue === undefined) {
    if (pairTexts.size > 1000) pairTexts.clear();
    byValue = new Map();
    pairTexts.set(key, byValue);
  }
  let text = byValue.get(value);
  if (text === undefined) {
    if (byValue.size > 1000) byValue.clear();
    text = `["tuple",${key},${value}]`;
    byValue.set(value, text);
  }
  return text;
}

function encodeColumn(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
): string {
  if (start === end) return '"null"';
  const at = w.at;
  const type = tryColumn(w, values, start, end, classes, depth);
  if (type !== null) return type;
  w.at = at;
  return encodeNullable(w, values, start, end, classes, depth);
}

/** null when the values are not all of the first one's type. */
function tryColumn(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
): string | null {
  const first = values[start];
  switch (typeof first) {
    case "string": {
      const outcome = writeStrings(w, values, start, end);
      return outcome === "ascii" ? '"ascii"' : outcome === "utf8" ? '"utf8"' : null;
    }
    case "number":
      if (values instanceof Float64Array) return writeFloat64Array(w, values, start, end, depth);
      return writeIntegers(w, values, start, end, depth);
    case "boolean":
      return writeBooleans(w, values, start, end);
    case "bigint":
      return writeBigints(w, values, start, end);
    case "undefined":
      for (let i = start; i < end; i++) if (values[i] !== undefined) return null;
      return '"undefined"';
    case "object":
      if (first !== null) return tryObjects(w, values, start, end, classes, depth, first);
      for (let i = start; i < end; i++) if (values[i] !== null) return null;
      return '"null"';
    default:
      throw notEncodable(first, "");
  }
}

function tryObjects(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
  first: object,
): string | null {
  switch (objectKind(first)) {
    case "array":
      return writeArrays(w, values, start, end, classes, depth);
    case "plain":
      return writeObjects(w, values, start, end, classes, depth, first);
    case "instance":
      return writeInstances(w, values, start, end, classes, depth, first);
    case "date":
      return writeDates(w, values, start, end);
    case "bytes":
      return writeBytes(w, values, start, end, Object.getPrototypeOf(first)) ? '"bytes"' : null;
    case "buffer":
      return writeBytes(w, values, start, end, Object.getPrototypeOf(first)) ? '"buffer"' : null;
    case "typed": {
      const name = (first as Uint8Array)[Symbol.toStringTag] as string;
      return writeBytes(w, values, start, end, Object.getPrototypeOf(first)) ? `["typed","${name}"]` : null;
    }
    default:
      return null;
  }
}

function writeArrays(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
): string | null {
  if (depth >= MAX_DEPTH) throw new NotATree();
  const length = (values[start] as unknown[]).length;
  let total = 0;
  let uniform = true;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "object" || value === null || objectKind(value) !== "array") return null;
    const own = (value as unknown[]).length;
    if (own !== length) uniform = false;
    total += own;
  }
  if (uniform && length <= TUPLE_MAX && (length === 2 || isMixed(values[start] as unknown[]))) {
    return writeTuples(w, values as ArrayLike<unknown[]>, start, end, classes, depth, length);
  }
  if (total > (depth > 1 ? MAX_NESTED_ELEMENTS : MAX_ELEMENTS)) throw new NotATree();
  return writeLists(w, values as ArrayLike<unknown[]>, start, end, classes, depth, total);
}

/** A tuple of several types, by its first row: a list would be a fallback column. */
function isMixed(row: readonly unknown[]): boolean {
  for (let i = 1; i < row.length; i++) if (typeof row[i] !== typeof row[0]) return true;
  return false;
}

function writeTuples(
  w: ByteWriter,
  rows: ArrayLike<readonly unknown[]>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
  length: number,
): string | null {
  let text = '["tuple"';
  for (let member = 0; member < length; member++) {
    const column: unknown[] = new Array(end - start);
    for (let i = start; i < end; i++) {
      const row = rows[i]!;
      const value = row[member];
      if (value === undefined && !(member in row)) return null;
      column[i - start] = value;
    }
    text += `,${encodeColumn(w, column, 0, column.length, classes, depth + 1)}`;
  }
  return `${text}]`;
}

function writeLists(
  w: ByteWriter,
  rows: ArrayLike<readonly unknown[]>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
  total: number,
): string | null {
  w.reserve((end - start + 2) * 4);
  w.align4();
  let slot = w.at >> 2;
  w.at += (end - start + 1) * 4;
  w.i32[slot++] = 0;
  const flat: unknown[] = new Array(total);
  let count = 0;
  for (let i = start; i < end; i++) {
    const row = rows[i]!;
    for (let k = 0; k < row.length; k++) {
      const value = row[k];
      if (value === undefined && !(k in row)) return null;
      flat[count++] = value;
    }
    w.i32[slot++] = count;
  }
  return `["list",${encodeColumn(w, flat, 0, total, classes, depth + 1)}]`;
}

function writeObjects(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
  first: object,
): string | null {
  const columns = takeApart(values, start, end, depth, first);
  if (columns === null) return null;
  return `["object",${writeMembers(w, columns, classes, depth)}]`;
}

function writeInstances(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
  first: object,
): string | null {
  const id = classIdOf(first, classes);
  const columns = takeApart(values, start, end, depth, first);
  if (columns === null) return null;
  return `["class",${JSON.stringify(id)},${writeMembers(w, columns, classes, depth)}]`;
}

interface Members {
  readonly names: readonly string[];
  readonly columns: readonly unknown[][];
}

/** One array a property; null unless all rows have the first one's prototype and the same properties in the same order. */
function takeApart(
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  depth: number,
  first: object,
): Members | null {
  if (depth >= MAX_DEPTH) throw new NotATree();
  const prototype = Object.getPrototypeOf(first) as object;
  const names = Object.keys(first);
  if (names.includes("__proto__")) return null;
  const plain = prototype === Object.prototype;
  for (let i = start; i < end; i++) {
    const row = values[i];
    if (typeof row !== "object" || row === null || Object.getPrototypeOf(row) !== prototype) return null;
    if (!(plain ? enumeratesAs(row, names) : ownNamesAre(row, names))) return null;
  }
  const columns = names.map((name) => {
    const column: unknown[] = new Array(end - start);
    for (let i = start; i < end; i++) column[i - start] = (values[i] as Record<string, unknown>)[name];
    return column;
  });
  return { names, columns };
}

/** for-in costs a fifth of Object.keys, but lists what a prototype adds too: for plain objects only. */
function enumeratesAs(row: object, names: readonly string[]): boolean {
  let k = 0;
  for (const name in row) if (name !== names[k++]) return false;
  return k === names.length;
}

function ownNamesAre(row: object, names: readonly string[]): boolean {
  const own = Object.keys(row);
  if (own.length !== names.length) return false;
  for (let k = 0; k < own.length; k++) if (own[k] !== names[k]) return false;
  return true;
}

function writeMembers(w: ByteWriter, members: Members, classes: ClassRegistry, depth: number): string {
  let text = JSON.stringify(members.names);
  for (const column of members.columns) text += `,${encodeColumn(w, column, 0, column.length, classes, depth + 1)}`;
  return text;
}

/** Values of which some are null or undefined, the rest of one type; else the fallback. */
function encodeNullable(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
  depth: number,
): string {
  const at = w.at;
  let nulls = 0;
  let undefineds = 0;
  let present: unknown;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (value === null) nulls++;
    else if (value === undefined) undefineds++;
    else if (present === undefined) present = value;
  }
  if (nulls + undefineds === 0) return writeFallback(w, values, start, end, classes);
  const kind = nulls === 0 ? "undefined?" : undefineds === 0 ? "null?" : "either?";
  writeBitmap(w, values, start, end, isPresent);
  if (kind === "either?") writeBitmap(w, values, start, end, isUndefined);
  if (present === undefined) return `["${kind}","null"]`;
  const filler = fillerFor(present);
  const filled: unknown[] = [];
  for (let i = start; i < end; i++) {
    const value = values[i] ?? filler;
    if (value !== undefined) filled.push(value);
  }
  const type = tryColumn(w, filled, 0, filled.length, classes, depth);
  if (type !== null) return `["${kind}",${type}]`;
  w.at = at;
  return writeFallback(w, values, start, end, classes);
}

function isPresent(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function isUndefined(value: unknown): boolean {
  return value === undefined;
}

/** What stands in the absent rows of a leaf column, as in Arrow; composite columns leave absent rows out. */
function fillerFor(present: unknown): unknown {
  switch (typeof present) {
    case "string":
      return "";
    case "number":
      return 0;
    case "object": {
      const kind = objectKind(present as object);
      if (kind === "date") return present;
      if (kind === "bytes" || kind === "buffer" || kind === "typed") return (present as Uint8Array).subarray(0, 0);
      return undefined;
    }
    default:
      return present;
  }
}

function writeFallback(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
): string {
  const bytes = encodeFallback(Array.prototype.slice.call(values, start, end) as unknown[], classes);
  if (bytes.length > 0x7fffffff) {
    throw new MillraceError("RECORD_TOO_LARGE", `a column takes ${bytes.length} bytes serialised`);
  }
  w.reserve(bytes.length + 8);
  w.align4();
  w.i32[w.at >> 2] = bytes.length;
  w.at += 4;
  w.putBytes(bytes);
  return '"any"';
}
