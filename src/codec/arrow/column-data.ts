// One column of values as Arrow buffers, built directly: a validity bitmap where there are nulls, and the values behind it.

import type { Data, DataType } from "apache-arrow";
import { objectKind } from "../value-kind.js";
import type { Arrow } from "./load.js";

/** What a column holds, beside nulls. */
export type ColumnKind = "number" | "bigint" | "string" | "boolean" | "date" | "bytes";

/** The kind of a value; null for one that no column takes. Of null and undefined: "null". */
export function kindOf(value: unknown): ColumnKind | "null" | null {
  switch (typeof value) {
    case "number":
    case "bigint":
    case "string":
    case "boolean":
      return typeof value as ColumnKind;
    case "undefined":
      return "null";
    case "object": {
      if (value === null) return "null";
      const kind = objectKind(value);
      if (kind === "date") return "date";
      return kind === "bytes" || kind === "buffer" ? "bytes" : null;
    }
    default:
      return null;
  }
}

/** number: Float64, bigint: Int64, string: Utf8, boolean: Bool, date: Timestamp in ms, UTC, bytes: Binary. null: no value is known yet. */
export function arrowType(arrow: Arrow, kind: ColumnKind | null): DataType {
  switch (kind) {
    case "number":
      return new arrow.Float64();
    case "bigint":
      return new arrow.Int64();
    case "string":
      return new arrow.Utf8();
    case "boolean":
      return new arrow.Bool();
    case "date":
      return new arrow.TimestampMillisecond("UTC");
    case "bytes":
      return new arrow.Binary();
    case null:
      return new arrow.Null();
  }
}

/** `values` are of the kind, or null or undefined. RangeError for a bigint beyond 64 bits and a Date that is no time. */
export function columnData(arrow: Arrow, kind: ColumnKind | null, values: readonly unknown[]): Data {
  const { length } = values;
  const type = arrowType(arrow, kind);
  if (kind === null) return arrow.makeData({ type, length } as never);
  const { nullBitmap, nullCount } = validity(values);
  return arrow.makeData({ type, length, nullCount, nullBitmap, ...buffersOf(kind, values) } as never);
}

function buffersOf(kind: ColumnKind, values: readonly unknown[]): object {
  const { length } = values;
  switch (kind) {
    case "number":
      return { data: Float64Array.from(values as number[], (value) => value ?? 0) };
    case "bigint":
      return { data: BigInt64Array.from(values as bigint[], (value) => int64(value ?? 0n)) };
    case "date":
      return { data: BigInt64Array.from(values as Date[], (value) => (value == null ? 0n : epochMs(value))) };
    case "boolean": {
      const data = new Uint8Array((length + 7) >> 3);
      for (let i = 0; i < length; i++) if (values[i] === true) data[i >> 3]! |= 1 << (i & 7);
      return { data };
    }
    case "string":
      return joined(values.map((value) => (value == null ? NO_BYTES : Buffer.from(value as string, "utf8"))));
    case "bytes":
      return joined(values.map((value) => (value as Uint8Array | null | undefined) ?? NO_BYTES));
  }
}

const NO_BYTES = new Uint8Array(0);

function joined(parts: readonly Uint8Array[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(parts.length + 1);
  let end = 0;
  for (let i = 0; i < parts.length; i++) {
    end += (parts[i] as Uint8Array).byteLength;
    if (end > MAX_COLUMN_BYTES) throw new RangeError("the column has more than 2 GiB: use a smaller batchSize");
    valueOffsets[i + 1] = end;
  }
  const data = new Uint8Array(end);
  for (let i = 0; i < parts.length; i++) data.set(parts[i] as Uint8Array, valueOffsets[i]);
  return { valueOffsets, data };
}

/** Offsets are 32-bit integers. */
const MAX_COLUMN_BYTES = 2 ** 31 - 1;

function validity(values: readonly unknown[]): { nullBitmap: Uint8Array | null; nullCount: number } {
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i] == null) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
  }
  return { nullBitmap: nullCount === 0 ? null : nullBitmap, nullCount };
}

function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new RangeError(`the bigint ${value} needs more than 64 bits`);
}

function epochMs(date: Date): bigint {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new RangeError("a Date is no time (Invalid Date)");
  return BigInt(ms);
}
