// The inverse of encode-column.ts: reads one column's buffers by its type and gives its values. Nothing that it gives is a
// view into the frame. Small columns are read byte by byte: a typed array costs more to make than ten values to read.

import { MillraceError } from "../core/errors.js";
import type { ByteReader } from "./byte-reader.js";
import type { ClassRegistry } from "./class-registry.js";
import { classById, decodeFallback } from "./fallback.js";
import type { ColumnType } from "./schema.js";
import { readI32, readStrings } from "./strings.js";

/** Rows below which values are put together from bytes. */
const SMALL = 32;
/** Rows from which a factory of objects is compiled for a type that has none yet. */
const COMPILE_FROM = 64;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

export function decodeColumn(r: ByteReader, type: ColumnType, rows: number, classes: ClassRegistry): unknown[] {
  if (typeof type !== "string") return decodeComposite(r, type, rows, classes);
  switch (type) {
    case "ascii":
      return readStrings(r, rows, true);
    case "utf8":
      return readStrings(r, rows, false);
    case "i8":
    case "i16":
    case "i32":
      return readIntegers(r, type, rows);
    case "f64":
      return readDoubles(r, rows);
    case "null":
      return new Array<null>(rows).fill(null);
    case "undefined":
      return new Array<undefined>(rows).fill(undefined);
    case "bool": {
      const start = r.skip((rows + 7) >> 3);
      const out: boolean[] = new Array(rows);
      for (let i = 0; i < rows; i++) out[i] = bit(r.bytes, start, i);
      return out;
    }
    case "i64": {
      const values = r.i64(rows);
      const out: bigint[] = new Array(rows);
      for (let i = 0; i < rows; i++) out[i] = values[i]!;
      return out;
    }
    case "date": {
      const values = r.f64(rows);
      const out: Date[] = new Array(rows);
      for (let i = 0; i < rows; i++) out[i] = new Date(values[i]!);
      return out;
    }
    case "bytes":
      return readBytes(r, rows, (bytes) => new Uint8Array(bytes));
    case "buffer":
      return readBytes(r, rows, (bytes) => Buffer.from(bytes));
    case "any": {
      r.align4();
      const length = readI32(r.bytes, r.skip(4));
      const start = r.skip(length);
      return decodeFallback(r.bytes.subarray(start, start + length), classes);
    }
    default:
      throw unknownType(type);
  }
}

/** As decodeColumn, but doubles come as a typed array. */
export function decodeNumbers(
  r: ByteReader,
  type: ColumnType,
  rows: number,
  classes: ClassRegistry,
): unknown[] | Float64Array {
  return type === "f64" && rows >= SMALL ? r.f64(rows).slice() : decodeColumn(r, type, rows, classes);
}

function decodeComposite(
  r: ByteReader,
  type: Exclude<ColumnType, string>,
  rows: number,
  classes: ClassRegistry,
): unknown[] {
  switch (type[0]) {
    case "tuple":
      return readTuples(r, type.slice(1) as ColumnType[], rows, classes);
    case "list":
      return readLists(r, type[1], rows, classes);
    case "object":
    case "class":
      return readObjects(r, type, rows, classes);
    case "typed":
      return readTyped(r, type[1], rows);
    case "null?":
    case "undefined?":
    case "either?":
      return readNullable(r, type[0], type[1], rows, classes);
    default:
      throw unknownType(type);
  }
}

function readIntegers(r: ByteReader, type: "i8" | "i16" | "i32", rows: number): number[] {
  const out: number[] = new Array(rows);
  r.align4();
  const bytes = r.bytes;
  if (type === "i8") {
    const start = r.skip(rows);
    for (let i = 0; i < rows; i++) out[i] = (bytes[start + i]! << 24) >> 24;
  } else if (type === "i16") {
    let at = r.skip(rows * 2);
    for (let i = 0; i < rows; i++, at += 2) out[i] = ((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16;
  } else if (rows < SMALL) {
    let at = r.skip(rows * 4);
    for (let i = 0; i < rows; i++, at += 4) out[i] = readI32(bytes, at);
  } else {
    const values = r.i32(rows);
    for (let i = 0; i < rows; i++) out[i] = values[i]!;
  }
  return out;
}

function readDoubles(r: ByteReader, rows: number): number[] {
  const out: number[] = new Array(rows);
  if (rows >= SMALL) {
    const values = r.f64(rows);
    for (let i = 0; i < rows; i++) out[i] = values[i]!;
    return out;
  }
  r.align8();
  let at = r.skip(rows * 8);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < 8; k++) doubleBytes[k] = r.bytes[at++]!;
    out[i] = double[0]!;
  }
  return out;
}

function readBytes<T>(r: ByteReader, rows: number, make: (bytes: Uint8Array) => T): T[] {
  const offsets = r.i32(rows + 1);
  const base = r.skip(offsets[rows]!);
  const out: T[] = new Array(rows);
  for (let i = 0; i < rows; i++) out[i] = make(r.bytes.subarray(base + offsets[i]!, base + offsets[i + 1]!));
  return out;
}

type TypedConstructor = new (buffer: ArrayBuffer) => unknown;
const TYPED = /^(?:(?:Big)?U?[Ii]nt|Float|Uint)(?:8|16|32|64)(?:Clamped)?Array$/;

function readTyped(r: ByteReader, name: string, rows: number): unknown[] {
  const make = TYPED.test(name)
    ? (globalThis as unknown as Record<string, TypedConstructor | undefined>)[name]
    : undefined;
  if (make === undefined) throw unknownType(["typed", name]);
  return readBytes(r, rows, (bytes) => {
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    return new make(copy.buffer);
  });
}

function readTuples(r: ByteReader, members: readonly ColumnType[], rows: number, classes: ClassRegistry): unknown[][] {
  const columns = members.map((member) => decodeColumn(r, member, rows, classes));
  const out: unknown[][] = new Array(rows);
  if (columns.length === 2) {
    const [first, second] = columns as [unknown[], unknown[]];
    for (let i = 0; i < rows; i++) out[i] = [first[i], second[i]];
    return out;
  }
  for (let i = 0; i < rows; i++) {
    const row: unknown[] = [];
    for (const column of columns) row.push(column[i]);
    out[i] = row;
  }
  return out;
}

function readLists(r: ByteReader, element: ColumnType, rows: number, classes: ClassRegistry): unknown[][] {
  const offsets = r.i32(rows + 1);
  const flat = decodeColumn(r, element, offsets[rows]!, classes);
  const out: unknown[][] = new Array(rows);
  if (rows === 1) return [flat];
  for (let i = 0; i < rows; i++) out[i] = flat.slice(offsets[i], offsets[i + 1]);
  return out;
}

function readNullable(
  r: ByteReader,
  kind: "null?" | "undefined?" | "either?",
  type: ColumnType,
  rows: number,
  classes: ClassRegistry,
): unknown[] {
  const bitmapBytes = (rows + 7) >> 3;
  const present = r.skip(bitmapBytes);
  const undefineds = kind === "either?" ? r.skip(bitmapBytes) : 0;
  const dense = typeof type !== "string" && type[0] !== "typed";
  let count = rows;
  if (dense) {
    count = 0;
    for (let i = 0; i < rows; i++) if (bit(r.bytes, present, i)) count++;
  }
  const values = decodeColumn(r, type, count, classes);
  const out: unknown[] = new Array(rows);
  let next = 0;
  for (let i = 0; i < rows; i++) {
    if (bit(r.bytes, present, i)) {
      out[i] = values[dense ? next++ : i];
    } else {
      out[i] = kind === "undefined?" || (kind === "either?" && bit(r.bytes, undefineds, i)) ? undefined : null;
    }
  }
  return out;
}

type ObjectType = Extract<ColumnType, readonly ["object" | "class", ...unknown[]]>;
type Factory = (columns: readonly unknown[][], rows: number, prototype: object) => object[];

/** By the property names in JSON, "c" before them for classes. */
const factories = new Map<string, Factory>();
const MAX_FACTORIES = 1000;

function readObjects(r: ByteReader, type: ObjectType, rows: number, classes: ClassRegistry): object[] {
  const isClass = type[0] === "class";
  const names = (isClass ? type[2] : type[1]) as readonly string[];
  const members = type.slice(isClass ? 3 : 2) as ColumnType[];
  const prototype = isClass ? (classById(type[1], classes).prototype as object) : Object.prototype;
  const columns = members.map((member) => decodeColumn(r, member, rows, classes));
  // An accessor of that name on the prototype would catch a plain assignment.
  if (isClass && names.some((name) => name in prototype)) return defineEach(names, columns, rows, prototype);
  const key = (isClass ? "c" : "") + JSON.stringify(names);
  let factory = factories.get(key);
  if (factory === undefined) {
    if (rows < COMPILE_FROM) return assignEach(names, columns, rows, prototype, isClass);
    factory = compileFactory(names, isClass);
    if (factories.size >= MAX_FACTORIES) factories.clear();
    factories.set(key, factory);
  }
  return factory(columns, rows, prototype);
}

/** One literal, or one constructor, a type: all objects share a hidden class and are made at once with all properties. */
function compileFactory(names: readonly string[], isClass: boolean): Factory {
  const params = names.map((_, k) => `v${k}`).join(",");
  const args = names.map((_, k) => `c[${k}][i]`).join(",");
  const body = isClass
    ? `function M(${params}){${names.map((name, k) => `this[${JSON.stringify(name)}]=v${k};`).join("")}}
       M.prototype=prototype;
       for(let i=0;i<rows;i++)out[i]=new M(${args});`
    : `for(let i=0;i<rows;i++)out[i]={${names.map((name, k) => `${JSON.stringify(name)}:c[${k}][i]`).join(",")}};`;
  return new Function("c", "rows", "prototype", `const out=new Array(rows);${body}return out;`) as Factory;
}

function assignEach(
  names: readonly string[],
  columns: readonly unknown[][],
  rows: number,
  prototype: object,
  isClass: boolean,
): object[] {
  const out: object[] = new Array(rows);
  for (let i = 0; i < rows; i++) {
    const object = (isClass ? Object.create(prototype) : {}) as Record<string, unknown>;
    for (let k = 0; k < names.length; k++) object[names[k]!] = columns[k]![i];
    out[i] = object;
  }
  return out;
}

function defineEach(
  names: readonly string[],
  columns: readonly unknown[][],
  rows: number,
  prototype: object,
): object[] {
  const out: object[] = new Array(rows);
  for (let i = 0; i < rows; i++) {
    const object = Object.create(prototype) as object;
    for (let k = 0; k < names.length; k++) {
      const value = columns[k]![i];
      Object.defineProperty(object, names[k]!, { value, writable: true, enumerable: true, configurable: true });
    }
    out[i] = object;
  }
  return out;
}

function bit(bytes: Uint8Array, start: number, i: number): boolean {
  return ((bytes[start + (i >> 3)]! >> (i & 7)) & 1) === 1;
}

function unknownType(type: unknown): MillraceError {
  return new MillraceError("BLOCK_CORRUPT", `a schema names the unknown column type ${JSON.stringify(type)}`);
}
