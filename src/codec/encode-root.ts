// The columns of a batch, from its top: records as one column, pairs as two. A batch that is no tree (too deep, cyclic) becomes
// fallback columns as a whole; a value that cannot be encoded is named with its place in its record.

import type { ByteWriter } from "./byte-writer.js";
import type { ClassRegistry } from "./class-registry.js";
import { encodeColumn, NotATree } from "./encode-column.js";
import { writeFallback } from "./encode-leaves.js";
import { throwWithPlace } from "./fallback.js";
import { unstored } from "./stored-values.js";

/** Writes `values[start, end)` and returns the JSON text of the column's type. */
export function encodeRoot(
  w: ByteWriter,
  given: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
): string {
  const from = w.at;
  const values = unstored(given, start, end);
  try {
    try {
      return encodeColumn(w, values, start, end, classes, 0);
    } catch (error) {
      if (!(error instanceof NotATree)) throw error;
      w.at = from;
      return writeFallback(w, values, start, end, classes);
    }
  } catch (error) {
    return throwWithPlace(error, Array.prototype.slice.call(values, start, end), classes);
  }
}

/** The pair columns of `keys[start, end)` and `values[start, end)`. */
export function encodePairRoot(
  w: ByteWriter,
  keys: ArrayLike<unknown>,
  given: ArrayLike<unknown>,
  start: number,
  end: number,
  classes: ClassRegistry,
): string {
  const from = w.at;
  const values = unstored(given, start, end);
  try {
    try {
      const key = encodeColumn(w, keys, start, end, classes, 1);
      return pairText(key, encodeColumn(w, values, start, end, classes, 1));
    } catch (error) {
      if (!(error instanceof NotATree)) throw error;
      w.at = from;
      const key = writeFallback(w, keys, start, end, classes);
      return pairText(key, writeFallback(w, values, start, end, classes));
    }
  } catch (error) {
    return throwWithPlace(error, pairsOf(keys, values, start, end), classes);
  }
}

function* pairsOf(
  keys: ArrayLike<unknown>,
  values: ArrayLike<unknown>,
  start: number,
  end: number,
): Generator<unknown> {
  for (let i = start; i < end; i++) yield [keys[i], values[i]];
}

const pairTexts = new Map<string, Map<string, string>>();

/** Kept per pair of types: building the text anew costs as much as a frame of ten rows. */
function pairText(key: string, value: string): string {
  let byValue = pairTexts.get(key);
  if (byValue === undefined) {
    if (pairTexts.size > 1000) pairTexts.clear();
    byValue = new Map();
    pairTexts.set(key, byValue);
  }
  let text = byValue.get(value);
  if (text === undefined) {
    if (byValue.size > 1000) byValue.clear();
    text = `["tuple",${key},${value}]`;
    byValue.set(value, text);
  }
  return text;
}
