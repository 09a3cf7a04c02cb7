// Infers the type of a column from its values and writes its buffers, optimistically in one pass: the first value says what to
// try, a value that does not fit undoes it. Then come, in this order: the same with a validity bitmap when some rows are null
// or undefined, and the fallback column. Composite values (tuples, lists, objects) are taken apart into columns of their own.
//
// Layout of each type, lengths implied: bool ceil(n/8) bytes; i8, i16, i32, f64, i64, date n values aligned to their width
// (date as f64 of milliseconds); strings and bytes n+1 int32 offsets, then bytes; typed the same with offsets in bytes; list
// n+1 offsets, then the elements' column; tuple, object, class their columns in turn; "null?" a bitmap (1 = present), then the
// column: a leaf has some value in the absent rows, a composite leaves them out; any u32 length, then bytes.

import type { ByteWriter } from "./byte-writer.js";
import type { ClassRegistry } from "./class-registry.js";
import {
  fillerFor,
  writeBigints,
  writeBitmap,
  writeBooleans,
  writeBytes,
  writeDates,
  writeFallback,
  writeFloat64Array,
  writeIntegers,
} from "./encode-leaves.js";
import { classIdOf, notEncodable } from "./fallback.js";
import { type Members, takeApart } from "./object-members.js";
import { writeStrings } from "./strings.js";
import { objectKind } from "./value-kind.js";

/** Deeper composites, cyclic ones among them, make their whole batch one fallback column. */
const MAX_DEPTH = 8;
/** Elements of lists inside lists that may be laid flat; more of them are shared arrays seen many times, or a cycle. */
const MAX_NESTED_ELEMENTS = 1 << 24;
const MAX_ELEMENTS = 1 << 27;
const TUPLE_MAX = 8;

/** Thrown here and caught in encode-root.ts: this batch is no tree. */
export class NotATree extends Error {}

export function encodeColumn(
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
  if (depth >= MAX_DEPTH) throw new NotATree();
  const columns = takeApart(values, start, end, first);
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
  if (depth >= MAX_DEPTH) throw new NotATree();
  const columns = takeApart(values, start, end, first);
  if (columns === null) return null;
  return `["class",${JSON.stringify(id)},${writeMembers(w, columns, classes, depth)}]`;
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
