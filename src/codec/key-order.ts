// The order of keys, total and consistent with keysEqual: null < boolean < number (NaN last) < bigint < string by code
// point < Date (invalid last) < bytes < arrays < plain objects < class instances < undefined. undefined is last because
// Array.prototype.sort puts it there without asking, so that sorting by compareKeys is right everywhere. Arrays, bytes and strings compare
// element by element, a prefix first; objects by their properties in name order, name before value.

import { MillraceError } from "../core/errors.js";
import { describeValue, objectKind } from "./value-kind.js";

/** Negative, zero or positive. Throws INVALID_KEY for what cannot be a key. */
export function compareKeys(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  if (typeof a === "number" && typeof b === "number") return compareNumbers(a, b);
  return compareOther(a, b, 0);
}

/** NaN last and equal to itself; -0 = 0. */
export function compareNumbers(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  // At least one is NaN.
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** By code point, which is the order of the UTF-8 bytes too; JavaScript's own `<` compares UTF-16 units. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? codePointRank(x) - codePointRank(y) : x - y;
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF, so they go behind the rest of the units. */
function codePointRank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

function compareInside(a: unknown, b: unknown, depth: number): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  if (typeof a === "number" && typeof b === "number") return compareNumbers(a, b);
  return compareOther(a, b, depth);
}

const RANK_NULL = 1;
const RANK_ARRAY = 8;
const RANK_OBJECT = 9;
const RANK_INSTANCE = 10;
const RANK_UNDEFINED = 11;
const MAX_DEPTH = 64;

function rankOf(key: unknown): number {
  if (key === null) return RANK_NULL;
  switch (typeof key) {
    case "undefined":
      return RANK_UNDEFINED;
    case "boolean":
      return 2;
    case "number":
      return 3;
    case "bigint":
      return 4;
    case "string":
      return 5;
    case "object":
      switch (objectKind(key)) {
        case "date":
          return 6;
        case "bytes":
        case "buffer":
          return 7;
        case "array":
          return RANK_ARRAY;
        case "plain":
        case "bare":
          return RANK_OBJECT;
        case "instance":
          return RANK_INSTANCE;
        default:
      }
  }
  throw new MillraceError("INVALID_KEY", `a key is or holds ${describeValue(key)}, which has no order`, {
    fields: { what: describeValue(key) },
  });
}

function compareOther(a: unknown, b: unknown, depth: number): number {
  const rank = rankOf(a);
  const other = rankOf(b);
  if (rank !== other) return rank - other;
  if (depth > MAX_DEPTH) {
    throw new MillraceError("INVALID_KEY", `a key is cyclic or nested deeper than ${MAX_DEPTH}`);
  }
  switch (rank) {
    case RANK_NULL:
    case RANK_UNDEFINED:
      return 0;
    case 2:
      return Number(a) - Number(b);
    case 3:
      return compareNumbers(a as number, b as number);
    case 4:
      return (a as bigint) < (b as bigint) ? -1 : a === b ? 0 : 1;
    case 5:
      return compareStrings(a as string, b as string);
    case 6:
      return compareNumbers((a as Date).getTime(), (b as Date).getTime());
    case 7:
      return Buffer.compare(a as Uint8Array, b as Uint8Array);
    case RANK_ARRAY: {
      const x = a as readonly unknown[];
      const y = b as readonly unknown[];
      const length = Math.min(x.length, y.length);
      for (let i = 0; i < length; i++) {
        const order = compareInside(x[i], y[i], depth + 1);
        if (order !== 0) return order;
      }
      return x.length - y.length;
    }
    case RANK_OBJECT:
      return compareFields(a as Record<string, unknown>, b as Record<string, unknown>, depth);
    default:
      return compareInstances(a as Record<string, unknown>, b as Record<string, unknown>, depth);
  }
}

function compareFields(a: Record<string, unknown>, b: Record<string, unknown>, depth: number): number {
  const x = Object.keys(a).sort();
  const y = Object.keys(b).sort();
  const length = Math.min(x.length, y.length);
  for (let i = 0; i < length; i++) {
    const name = x[i]!;
    if (name !== y[i]) return name < y[i]! ? -1 : 1;
    const order = compareInside(a[name], b[name], depth + 1);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

/** Classes by name, then by source; two that agree in both are told apart by which this process met first. */
function compareInstances(a: Record<string, unknown>, b: Record<string, unknown>, depth: number): number {
  const x = Object.getPrototypeOf(a) as object;
  const y = Object.getPrototypeOf(b) as object;
  if (x === y) return compareFields(a, b, depth);
  return (
    compareStrings(x.constructor.name, y.constructor.name) ||
    compareStrings(String(x.constructor), String(y.constructor)) ||
    ordinalOf(x) - ordinalOf(y)
  );
}

const ordinals = new WeakMap<object, number>();
let nextOrdinal = 0;

function ordinalOf(prototype: object): number {
  let ordinal = ordinals.get(prototype);
  if (ordinal === undefined) {
    ordinal = nextOrdinal++;
    ordinals.set(prototype, ordinal);
  }
  return ordinal;
}
