// One column: which type its values have, its buffers, and back.

import * as v8 from "node:v8";
import type { ClassRegistry } from "./class-registry.js";
import type { ColumnType } from "./schema.js";

export interface EncodedColumn {
  readonly type: ColumnType;
  readonly end: number;
}
export const encodeAny = (values: unknown, _classes: ClassRegistry): Buffer => v8.serialize(values);
export const decodeAny = (bytes: Uint8Array, _classes: ClassRegistry): unknown => v8.deserialize(bytes);
