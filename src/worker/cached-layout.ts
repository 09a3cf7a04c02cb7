// A cached partition as one stream of bytes, cut into pieces anywhere:
//
//   u32 bytes of the schema table | u32 its CRC32C | f64 bytes of the frames | u32 0 | u32 CRC32C of these 20 bytes
//   schema table | frames
//
// Frames bear checksums of their own. A stream of no bytes at all says that the partition is not there; one that ends before
// what its head has announced is broken, also where a frame has just ended.

import { crc32c } from "../core/crc32c.js";
import { MillraceError } from "../core/errors.js";

export const CACHED_HEAD_BYTES = 24;
const CHECKED_BYTES = 20;

export interface CachedHead {
  readonly schemaBytes: number;
  readonly schemaChecksum: number;
  readonly frameBytes: number;
}

/** The head and the schema table. */
export function encodeCachedHead(schemas: Uint8Array, frameBytes: number): Uint8Array {
  const bytes = Buffer.alloc(CACHED_HEAD_BYTES + schemas.byteLength);
  bytes.writeUInt32LE(schemas.byteLength, 0);
  bytes.writeUInt32LE(crc32c(schemas), 4);
  bytes.writeDoubleLE(frameBytes, 8);
  bytes.writeUInt32LE(crc32c(bytes, 0, CHECKED_BYTES), CHECKED_BYTES);
  bytes.set(schemas, CACHED_HEAD_BYTES);
  return bytes;
}

/** Of the first CACHED_HEAD_BYTES of `bytes`. Throws BLOCK_CORRUPT. */
export function decodeCachedHead(bytes: Uint8Array): CachedHead {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (head.byteLength < CACHED_HEAD_BYTES || head.readUInt32LE(CHECKED_BYTES) !== crc32c(head, 0, CHECKED_BYTES))
    throw new MillraceError("BLOCK_CORRUPT", "the head of a cached partition has another checksum than it says");
  return {
    schemaBytes: head.readUInt32LE(0),
    schemaChecksum: head.readUInt32LE(4),
    frameBytes: head.readDoubleLE(8),
  };
}

/** Throws BLOCK_CORRUPT. */
export function checkCachedSchemas(schemas: Uint8Array, head: CachedHead): void {
  if (crc32c(schemas) !== head.schemaChecksum)
    throw new MillraceError(
      "BLOCK_CORRUPT",
      "the schema table of a cached partition has another checksum than it says",
    );
}
