// Batches of [key, value] pairs, keys and values in arrays of their own, so that operators never make the pair arrays.
// The frames are those of records that are two-element arrays.

import { MillraceError } from "../core/errors.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeRecords, type EncodeOptions, encodeRecords } from "./records.js";
import type { SchemaTable } from "./schema.js";

export interface PairBatch {
  readonly keys: unknown[];
  /** A Float64Array where all values are numbers and not all integers. */
  readonly values: unknown[] | Float64Array;
}

export function encodePairs(
  keys: ArrayLike<unknown>,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options: EncodeOptions = {},
): Uint8Array {
  const records: unknown[] = [];
  for (let i = start; i < end; i++) records.push([keys[i], values[i]]);
  return encodeRecords(records, 0, records.length, schemas, classes, options);
}

/** The pairs at `indices[start, end)`, in that order: scatter by partition without moving the arrays. */
export function encodePairsAt(
  keys: ArrayLike<unknown>,
  values: ArrayLike<unknown>,
  indices: Uint32Array,
  start: number,
  end: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options: EncodeOptions = {},
): Uint8Array {
  const records: unknown[] = [];
  for (let i = start; i < end; i++) records.push([keys[indices[i]!], values[indices[i]!]]);
  return encodeRecords(records, 0, records.length, schemas, classes, options);
}

export function decodePairs(frame: Uint8Array, schemas: SchemaTable, classes: ClassRegistry): PairBatch {
  const keys: unknown[] = [];
  const values: unknown[] = [];
  for (const record of decodeRecords(frame, schemas, classes)) {
    if (!Array.isArray(record) || record.length !== 2) throw notAPair(record);
    keys.push(record[0]);
    values.push(record[1]);
  }
  return { keys, values };
}

export function notAPair(record: unknown): MillraceError {
  return new MillraceError("NOT_A_PAIR", `expected [key, value], got ${String(record)}`);
}
