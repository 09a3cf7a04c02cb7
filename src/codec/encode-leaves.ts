// Writes columns of leaf values: numbers, booleans, bigints, dates, bytes. Each goes over the values once and answers the type's
// text, or null at the first value that is of another type; what it wrote until then is the caller's to undo. Besides: the bits
// and fillers of absent rows, and the fallback column, which takes values of any types.

import { MillraceError } from "../core/errors.js";
import type { ByteWriter } from "./byte-writer.js";
import type { ClassRegistry } from "./class-registry.js";
import { encodeFallback } from "./fallback.js";
import { objectKind } from "./value-kind.js";

/** Integers in columns nested deeper keep 32 bits, so that few frames differ in schema. */
const NARROW_DEPTH = 1;

export function writeIntegers(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  depth: number,
): string | null {
  w.reserve((end - start) * 4 + 8);
  w.align4();
  const slots = w.i32;
  const first = w.at >> 2;
  let slot = first;
  let width = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "number") return null;
    const integer = value | 0;
    if (integer !== value || (integer === 0 && Object.is(value, -0))) return writeDoubles(w, values, start, end);
    width |= integer ^ (integer >> 31);
    slots[slot++] = integer;
  }
  if (width >= 0x8000 || depth > NARROW_DEPTH) {
    w.at = slot << 2;
    return '"i32"';
  }
  // The narrow form overwrites the wide one from its begin: it never overtakes what it reads.
  const bytes = w.buffer;
  let at = first << 2;
  if (width < 0x80) {
    for (let i = first; i < slot; i++) bytes[at++] = slots[i]!;
    w.at = at;
    return '"i8"';
  }
  for (let i = first; i < slot; i++) {
    const integer = slots[i]!;
    bytes[at++] = integer;
    bytes[at++] = integer >> 8;
  }
  w.at = at;
  return '"i16"';
}

function writeDoubles(w: ByteWriter, values: ArrayLike<unknown>, start: number, end: number): string | null {
  w.reserve((end - start) * 8 + 8);
  w.align8();
  const slots = w.f64;
  let slot = w.at >> 3;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "number") return null;
    slots[slot++] = value;
  }
  w.at = slot << 3;
  return '"f64"';
}

export function writeFloat64Array(
  w: ByteWriter,
  values: Float64Array,
  start: number,
  end: number,
  depth: number,
): string | null {
  let integers = true;
  for (let i = start; i < end && integers; i++) {
    const value = values[i]!;
    integers = (value | 0) === value && (value !== 0 || !Object.is(value, -0));
  }
  if (integers) return writeIntegers(w, values, start, end, depth);
  w.reserve((end - start) * 8 + 8);
  w.align8();
  w.f64.set(values.subarray(start, end), w.at >> 3);
  w.at += (end - start) * 8;
  return '"f64"';
}

export function writeBooleans(w: ByteWriter, values: ArrayLike<unknown>, start: number, end: number): string | null {
  w.reserve((end - start + 7) >> 3);
  const bytes = w.buffer;
  let at = w.at;
  let bits = 0;
  let count = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (value === true) bits |= 1 << count;
    else if (value !== false) return null;
    if (++count === 8) {
      bytes[at++] = bits;
      bits = 0;
      count = 0;
    }
  }
  if (count > 0) bytes[at++] = bits;
  w.at = at;
  return '"bool"';
}

export function writeBigints(w: ByteWriter, values: ArrayLike<unknown>, start: number, end: number): string | null {
  w.reserve((end - start) * 8 + 8);
  w.align8();
  const slots = w.i64;
  let slot = w.at >> 3;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) return null;
    slots[slot++] = value;
  }
  w.at = slot << 3;
  return '"i64"';
}

export function writeDates(w: ByteWriter, values: ArrayLike<unknown>, start: number, end: number): string | null {
  w.reserve((end - start) * 8 + 8);
  w.align8();
  const slots = w.f64;
  let slot = w.at >> 3;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "object" || value === null || objectKind(value) !== "date") return null;
    slots[slot++] = (value as Date).getTime();
  }
  w.at = slot << 3;
  return '"date"';
}

/** Offsets in bytes and the bytes of typed arrays of one prototype. */
export function writeBytes(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  prototype: object,
): boolean {
  let total = 0;
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== prototype) return false;
    if (!ArrayBuffer.isView(value)) return false;
    total += value.byteLength;
  }
  w.reserve((end - start + 2) * 4 + total);
  w.align4();
  let slot = w.at >> 2;
  w.at += (end - start + 1) * 4;
  const base = w.at;
  w.i32[slot++] = 0;
  for (let i = start; i < end; i++) {
    const value = values[i] as Uint8Array;
    w.putBytes(
      value instanceof Uint8Array
        ? value
        : new Uint8Array(
            (value as Uint8Array).buffer,
            (value as Uint8Array).byteOffset,
            (value as Uint8Array).byteLength,
          ),
    );
    w.i32[slot++] = w.at - base;
  }
  return true;
}

export function writeBitmap(
  w: ByteWriter,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  bit: (value: unknown) => boolean,
): void {
  w.reserve((end - start + 7) >> 3);
  for (let i = start; i < end; i += 8) {
    let bits = 0;
    for (let k = 0; k < 8 && i + k < end; k++) if (bit(values[i + k])) bits |= 1 << k;
    w.buffer[w.at++] = bits;
  }
}

/** What stands in the absent rows of a leaf column, as in Arrow; composite columns leave absent rows out. */
export function fillerFor(present: unknown): unknown {
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

/** Values of any types as one: what no column of their own holds. */
export function writeFallback(
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
