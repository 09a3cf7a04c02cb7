// The hash of one value for checksums: by content and type, 32 bits, quick rather than good, and not the hash of keys, which
// takes NaN, -0 and property order more loosely. What no structure describes hashes by its serialised bytes.

import * as v8 from "node:v8";
import type { ClassConstructor, ClassRegistry } from "./class-registry.js";
import { classOf, objectKind } from "./value-kind.js";

export const Seed = {
  undefined: 0x11111111,
  null: 0x22222222,
  false: 0x33333333,
  true: 0x44444444,
  number: 0x55555555,
  bigint: 0x66666666,
  string: 0x77777777,
  date: 0x18181818,
  bytes: 0x29292929,
  buffer: 0x3a3a3a3a,
  array: 0x4b4b4b4b,
  object: 0x5c5c5c5c,
  instance: 0x6d6d6d6d,
  other: 0x7e7e7e7e,
} as const;

/** Parts of one value that are looked at; what has more, cyclic values above all, hashes by its serialised bytes. */
const MAX_PARTS = 100_000;

/** From here on four lanes are quicker than one. */
const LONG_BYTES = 32;

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

export function mix(h: number, word: number): number {
  const m = Math.imul(h ^ word, 0x9e3779b1);
  return m ^ (m >>> 15);
}

export function hashInteger(value: number): number {
  return mix(Seed.number, value);
}

export function hashDouble(value: number): number {
  const integer = value | 0;
  if (integer === value && (integer !== 0 || !Object.is(value, -0))) return mix(Seed.number, integer);
  // Every NaN is one.
  double[0] = Number.isNaN(value) ? Number.NaN : value;
  return hashDoubleWords(words[0]!, words[1]!);
}

/** Of the two halves of a double that is no 32-bit integer and not NaN. */
export function hashDoubleWords(low: number, high: number): number {
  return mix(mix(Seed.number, low), high ^ 0x5bd1e995);
}

/** Of the bytes at [from, to): words, the last of them overlapping the one before. */
export function hashBytes(view: DataView, from: number, to: number, seed: number): number {
  const length = to - from;
  let h = seed ^ length;
  if (length >= LONG_BYTES) return hashLong(view, from, to, h);
  if (length >= 4) {
    const last = to - 4;
    for (let at = from; at < last; at += 4) h = mix(h, view.getInt32(at, true));
    return mix(h, view.getInt32(last, true));
  }
  let word = 0;
  for (let at = from; at < to; at++) word = (word << 8) | view.getUint8(at);
  return mix(h, word);
}

/** Four words at a time, each in a lane of its own: the steps of one lane wait for each other, those of four do not. */
function hashLong(view: DataView, from: number, to: number, h: number): number {
  let a = h;
  let b = h ^ 0x165667b1;
  let c = h ^ 0x27d4eb2f;
  let d = h ^ 0x61c88647;
  const last = to - 16;
  for (let at = from; at < last; at += 16) {
    a = mix(a, view.getInt32(at, true));
    b = mix(b, view.getInt32(at + 4, true));
    c = mix(c, view.getInt32(at + 8, true));
    d = mix(d, view.getInt32(at + 12, true));
  }
  a = mix(a, view.getInt32(last, true));
  b = mix(b, view.getInt32(last + 4, true));
  c = mix(c, view.getInt32(last + 8, true));
  d = mix(d, view.getInt32(last + 12, true));
  return mix(mix(a, b), mix(c, d));
}

export function hashText(text: string, seed: number): number {
  const bytes = Buffer.from(text, "utf8");
  return hashBytes(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, seed);
}

export function hashRecord(value: unknown, classes: ClassRegistry): number {
  const walk = new Walk(classes);
  const h = walk.hash(value);
  return walk.left >= 0 ? h : hashSerialised(value);
}

class Walk {
  left = MAX_PARTS;
  constructor(readonly classes: ClassRegistry) {}

  hash(value: unknown): number {
    if (--this.left < 0) return 0;
    switch (typeof value) {
      case "string":
        return hashText(value, Seed.string);
      case "number":
        return hashDouble(value);
      case "boolean":
        return value ? Seed.true : Seed.false;
      case "bigint":
        return hashText(String(value), Seed.bigint);
      case "object":
        return value === null ? Seed.null : this.#object(value);
      default:
        return Seed.undefined;
    }
  }

  #object(value: object): number {
    switch (objectKind(value)) {
      case "array": {
        const array = value as readonly unknown[];
        if (array.length > this.left) {
          this.left = -1;
          return 0;
        }
        let h = mix(Seed.array, array.length);
        for (let i = 0; i < array.length; i++) h = mix(h, this.hash(array[i]));
        return h;
      }
      case "plain":
      case "bare":
        return this.#fields(value, Seed.object);
      case "instance": {
        const maker = classOf(value);
        const id = this.classes.idOf(maker as unknown as ClassConstructor) ?? maker.name;
        return this.#fields(value, hashText(id, Seed.instance));
      }
      case "date":
        return mix(Seed.date, hashDouble((value as Date).getTime()));
      case "bytes":
        return hashView(value as Uint8Array, Seed.bytes);
      case "buffer":
        return hashView(value as Uint8Array, Seed.buffer);
      case "typed":
        return hashView(value as Uint8Array, hashText((value as Uint8Array)[Symbol.toStringTag], Seed.bytes));
      default:
        return hashSerialised(value);
    }
  }

  #fields(value: object, seed: number): number {
    const names = Object.keys(value);
    let h = mix(seed, names.length);
    for (const name of names) {
      h = mix(h, this.hash((value as Record<string, unknown>)[name]) ^ hashText(name, Seed.string));
    }
    return h;
  }
}

function hashView(view: ArrayBufferView, seed: number): number {
  return hashBytes(new DataView(view.buffer, view.byteOffset, view.byteLength), 0, view.byteLength, seed);
}

function hashSerialised(value: unknown): number {
  return hashView(v8.serialize(value), Seed.other);
}
