// Arrow record batches back to records: objects with a property a column, or tuples where the columns are called "0", "1", ...
// Dates and timestamps become Date (to the millisecond), 64-bit integers bigint, other numbers number, lists arrays, structs
// objects, dictionaries what they stand for. Other types are refused by name.

import type { DataType, Field, RecordBatch, Vector } from "apache-arrow";
import { MillraceError } from "../../core/errors.js";
import type { Arrow } from "./load.js";

type Read = (value: never) => unknown;

/** Throws WRONG_SHAPE for a type that has no value in records, and for columns of different lengths. */
export function recordsOf(arrow: Arrow, batch: RecordBatch): unknown[] {
  const fields = batch.schema.fields;
  const rows = batch.numRows;
  const columns = fields.map((field, i) => columnOf(arrow, field, batch.getChildAt(i), rows));
  const names = fields.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw wrong(`two columns are called ${twice}`, twice);
  const isTuple = names.length > 0 && names.every((name, i) => name === String(i));
  const records: unknown[] = new Array(rows);
  for (let row = 0; row < rows; row++) {
    if (isTuple) {
      records[row] = columns.map((column) => column[row]);
      continue;
    }
    const record: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i++) record[names[i] as string] = (columns[i] as readonly unknown[])[row];
    records[row] = record;
  }
  return records;
}

/** The schema in a line, for messages and to compare. */
export function schemaText(batch: RecordBatch): string {
  return batch.schema.fields.map(({ name, type }) => `${name}: ${type}`).join(", ") || "no columns";
}

function columnOf(arrow: Arrow, { name, type }: Field, vector: Vector | null, rows: number): unknown[] {
  if (name === "__proto__") throw wrong("a column is called __proto__", name);
  if (vector === null || vector.length !== rows)
    throw wrong(`column ${name} has ${vector?.length ?? "no"} values, the batch ${rows} rows`, name);
  const read = readerOf(arrow, type, name);
  const values: unknown[] = new Array(rows);
  for (let row = 0; row < rows; row++) {
    const value: unknown = vector.get(row);
    values[row] = value === null || value === undefined ? null : read(value as never);
  }
  return values;
}

function readerOf(arrow: Arrow, type: DataType, name: string): Read {
  const { DataType: T } = arrow;
  if (T.isNull(type)) return () => null;
  if (T.isInt(type) || T.isFloat(type) || T.isBool(type)) return (value) => value;
  if (T.isUtf8(type) || T.isLargeUtf8(type)) return (value) => value;
  if (T.isDate(type) || T.isTimestamp(type)) return (ms: number) => new Date(ms);
  // A copy: what `get` gives is a part of the whole column's buffer and would keep it.
  if (T.isBinary(type) || T.isLargeBinary(type)) return (bytes: Uint8Array) => Uint8Array.from(bytes);
  if (T.isDictionary(type)) return readerOf(arrow, type.dictionary, name);
  if (T.isList(type) || T.isFixedSizeList(type)) {
    const read = readerOf(arrow, type.children[0]?.type as DataType, name);
    return (list: Iterable<unknown>) => Array.from(list, (one) => (one == null ? null : read(one as never)));
  }
  if (T.isStruct(type)) {
    const reads = type.children.map(
      (child) => [child.name, readerOf(arrow, child.type, `${name}.${child.name}`)] as const,
    );
    return (struct: Record<string, unknown>) =>
      Object.fromEntries(
        reads.map(([key, read]) => [key, struct[key] == null ? null : read(struct[key] as never)] as const),
      );
  }
  throw wrong(`column ${name} has the type ${type}, which records cannot hold: cast it before`, name);
}

function wrong(what: string, column: string): MillraceError {
  return new MillraceError("WRONG_SHAPE", `in the record batch that the function gave, ${what}`, {
    fields: { column },
  });
}
