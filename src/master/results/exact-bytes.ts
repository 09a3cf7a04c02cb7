// A result that a worker holds, held against the size that its task has announced: one that ends early is lost, not short.

import { MillraceError } from "../../core/errors.js";

/** Throws FETCH_FAILED at the end of fewer bytes, or as soon as there are more. */
export async function* exactBytes(
  chunks: AsyncIterable<Uint8Array>,
  bytes: number,
  what: string,
): AsyncGenerator<Uint8Array, void, void> {
  let seen = 0;
  for await (const chunk of chunks) {
    seen += chunk.byteLength;
    if (seen > bytes) break;
    yield chunk;
  }
  if (seen === bytes) return;
  const found = seen > bytes ? "has more" : `ended after ${seen}`;
  throw new MillraceError("FETCH_FAILED", `${what}, of ${bytes} bytes, ${found}`, { fields: { bytes, seen } });
}
