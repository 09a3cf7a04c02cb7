// Records to Arrow record batches: plain objects by their properties, tuples by their places ("0", "1", ...). The columns of a
// partition are settled by its first batch, or given; each later batch has to fit them, so that a function sees one schema.
// A column of which only nulls have come is of the type Null until its first value.

import type { RecordBatch } from "apache-arrow";
import { MillraceError } from "../../core/errors.js";
import { isPlainObject } from "../value-kind.js";
import { arrowType, type ColumnKind, columnData, kindOf } from "./column-data.js";
import type { Arrow } from "./load.js";

interface Column {
  readonly name: string;
  kind: ColumnKind | null;
}

type Shape = "objects" | "tuples";

export class BatchEncoder {
  readonly #arrow: Arrow;
  readonly #given: boolean;
  #columns: Column[] | null;
  #shape: Shape | null = null;
  /** Records of earlier batches, for messages. */
  #before = 0;

  /** `columns`: names and kinds that the user has given; null: by the records. */
  constructor(arrow: Arrow, columns: readonly (readonly [string, ColumnKind])[] | null) {
    this.#arrow = arrow;
    this.#given = columns !== null;
    this.#columns = columns?.map(([name, kind]) => ({ name, kind })) ?? null;
  }

  /** Throws WRONG_SHAPE with the record's number in the partition and the column. */
  encode(records: readonly unknown[]): RecordBatch {
    const shape = this.#shapeOf(records);
    this.#columns ??= columnsOf(records, shape);
    const columns = this.#columns;
    const data = columns.map((column, place) => this.#column(column, place, records, shape));
    if (!this.#given) this.#refuseOthers(records, columns, shape);
    this.#before += records.length;
    const arrow = this.#arrow;
    const fields = columns.map(({ name, kind }) => new arrow.Field(name, arrowType(arrow, kind), true));
    const struct = new arrow.Struct(fields);
    const rows = arrow.makeData({ type: struct, length: records.length, nullCount: 0, children: data });
    return new arrow.RecordBatch(new arrow.Schema(fields), rows);
  }

  #shapeOf(records: readonly unknown[]): Shape {
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      const shape = shapeOf(record);
      if (shape === null)
        throw this.#wrong(
          i,
          `${kindName(record)}, where a plain object or a tuple is needed: map the records to one before`,
        );
      this.#shape ??= shape;
      if (shape !== this.#shape)
        throw this.#wrong(
          i,
          `${shape === "tuples" ? "a tuple" : "an object"}, where the records before are ${this.#shape}`,
        );
    }
    return this.#shape ?? "objects";
  }

  #column(column: Column, place: number, records: readonly unknown[], shape: Shape) {
    const { name } = column;
    const values = records.map((record) =>
      shape === "tuples" ? (record as readonly unknown[])[place] : (record as Record<string, unknown>)[name],
    );
    for (let i = 0; i < values.length; i++) {
      const kind = kindOf(values[i]);
      if (kind === "null") continue;
      const expected = column.kind;
      if (kind === null || (expected !== null && kind !== expected)) {
        const wanted =
          expected === null ? "number, bigint, string, boolean, Date, bytes or null" : `${expected} or null`;
        throw this.#wrong(
          i,
          `a value of type ${kind ?? kindName(values[i])} in column ${name}, where ${wanted} is needed`,
        );
      }
      column.kind = kind;
    }
    try {
      return columnData(this.#arrow, column.kind, values);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new MillraceError("WRONG_SHAPE", `column ${name} of a record batch: ${error.message}`, {
        fields: { column: name },
        cause: error,
      });
    }
  }

  /** What has no column must not be lost in silence; the user who names the columns has chosen. */
  #refuseOthers(records: readonly unknown[], columns: readonly Column[], shape: Shape): void {
    const names = new Set(columns.map(({ name }) => name));
    for (let i = 0; i < records.length; i++) {
      const record = records[i] as object;
      if (shape === "tuples") {
        const { length } = record as readonly unknown[];
        if (length !== columns.length)
          throw this.#wrong(i, `a tuple of length ${length}, where the others have ${columns.length}`);
        continue;
      }
      for (const name of Object.keys(record))
        if (!names.has(name))
          throw this.#wrong(
            i,
            `the property ${name}, which no record of the first batch has: name all in options.columns`,
          );
    }
  }

  #wrong(at: number, what: string): MillraceError {
    const record = this.#before + at;
    return new MillraceError("WRONG_SHAPE", `record ${record} of the partition has ${what}`, { fields: { record } });
  }
}

function shapeOf(record: unknown): Shape | null {
  if (typeof record !== "object" || record === null) return null;
  if (Array.isArray(record)) return "tuples";
  return isPlainObject(record) || Object.getPrototypeOf(record) === null ? "objects" : null;
}

/** In the order in which the first batch's records name them. */
function columnsOf(records: readonly unknown[], shape: Shape): Column[] {
  const names = new Set<string>();
  for (const record of records) {
    if (shape === "objects") for (const name of Object.keys(record as object)) names.add(name);
    else for (let i = names.size; i < (record as readonly unknown[]).length; i++) names.add(String(i));
  }
  return [...names].map((name) => ({ name, kind: null }));
}

function kindName(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : `a ${typeof value}`;
  if (Array.isArray(value)) return "array";
  const name = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name;
  return name === undefined || name === "" ? "object" : name;
}
