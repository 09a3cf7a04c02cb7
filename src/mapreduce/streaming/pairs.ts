// Lines and pairs of a streaming job. All text is latin1, a character for each byte, so that bytes which are no UTF-8 pass as
// they are and texts are ordered as bytes.

export type Pair = readonly [key: string, value: string];

/** Where a line is cut: behind so many fields. */
export interface Cut {
  readonly separator: string;
  readonly fields: number;
}

/** Characters that are written to a command at once. */
const PIECE = 64 * 1024;

/** A line with too few separators is a key without a value. */
export function cutPair(line: string, { separator, fields }: Cut): Pair {
  let at = line.indexOf(separator);
  for (let n = 1; n < fields && at >= 0; n++) at = line.indexOf(separator, at + separator.length);
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + separator.length)];
}

/** Texts in larger pieces, as bytes. */
export function* inPieces(texts: Iterable<string>): Generator<Uint8Array, void, void> {
  let gathered = "";
  for (const text of texts) {
    gathered += text;
    if (gathered.length < PIECE) continue;
    yield Buffer.from(gathered, "latin1");
    gathered = "";
  }
  if (gathered !== "") yield Buffer.from(gathered, "latin1");
}

/** What flatMap needs to take arrays of records apart. */
export function itself<T>(batch: readonly T[]): readonly T[] {
  return batch;
}
