// How a compressed log is laid out: zstd frames of whole lines, each behind a skippable frame that says how long it is and what
// its checksum is (zstd frames of ours have none). Any zstd reads it: `zstd -dc <file> | jq`.
//
//   u32 0x184D2A50 | u32 12 | u32 bytes of the frame | u32 bytes of its text | u32 CRC32C of the frame as stored     little endian

import { zstdCompressAside, zstdDecompress } from "../codec/zstd.js";
import { crc32c } from "../core/crc32c.js";

export const FRAME_HEAD_BYTES = 20;
const SKIPPABLE = 0x184d2a50;
/** The writer's frames are of some 100 KiB; a larger number is damage. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export interface LogFrameHead {
  readonly storedBytes: number;
  readonly textBytes: number;
  readonly checksum: number;
}

/** Compresses whole lines on another thread. */
export async function encodeLogFrame(text: Buffer): Promise<Buffer> {
  const frame = await zstdCompressAside(text);
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32LE(SKIPPABLE, 0);
  head.writeUInt32LE(12, 4);
  head.writeUInt32LE(frame.byteLength, 8);
  head.writeUInt32LE(text.byteLength, 12);
  head.writeUInt32LE(crc32c(frame), 16);
  return Buffer.concat([head, frame]);
}

/** null: this is no head. */
export function readFrameHead(bytes: Buffer): LogFrameHead | null {
  if (bytes.byteLength < FRAME_HEAD_BYTES || bytes.readUInt32LE(0) !== SKIPPABLE || bytes.readUInt32LE(4) !== 12)
    return null;
  const head = {
    storedBytes: bytes.readUInt32LE(8),
    textBytes: bytes.readUInt32LE(12),
    checksum: bytes.readUInt32LE(16),
  };
  return head.storedBytes <= MAX_FRAME_BYTES && head.textBytes <= MAX_FRAME_BYTES ? head : null;
}

/** The lines of a frame; null: its bytes are not those that were written. */
export function decodeLogFrame(head: LogFrameHead, frame: Buffer): Buffer | null {
  if (frame.byteLength !== head.storedBytes || crc32c(frame) !== head.checksum) return null;
  const text = zstdDecompress(frame, head.textBytes);
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}
