// How much of V8's heap a combiner takes, roughly and rather too much than too little: a table that believes it is small is one
// whose process ends. Encoded sizes say too little here: a set of three short strings is 150 bytes encoded and 700 held.
// Measured on Node 20 (64-bit, no pointer compression); it decides when to spill, never what comes out.

import { firstOf, SAMPLE } from "../../codec/estimate.js";
import { StoredValues } from "../../codec/stored-values.js";

const MAX_DEPTH = 4;

/** Strings that grew by + keep their pieces beside the joined text; others may be two bytes a character. */
const STRING = 24;
const CHARACTER = 2;
/** Beside its slot: most are small integers, or stand in lists of doubles. */
const NUMBER = 4;
const LIST = 32;
/** Lists that grow have half as much room again. */
const LIST_SLOT = 12;
/** Hash tables of V8 have the next power of two of places, at least four, and their old table until it is collected. */
const SET = 176;
const SET_SLOT = 40;
const MAP = 192;
const MAP_SLOT = 56;
const OBJECT = 40;
const FIELD = 16;
const BYTES = 120;
/** What is too deep to be looked at. */
const DEEP = 64;

export function heapBytes(value: unknown, depth = 0): number {
  if (typeof value === "number") return NUMBER;
  if (typeof value === "string") return STRING + CHARACTER * value.length;
  if (typeof value !== "object" || value === null) return FIELD;
  if (depth >= MAX_DEPTH) return DEEP;
  if (Array.isArray(value)) return LIST + LIST_SLOT * value.length + ofList(value, value.length, depth);
  if (ArrayBuffer.isView(value)) return BYTES + value.byteLength;
  if (value instanceof Set) return SET + SET_SLOT * value.size + ofList(firstOf(value), value.size, depth);
  if (value instanceof Map) {
    const keys = ofList(firstOf(value.keys()), value.size, depth);
    return MAP + MAP_SLOT * value.size + keys + ofList(firstOf(value.values()), value.size, depth);
  }
  if (StoredValues.any && value instanceof StoredValues) return value.bytes;
  let bytes = OBJECT;
  for (const name of Object.keys(value))
    bytes += FIELD + heapBytes((value as Record<string, unknown>)[name], depth + 1);
  return bytes;
}

/** Of `count` elements, of which these are the first ones or all. Those of a long list are looked at in places spread over it. */
function ofList(list: readonly unknown[], count: number, depth: number): number {
  const looked = Math.min(SAMPLE, list.length);
  if (looked === 0) return 0;
  let bytes = 0;
  for (let i = 0; i < looked; i++) bytes += heapBytes(list[Math.floor((i * list.length) / looked)], depth + 1);
  return Math.ceil((bytes / looked) * count);
}
