// Batches of [key, value] pairs, keys and values in arrays of their own, so that operators never make the pair arrays.
// The frames are those of records that are two-element arrays: either side may be read or written as the other.

import { MillraceError } from "../core/errors.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeColumn, decodeNumbers } from "./decode-column.js";
import { encodePairRoot } from "./encode-root.js";
import { readFrameHeader } from "./frame.js";
import { decodeRecords, type EncodeOptions, encodeFrame, openBody } from "./records.js";
import type { SchemaTable } from "./schema.js";
import { describeValue } from "./value-kind.js";

export interface PairBatch {
  readonly keys: unknown[];
  /** A Float64Array where all values are numbers and not all of them integers. */
  readonly values: unknown[] | Float64Array;
}

/** `keys[i], values[i]` for i in [start, end) as one frame. */
export function encodePairs(
  keys: ArrayLike<unknown>,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options?: EncodeOptions,
): Uint8Array {
  return encodeFrame(
    (w) => encodePairRoot(w, keys, values, start, end, classes),
    end - start,
    schemas,
    classes,
    options,
  );
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
  options?: EncodeOptions,
): Uint8Array {
  const rows = end - start;
  const someKeys: unknown[] = new Array(rows);
  const someValues: unknown[] = new Array(rows);
  for (let i = 0; i < rows; i++) {
    const at = indices[start + i]!;
    someKeys[i] = keys[at];
    someValues[i] = values[at];
  }
  return encodePairs(someKeys, someValues, 0, rows, schemas, classes, options);
}

/** Throws NOT_A_PAIR when the frame's records are something else. */
export function decodePairs(frame: Uint8Array, schemas: SchemaTable, classes: ClassRegistry): PairBatch {
  const header = readFrameHeader(frame);
  const root = schemas.get(header.schema).root;
  if (typeof root !== "string" && root[0] === "tuple" && root.length === 3) {
    const reader = openBody(frame, header);
    const keys = decodeColumn(reader, root[1]!, header.rows, classes);
    return { keys, values: decodeNumbers(reader, root[2]!, header.rows, classes) };
  }
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
  const what = describeValue(record);
  return new MillraceError("NOT_A_PAIR", `a pair operation needs records of the form [key, value] and met ${what}`, {
    fields: { what },
  });
}
