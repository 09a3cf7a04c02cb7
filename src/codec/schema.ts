// What the columns of a frame are. A schema stands once per map output (or stream) in a SchemaTable; a frame carries only
// its number there. A schema's text is its JSON and its identity: equal texts are one entry. Lengths of buffers are not
// written anywhere: they follow from the schema, the row count and the offsets (columns.ts has the layout of each kind).

import { MillraceError } from "../core/errors.js";

export type LeafType =
  /** Every row is null, or undefined: no buffer. */
  | "null"
  | "undefined"
  | "bool"
  /** Numbers that all are integers and none of them -0, in the narrowest width that holds them. */
  | "i8"
  | "i16"
  | "i32"
  | "f64"
  /** bigint within 64 bits. */
  | "i64"
  | "date"
  /** Strings: Arrow's Utf8; "ascii" says that bytes and UTF-16 units are the same number. */
  | "ascii"
  | "utf8"
  | "bytes"
  | "buffer"
  /** The fallback: v8.serialize of the whole column, prototypes beside it (fallback.ts). */
  | "any";

export type ColumnType =
  | LeafType
  /** Some rows are null | undefined | either: a validity bitmap (for "either" a second one: which of them are undefined). */
  | readonly ["null?" | "undefined?" | "either?", ColumnType]
  /** Typed arrays but Uint8Array, by the name of their constructor. */
  | readonly ["typed", string]
  | readonly ["list", ColumnType]
  /** Arrays of one same length; a pair is a tuple of two. */
  | readonly ["tuple", ...ColumnType[]]
  /** Plain objects with these properties in this order. */
  | readonly ["object", readonly string[], ...ColumnType[]]
  /** Instances of a travelling class with these own properties in this order. */
  | readonly ["class", string, readonly string[], ...ColumnType[]];

export interface Schema {
  /** JSON of `root`. */
  readonly text: string;
  readonly root: ColumnType;
}

/** Bounds what a damaged table can make us allocate. */
const MAX_SCHEMAS = 1 << 20;

export class SchemaTable {
  readonly #schemas: Schema[] = [];
  readonly #numbers = new Map<string, number>();

  get size(): number {
    return this.#schemas.length;
  }

  intern(schema: Schema): number {
    return this.#numbers.get(schema.text) ?? this.#add(schema);
  }

  /** As intern, for who has built the JSON text only. */
  internText(text: string): number {
    return this.#numbers.get(text) ?? this.#add({ text, root: JSON.parse(text) as ColumnType });
  }

  get(number: number): Schema {
    const schema = this.#schemas[number];
    if (schema === undefined) {
      throw new MillraceError("BLOCK_CORRUPT", `a frame names schema ${number} but its table has ${this.size}`);
    }
    return schema;
  }

  toBytes(): Uint8Array {
    return Buffer.from(JSON.stringify(this.#schemas.map((schema) => schema.root)), "utf8");
  }

  static fromBytes(bytes: Uint8Array): SchemaTable {
    const table = new SchemaTable();
    let roots: unknown;
    try {
      roots = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
    } catch (cause) {
      throw new MillraceError("BLOCK_CORRUPT", `a schema table of ${bytes.byteLength} bytes cannot be read`, { cause });
    }
    if (!Array.isArray(roots) || roots.length > MAX_SCHEMAS) {
      throw new MillraceError("BLOCK_CORRUPT", "a schema table is not a list of schemas");
    }
    for (const root of roots as ColumnType[]) table.#add({ text: JSON.stringify(root), root });
    return table;
  }

  #add(schema: Schema): number {
    const number = this.#schemas.push(schema) - 1;
    this.#numbers.set(schema.text, number);
    return number;
  }
}
