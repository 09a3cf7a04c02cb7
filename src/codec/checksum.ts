// The checksum of a map output: an order-free sum of record hashes, whatever the frames and column types they were cut into.
// Two runs of a deterministic map agree on it; a recomputed output that differs is not the one that others have read.
//
// It is computed over the encoded columns, a column at a time, because hashing each record as a JavaScript value costs
// several times as much. A value hashes by content and type alone: 1 hashes the same in an i8, an f64 or a fallback column.

import { ByteReader } from "./byte-reader.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeFallback } from "./fallback.js";
import { hashBytes, hashDouble, hashInteger, hashRecord, hashText, mix, Seed } from "./record-hash.js";
import type { ColumnType } from "./schema.js";

export class Checksum {
  #sum = 0;
  #squares = 0;

  /** Decimal text of an unsigned 64-bit number. */
  toString(): string {
    return String((BigInt(this.#squares >>> 0) << 32n) | BigInt(this.#sum >>> 0));
  }

  /** Adds what another one has: the checksum of both their records. */
  add(other: Checksum): void {
    this.#sum = (this.#sum + other.#sum) | 0;
    this.#squares = (this.#squares + other.#squares) | 0;
  }

  /** Adds `rows` records whose columns of type `root` stand at `bytes[start, end)`, as the encoder has just written them. */
  addColumns(bytes: Buffer, start: number, end: number, root: ColumnType, rows: number, classes: ClassRegistry): void {
    const hashes = hashColumn(new ByteReader(bytes, start, end), root, rows, classes, 0);
    let sum = this.#sum;
    let squares = this.#squares;
    for (let i = 0; i < rows; i++) {
      const h = hashes[i]!;
      sum = (sum + h) | 0;
      squares = (squares + Math.imul(h, h | 1)) | 0;
    }
    this.#sum = sum;
    this.#squares = squares;
  }
}

/** One array of hashes a nesting level, used again. */
const kept: Int32Array[] = [];
const KEEP_ROWS = 1 << 17;

/** Hashes of the rows of one column; the array is that of `level` and good until the next column of that level. */
function hashColumn(r: ByteReader, type: ColumnType, rows: number, classes: ClassRegistry, level: number): Int32Array {
  const out = hashesOf(level, rows);
  if (typeof type !== "string") {
    hashComposite(r, type, rows, classes, level, out);
    return out;
  }
  switch (type) {
    case "ascii":
    case "utf8":
      hashVaried(r, rows, Seed.string, out);
      break;
    case "bytes":
      hashVaried(r, rows, Seed.bytes, out);
      break;
    case "buffer":
      hashVaried(r, rows, Seed.buffer, out);
      break;
    case "i8":
    case "i16":
    case "i32":
      hashIntegers(r, type, rows, out);
      break;
    case "f64": {
      const values = r.f64(rows);
      for (let i = 0; i < rows; i++) out[i] = hashDouble(values[i]!);
      break;
    }
    case "date": {
      const values = r.f64(rows);
      for (let i = 0; i < rows; i++) out[i] = mix(Seed.date, hashDouble(values[i]!));
      break;
    }
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
      const values = decodeFallback(r.bytes.subarray(start, start + length), classes);
      for (let i = 0; i < rows; i++) out[i] = hashRecord(values[i], classes);
    }
  }
  return out;
}

function hashComposite(
  r: ByteReader,
  type: Exclude<ColumnType, string>,
  rows: number,
  classes: ClassRegistry,
  level: number,
  out: Int32Array,
): void {
  switch (type[0]) {
    case "tuple":
      out.fill(mix(Seed.array, type.length - 1), 0, rows);
      for (let k = 1; k < type.length; k++) mixColumn(r, type[k] as ColumnType, 0, rows, classes, level, out);
      break;
    case "object":
    case "class": {
      const isClass = type[0] === "class";
      const names = (isClass ? type[2] : type[1]) as readonly string[];
      const seed = isClass ? hashText(type[1], Seed.instance) : Seed.object;
      out.fill(mix(seed, names.length), 0, rows);
      const first = isClass ? 3 : 2;
      for (let k = 0; k < names.length; k++) {
        mixColumn(r, type[first + k] as ColumnType, hashText(names[k]!, Seed.string), rows, classes, level, out);
      }
      break;
    }
    case "list": {
      const offsets = r.i32(rows + 1);
      const elements = hashColumn(r, type[1], offsets[rows]!, classes, level + 1);
      for (let i = 0; i < rows; i++) {
        const end = offsets[i + 1]!;
        let h = mix(Seed.array, end - offsets[i]!);
        for (let k = offsets[i]!; k < end; k++) h = mix(h, elements[k]!);
        out[i] = h;
      }
      break;
    }
    case "typed":
      hashVaried(r, rows, hashText(type[1], Seed.bytes), out);
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
      const values = hashColumn(r, type[1] as ColumnType, count, classes, level + 1);
      let next = 0;
      for (let i = 0; i < rows; i++) {
        if (bit(r.bytes, present, i)) out[i] = values[dense ? next++ : i]!;
        else if (type[0] === "null?") out[i] = Seed.null;
        else out[i] = type[0] === "undefined?" || bit(r.bytes, undefineds, i) ? Seed.undefined : Seed.null;
      }
    }
  }
}

function mixColumn(
  r: ByteReader,
  type: ColumnType,
  name: number,
  rows: number,
  classes: ClassRegistry,
  level: number,
  out: Int32Array,
): void {
  const member = hashColumn(r, type, rows, classes, level + 1);
  for (let i = 0; i < rows; i++) out[i] = mix(out[i]!, member[i]! ^ name);
}

function hashIntegers(r: ByteReader, type: "i8" | "i16" | "i32", rows: number, out: Int32Array): void {
  r.align4();
  const { bytes } = r;
  if (type === "i8") {
    const start = r.skip(rows);
    for (let i = 0; i < rows; i++) out[i] = hashInteger((bytes[start + i]! << 24) >> 24);
  } else if (type === "i16") {
    const start = r.skip(rows * 2);
    for (let i = 0; i < rows; i++) out[i] = hashInteger(bytes.readInt16LE(start + i * 2));
  } else {
    const values = r.i32(rows);
    for (let i = 0; i < rows; i++) out[i] = hashInteger(values[i]!);
  }
}

/** Strings and bytes: offsets, then the bytes. */
function hashVaried(r: ByteReader, rows: number, seed: number, out: Int32Array): void {
  const offsets = r.i32(rows + 1);
  const base = r.skip(offsets[rows]!);
  const { bytes } = r;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let from = base;
  for (let i = 0; i < rows; i++) {
    const to = base + offsets[i + 1]!;
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
