// Keys: equality, hash and the check of what may be one; their order is in key-order.ts. Equality is structural and typed:
// 1, 1n and "1" differ; NaN = NaN and -0 = 0; Dates by time; bytes (Buffer or Uint8Array), arrays and plain objects by
// content, whatever the order of properties; instances of one class by their own fields. The hash is murmur3 of that form and
// nothing else, so every process agrees on it. Refused: functions, symbols, Map, Set and all else with hidden state.

import { MillraceError } from "../core/errors.js";
import { murmur3, murmur3Finish, murmur3Mix, murmur3String } from "../core/murmur3.js";
import { type ClassConstructor, type ClassRegistry, noClasses } from "./class-registry.js";
import { compareNumbers } from "./key-order.js";
import { classOf, describeValue, objectKind } from "./value-kind.js";

export { compareKeys } from "./key-order.js";

/** Deeper keys are refused: they are cyclic, or a mistake. */
const MAX_DEPTH = 64;

// The seed tells the type, so that equal bytes of different types hash apart.
const SEED_UNDEFINED = 0x1b;
const SEED_NULL = 0x2b;
const SEED_BOOLEAN = 0x3b;
const SEED_NUMBER = 0x4b;
const SEED_BIGINT = 0x5b;
const SEED_STRING = 0x6b;
const SEED_DATE = 0x7b;
const SEED_BYTES = 0x8b;
const SEED_ARRAY = 0x9b;
const SEED_OBJECT = 0xab;
const SEED_INSTANCE = 0xbb;

const double = new Float64Array(1);
const long = new BigInt64Array(double.buffer);
const words = new Int32Array(double.buffer);

/** Unsigned 32-bit hash, the same in every process. Throws INVALID_KEY for what cannot be a key. */
export function hashKey(key: unknown): number {
  if (typeof key === "string") return murmur3String(key, SEED_STRING);
  if (typeof key === "number") return hashDouble(key, SEED_NUMBER);
  return hashOther(key, 0);
}

/** Hash of a number key, for loops that know the type. */
export function hashNumber(key: number): number {
  return hashDouble(key, SEED_NUMBER);
}

/** Hash of a string key, for loops that know the type. */
export function hashString(key: string): number {
  return murmur3String(key, SEED_STRING);
}

export function keysEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== typeof b) return false;
  if (typeof a === "number") return Number.isNaN(a) && Number.isNaN(b);
  if (typeof a !== "object" || a === null || b === null) return false;
  return objectsEqual(a, b as object, 0);
}

/**
 * Throws INVALID_KEY, naming what cannot be compared and where inside the key it is. Instances are keys only when their class
 * is in `classes`; by default none is.
 */
export function checkKey(key: unknown, classes: ClassRegistry = noClasses): void {
  if (typeof key === "string" || typeof key === "number") return;
  checkInside(key, classes, "", 0);
}

function hashDouble(value: number, seed: number): number {
  // -0 and 0 are one key, and so is every NaN.
  double[0] = value === 0 ? 0 : Number.isNaN(value) ? Number.NaN : value;
  return murmur3Finish(murmur3Mix(murmur3Mix(seed, words[0]!), words[1]!), 8);
}

function hashInside(key: unknown, depth: number): number {
  if (typeof key === "string") return murmur3String(key, SEED_STRING);
  if (typeof key === "number") return hashDouble(key, SEED_NUMBER);
  return hashOther(key, depth);
}

function hashOther(key: unknown, depth: number): number {
  if (key === null) return murmur3Finish(SEED_NULL, 0);
  switch (typeof key) {
    case "undefined":
      return murmur3Finish(SEED_UNDEFINED, 0);
    case "boolean":
      return murmur3Finish(murmur3Mix(SEED_BOOLEAN, key ? 1 : 0), 4);
    case "bigint":
      return hashBigint(key);
    case "object":
      return hashObject(key, depth);
    default:
      throw refused(key, "");
  }
}

/** The shortest two's complement in 64-bit words, little endian. */
function hashBigint(key: bigint): number {
  let h = SEED_BIGINT;
  let rest = key;
  for (let count = 1; ; count++) {
    long[0] = BigInt.asIntN(64, rest);
    h = murmur3Mix(murmur3Mix(h, words[0]!), words[1]!);
    if (long[0] === rest) return murmur3Finish(h, count * 8);
    rest >>= 64n;
  }
}

function hashObject(key: object, depth: number): number {
  if (depth > MAX_DEPTH) throw tooDeep("");
  switch (objectKind(key)) {
    case "array": {
      const array = key as readonly unknown[];
      let h = SEED_ARRAY;
      for (let i = 0; i < array.length; i++) h = murmur3Mix(h, hashInside(array[i], depth + 1));
      return murmur3Finish(h, array.length * 4);
    }
    case "date":
      return hashDouble((key as Date).getTime(), SEED_DATE);
    case "bytes":
    case "buffer":
      return murmur3(key as Uint8Array, SEED_BYTES);
    case "plain":
    case "bare":
      return hashFields(key, SEED_OBJECT, depth);
    case "instance":
      return hashFields(key, murmur3Mix(SEED_INSTANCE, murmur3String(classOf(key).name)), depth);
    default:
      throw refused(key, "");
  }
}

function hashFields(key: object, seed: number, depth: number): number {
  const names = Object.keys(key).sort();
  let h = seed;
  for (const name of names) {
    h = murmur3Mix(h, murmur3String(name));
    h = murmur3Mix(h, hashInside((key as Record<string, unknown>)[name], depth + 1));
  }
  return murmur3Finish(h, names.length * 8);
}

function equalInside(a: unknown, b: unknown, depth: number): boolean {
  if (a === b) return true;
  if (typeof a !== typeof b) return false;
  if (typeof a === "number") return Number.isNaN(a) && Number.isNaN(b);
  if (typeof a !== "object" || a === null || b === null) return false;
  return objectsEqual(a, b as object, depth);
}

function objectsEqual(a: object, b: object, depth: number): boolean {
  if (depth > MAX_DEPTH) throw tooDeep("");
  const kind = objectKind(a);
  switch (kind) {
    case "array": {
      if (!Array.isArray(b) || objectKind(b) !== "array") return false;
      const left = a as readonly unknown[];
      if (left.length !== b.length) return false;
      for (let i = 0; i < left.length; i++) if (!equalInside(left[i], b[i], depth + 1)) return false;
      return true;
    }
    case "date":
      return objectKind(b) === "date" && compareNumbers((a as Date).getTime(), (b as Date).getTime()) === 0;
    case "bytes":
    case "buffer": {
      const other = objectKind(b);
      if (other !== "bytes" && other !== "buffer") return false;
      return (
        (a as Uint8Array).length === (b as Uint8Array).length && Buffer.compare(a as Uint8Array, b as Uint8Array) === 0
      );
    }
    case "plain":
    case "bare": {
      const other = objectKind(b);
      return (other === "plain" || other === "bare") && fieldsEqual(a, b, depth);
    }
    case "instance":
      return Object.getPrototypeOf(a) === Object.getPrototypeOf(b) && fieldsEqual(a, b, depth);
    default:
      throw refused(a, "");
  }
}

function fieldsEqual(a: object, b: object, depth: number): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names) {
    if (!Object.hasOwn(b, name)) return false;
    if (!equalInside((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name], depth + 1))
      return false;
  }
  return true;
}

function checkInside(key: unknown, classes: ClassRegistry, path: string, depth: number): void {
  if (key === null) return;
  if (typeof key === "function" || typeof key === "symbol") throw refused(key, path);
  if (typeof key !== "object") return;
  if (depth > MAX_DEPTH) throw tooDeep(path);
  const kind = objectKind(key);
  if (kind === "array") {
    const array = key as readonly unknown[];
    for (let i = 0; i < array.length; i++) checkInside(array[i], classes, `${path}[${i}]`, depth + 1);
    return;
  }
  if (kind === "instance" && classes.idOf(classOf(key) as unknown as ClassConstructor) === undefined) {
    throw refused(key, path, "a class that did not travel with the plan: refer to it in one of the job's functions");
  }
  if (kind === "builtin" || kind === "typed") throw refused(key, path);
  if (kind === "plain" || kind === "bare" || kind === "instance") {
    for (const [name, value] of Object.entries(key)) checkInside(value, classes, `${path}.${name}`, depth + 1);
  }
}

function refused(value: unknown, path: string, why = "which cannot be compared by content"): MillraceError {
  const what = describeValue(value);
  return new MillraceError("INVALID_KEY", `a key ${path === "" ? "is" : `holds at ${path}`} ${what}, ${why}`, {
    fields: { what, path },
  });
}

function tooDeep(path: string): MillraceError {
  return new MillraceError("INVALID_KEY", `a key is cyclic or nested deeper than ${MAX_DEPTH}`, { fields: { path } });
}
