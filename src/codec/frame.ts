// A frame is one encoded batch: 24 bytes of header, then the buffers of its columns one after the other (columns.ts).
//
//   0 total length, a multiple of 8     8 schema number     16 flags: bit 0 zstd, bits 8-10 padding bytes at the end
//   4 CRC32C of all that follows       12 rows              20 length of the body before compression
//
// All little endian. Frames are self-delimiting, so those of one schema table can be concatenated and split again. The
// checksum covers the bytes as stored: zstd frames have none of their own. Reading refuses anything cut or changed.

import { crc32c } from "../core/crc32c.js";
import { MillraceError } from "../core/errors.js";
import { zstdCompress, zstdDecompress } from "./zstd.js";

export interface FrameHeader {
  /** All bytes of the frame. */
  readonly totalBytes: number;
  readonly schema: number;
  readonly rows: number;
  readonly compressed: boolean;
  /** Bytes of the body before compression. */
  readonly bodyBytes: number;
}

export const FRAME_HEADER_BYTES = 24;
/** A larger frame is refused when written (RECORD_TOO_LARGE): offsets are 32-bit and Node 20's buffers end at 4 GiB. */
export const MAX_FRAME_BYTES = 2 ** 30;
/** Smaller frames are never compressed: it costs more than it saves. */
export const COMPRESS_FROM_BYTES = 4096;

const FLAG_ZSTD = 1;
/** Stored compressed only when that saves at least an eighth. */
const WORTH = 7 / 8;

/**
 * Ends a frame whose body stands in `bytes[24, end)`: writes the header, compresses if asked and worth it, and returns a
 * copy of its own. `bytes` needs seven bytes of room after `end`.
 */
export function sealFrame(bytes: Buffer, end: number, schema: number, rows: number, compress: boolean): Buffer {
  const bodyBytes = end - FRAME_HEADER_BYTES;
  if (compress && bodyBytes >= COMPRESS_FROM_BYTES) {
    const packed = zstdCompress(bytes.subarray(FRAME_HEADER_BYTES, end));
    if (packed.length < bodyBytes * WORTH) {
      const padded = (FRAME_HEADER_BYTES + packed.length + 7) & ~7;
      const out = Buffer.allocUnsafe(padded);
      out.set(packed, FRAME_HEADER_BYTES);
      writeHeader(out, FRAME_HEADER_BYTES + packed.length, padded, schema, rows, FLAG_ZSTD, bodyBytes);
      return out;
    }
  }
  const padded = (end + 7) & ~7;
  writeHeader(bytes, end, padded, schema, rows, 0, bodyBytes);
  const out = Buffer.allocUnsafe(padded);
  bytes.copy(out, 0, 0, padded);
  return out;
}

/** Reads the header of the frame that begins at `offset`, and checks its length and checksum. */
export function readFrameHeader(bytes: Uint8Array, offset = 0): FrameHeader {
  const totalBytes = frameLength(bytes, offset);
  const end = offset + totalBytes;
  const found = crc32c(bytes, offset + 8, end);
  if (found !== readU32(bytes, offset + 4)) {
    throw new MillraceError("BLOCK_CORRUPT", `a frame of ${totalBytes} bytes does not match its checksum`, {
      fields: { offset, totalBytes },
    });
  }
  return {
    totalBytes,
    schema: readU32(bytes, offset + 8),
    rows: readU32(bytes, offset + 12),
    compressed: (bytes[offset + 16]! & FLAG_ZSTD) !== 0,
    bodyBytes: readU32(bytes, offset + 20),
  };
}

/** The body of a frame whose header was read: a view into `bytes`, or fresh bytes where it was compressed. */
export function frameBody(bytes: Uint8Array, offset: number, header: FrameHeader): Uint8Array {
  const start = offset + FRAME_HEADER_BYTES;
  if (!header.compressed) return bytes.subarray(start, start + header.bodyBytes);
  const padding = bytes[offset + 17]! & 7;
  return zstdDecompress(bytes.subarray(start, offset + header.totalBytes - padding), header.bodyBytes);
}

/** Length of the frame that begins at `offset`; throws BLOCK_CORRUPT when fewer bytes are there. */
export function frameLength(bytes: Uint8Array, offset: number): number {
  const left = bytes.length - offset;
  const length = left < FRAME_HEADER_BYTES ? 0 : readU32(bytes, offset);
  if (length < FRAME_HEADER_BYTES || length > left || (length & 7) !== 0) {
    throw new MillraceError("BLOCK_CORRUPT", `a frame is cut: it says ${length} bytes and ${left} are there`, {
      fields: { offset, length, left },
    });
  }
  return length;
}

/** The frame that begins at `offset` as a view, and where the next one begins; null at the end of `bytes`. */
export function nextFrame(
  bytes: Uint8Array,
  offset: number,
): { readonly frame: Uint8Array; readonly next: number } | null {
  if (offset === bytes.length) return null;
  const next = offset + frameLength(bytes, offset);
  return { frame: bytes.subarray(offset, next), next };
}

/** Concatenated frames, each as a view. Checksums are checked when a frame is decoded. */
export function splitFrames(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = nextFrame(bytes, 0); at !== null; at = nextFrame(bytes, at.next)) frames.push(at.frame);
  return frames;
}

/** Rows that the header at `offset` announces, without checking or decoding the frame. */
export function frameRows(bytes: Uint8Array, offset = 0): number {
  frameLength(bytes, offset);
  return readU32(bytes, offset + 12);
}

function writeHeader(
  out: Buffer,
  end: number,
  padded: number,
  schema: number,
  rows: number,
  flags: number,
  bodyBytes: number,
): void {
  out.fill(0, end, padded);
  writeU32(out, 0, padded);
  writeU32(out, 8, schema);
  writeU32(out, 12, rows);
  writeU32(out, 16, flags | ((padded - end) << 8));
  writeU32(out, 20, bodyBytes);
  writeU32(out, 4, crc32c(out, 8, padded));
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
