// A cached partition as it comes from a worker that leaves: the storage level as one byte, then what cached-layout.ts describes,
// in chunks cut anywhere. Its frames go into memory that every slot reads, once, and each is checked.

import { frameLength, readFrameHeader } from "../codec/frame.js";
import { MillraceError } from "../core/errors.js";
import { storageLevels } from "../protocol/blocks.js";
import { CACHED_HEAD_BYTES, checkCachedSchemas, decodeCachedHead } from "./cached-layout.js";

export interface AdoptedPartition {
  readonly level: (typeof storageLevels)[number];
  readonly schemas: Uint8Array;
  readonly frames: SharedArrayBuffer;
}

/** Of the storage level. */
const LEVEL_BYTES = 1;

/** null: nothing came, it is not there any more. Throws BLOCK_CORRUPT. */
export function parseCachedPartition(parts: readonly Uint8Array[], bytes: number): AdoptedPartition | null {
  if (bytes === 0) return null;
  const head = (length: number) => Buffer.concat(parts.slice(0, countFor(parts, length)));
  const first = head(LEVEL_BYTES + CACHED_HEAD_BYTES);
  const level = storageLevels[first[0] ?? storageLevels.length];
  const said = decodeCachedHead(first.subarray(LEVEL_BYTES));
  const start = LEVEL_BYTES + CACHED_HEAD_BYTES + said.schemaBytes;
  if (level === undefined || start + said.frameBytes !== bytes)
    throw new MillraceError(
      "BLOCK_CORRUPT",
      `a cached partition came in ${bytes} bytes, its head speaks of ${start + said.frameBytes}`,
    );
  const schemas = Uint8Array.from(head(start).subarray(LEVEL_BYTES + CACHED_HEAD_BYTES, start));
  checkCachedSchemas(schemas, said);
  return { level, schemas, frames: share(parts, start, bytes) };
}

/** Parts that hold the first `length` bytes. */
function countFor(parts: readonly Uint8Array[], length: number): number {
  let count = 0;
  for (let have = 0; have < length && count < parts.length; count++) have += (parts[count] as Uint8Array).byteLength;
  return count;
}

/** All bytes from `start` on in memory that every slot reads, with their frames checked. */
function share(parts: readonly Uint8Array[], start: number, end: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(end - start);
  const view = new Uint8Array(memory);
  let at = -start;
  for (const part of parts) {
    const skipped = Math.min(part.byteLength, Math.max(0, -at));
    if (skipped < part.byteLength) view.set(part.subarray(skipped), at + skipped);
    at += part.byteLength;
  }
  for (let frame = 0; frame < view.byteLength; frame += frameLength(view, frame)) readFrameHeader(view, frame);
  return memory;
}
