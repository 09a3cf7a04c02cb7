// The checksum of a map output: an order-free sum of record hashes, whatever the frames and column types they were cut into.
// Two runs of a deterministic map agree on it; a recomputed output that differs is not the one that others have read.
//
// It is computed over the encoded columns, a column at a time, because hashing each record as a JavaScript value costs
// several times as much. A value hashes by content and type alone: 1 hashes the same in an i8, an f64 or a fallback column.

import { ByteReader } from "./byte-reader.js";
import type { ByteWriter } from "./byte-writer.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeFallback } from "./fallback.js";
import { hashBytes, hashDouble, hashDoubleWords, hashInteger, hashRecord, hashText, mix, Seed } from "./record-hash.js";
import type { ColumnType } from "./schema.js";

export class Checksum {
  #sum = 0;
  #squares = 0;
  /** Mixed into the hash of the records that come from now on: where they go counts as well as what they are. */
  place = 0;

  /** Decimal text of an unsigned 64-bit number. */
  toString(): string {
    return String((BigInt(this.#squares >>> 0) << 32n) | BigInt(this.#sum >>> 0));
  }

  /** Adds what another one has: the checksum of both their records. */
  add(other: Checksum): void {
    this.#sum = (this.#sum + other.#sum) | 0;
    this.#squares = (this.#squares + other.#squares) | 0;
  }

  /** Adds `rows` records whose columns of type `root` the writer has from `start` on. */
  addColumns(w: ByteWriter, start: number, root: ColumnType, rows: number, classes: ClassRegistry): void {
    const hashing: Hashing = { r: new ByteReader(w.buffer, start, w.at), view: w.view, classes };
    const hashes = hashColumn(hashing, root, rows, 0);
    const seed = rowSeed ^ Math.imul(this.place, 0x85ebca6b);
    let sum = this.#sum;
    let squares = this.#squares;
    for (let i = 0; i < rows; i++) {
      const h = mix(hashes[i]!, seed);
      sum = (sum + h) | 0;
      squares = (squares + Math.imul(h, h | 1)) | 0;
    }
    this.#sum = sum;
    this.#squares = squares;
  }
}

interface Hashing {
  readonly r: ByteReader;
  /** The same bytes as the reader's. */
  readonly view: DataView;
  readonly classes: ClassRegistry;
}

const rowSeed = 0x2545f491;

/** One array of hashes a nesting level, used again. */
const kept: Int32Array[] = [];
const KEEP_ROWS = 1 << 17;

/** Hashes of the rows of one column; the array is that of `level` and good until the next column of that level. */
function hashColumn(x: Hashing, type: ColumnType, rows: number, level: number): Int32Array {
  const out = hashesOf(level, rows);
  if (typeof type !== "string") {
    hashComposite(x, type, rows, level, out);
    return out;
  }
  const { r } = x;
  switch (type) {
    case "ascii":
    case "utf8":
      hashVaried(x, rows, Seed.string, out);
      break;
    case "bytes":
      hashVaried(x, rows, Seed.bytes, out);
      break;
    case "buffer":
      hashVaried(x, rows, Seed.buffer, out);
      break;
    case "i8":
    case "i16":
    case "i32":
      hashIntegers(x, type, rows, out);
      break;
    case "f64":
      hashDoubles(x, rows, out);
      break;
    case "date":
      hashDoubles(x, rows, out);
      for (let i = 0; i < rows; i++) out[i] = mix(Seed.date, out[i]!);
      break;
    case "i64": {
      const values = r.i64(rows);
      for (let i = 0; i < rows; i++) out[i] = hashText(String(values[i]), Seed.bigint);
      break;
    }
    case "bool": {
      const start = r.skip((rows + 7) >> 3);
      for (let i = 0; i < rows; i++) out[i] = bit(r.bytes, start, i) ? Seed.true : Seed.false;
      break;
    }
    case "null":
      out.fill(Seed.null, 0, rows);
      break;
    case "undefined":
      out.fill(Seed.undefined, 0, rows);
      break;
    case "any": {
      r.align4();
      const length = r.bytes.readInt32LE(r.skip(4));
      const start = r.skip(length);
      const values = decodeFallback(r.bytes.subarray(start, start + length), x.classes);
      for (let i = 0; i < rows; i++) out[i] = hashRecord(values[i], x.classes);
    }
  }
  return out;
}

function hashComposite(
  x: Hashing,
  type: Exclude<ColumnType, string>,
  rows: number,
  level: number,
  out: Int32Array,
): void {
  const { r } = x;
  switch (type[0]) {
    case "tuple":
      out.fill(mix(Seed.array, type.length - 1), 0, rows);
      for (let k = 1; k < type.length; k++) mixColumn(x, type[k] as ColumnType, 0, rows, level, out);
      break;
    case "object":
    case "class": {
      const isClass = type[0] === "class";
      const names = (isClass ? type[2] : type[1]) as readonly string[];
      const seed = isClass ? hashText(type[1], Seed.instance) : Seed.object;
      out.fill(mix(seed, names.length), 0, rows);
      const first = isClass ? 3 : 2;
      for (let k = 0; k < names.length; k++) {
        mixColumn(x, type[first + k] as ColumnType, hashText(names[k]!, Seed.string), rows, level, out);
      }
      break;
    }
    case "list": {
      const offsets = r.i32(rows + 1);
      const elements = hashColumn(x, type[1], offsets[rows]!, level + 1);
      for (let i = 0; i < rows; i++) {
        const end = offsets[i + 1]!;
        let h = mix(Seed.array, end - offsets[i]!);
        for (let k = offsets[i]!; k < end; k++) h = mix(h, elements[k]!);
        out[i] = h;
      }
      break;
    }
    case "typed":
      hashVaried(x, rows, hashText(type[1], Seed.bytes), out);
      break;
    default: {
      const size = (rows + 7) >> 3;
      const present = r.skip(size);
      const undefineds = type[0] === "either?" ? r.skip(size) : 0;
      const dense = typeof type[1] !== "string" && type[1][0] !== "typed";
      let count = rows;
      if (dense) {
        count = 0;
        for (let i = 0; i < rows; i++) if (bit(r.bytes, present, i)) count++;
      }
      const values = hashColumn(x, type[1] as ColumnType, count, level + 1);
      let next = 0;
      for (let i = 0; i < rows; i++) {
        if (bit(r.bytes, present, i)) out[i] = values[dense ? next++ : i]!;
        else if (type[0] === "null?") out[i] = Seed.null;
        else out[i] = type[0] === "undefined?" || bit(r.bytes, undefineds, i) ? Seed.undefined : Seed.null;
      }
    }
  }
}

function mixColumn(x: Hashing, type: ColumnType, name: number, rows: number, level: number, out: Int32Array): void {
  const member = hashColumn(x, type, rows, level + 1);
  for (let i = 0; i < rows; i++) out[i] = mix(out[i]!, member[i]! ^ name);
}

function hashIntegers(x: Hashing, type: "i8" | "i16" | "i32", rows: number, out: Int32Array): void {
  const { r, view } = x;
  r.align4();
  if (type === "i8") {
    const start = r.skip(rows);
    for (let i = 0; i < rows; i++) out[i] = hashInteger(view.getInt8(start + i));
  } else if (type === "i16") {
    const start = r.skip(rows * 2);
    for (let i = 0; i < rows; i++) out[i] = hashInteger(view.getInt16(start + i * 2, true));
  } else {
    const start = r.skip(rows * 4);
    for (let i = 0; i < rows; i++) out[i] = hashInteger(view.getInt32(start + i * 4, true));
  }
}

function hashDoubles(x: Hashing, rows: number, out: Int32Array): void {
  x.r.align8();
  const start = x.r.skip(rows * 8);
  for (let i = 0; i < rows; i++) {
    const at = start + i * 8;
    const value = x.view.getFloat64(at, true);
    const integer = value | 0;
    out[i] =
      integer === value || Number.isNaN(value)
        ? hashDouble(value)
        : hashDoubleWords(x.view.getInt32(at, true), x.view.getInt32(at + 4, true));
  }
}

/** Strings and bytes: offsets, then the bytes. */
function hashVaried(x: Hashing, rows: number, seed: number, out: Int32Array): void {
  const { r, view } = x;
  r.align4();
  const offsets = r.skip((rows + 1) * 4);
  const base = r.skip(view.getInt32(offsets + rows * 4, true));
  let from = base;
  for (let i = 0; i < rows; i++) {
    const to = base + view.getInt32(offsets + (i + 1) * 4, true);
    out[i] = hashBytes(view, from, to, seed);
    from = to;
  }
}

function hashesOf(level: number, rows: number): Int32Array {
  const found = kept[level];
  if (found !== undefined && found.length >= rows) return found;
  const fresh = new Int32Array(Math.max(64, rows));
  if (rows <= KEEP_ROWS) kept[level] = fresh;
  return fresh;
}

function bit(bytes: Uint8Array, start: number, i: number): boolean {
  return ((bytes[start + (i >> 3)]! >> (i & 7)) & 1) === 1;
}
