// The format of one committed map output: one file, the frames of every reduce partition in order, then the index, so that
// one open serves both and a commit is one rename.
//
//   frames of partition 0, 1, ... | f64 offset of each partition and of the end | schema table | footer of 32 bytes
//   footer: 0 magic "MRSF"   4 version   8 partitions   12 schema bytes   16 data bytes (f64)   24 CRC32C of all after the
//   data up to here   28 magic again
//
// All little endian, as every machine that Node runs on but one. Frames carry checksums of their own; the index's is checked when it is read. Refuses a file that does not add up.

import { crc32c } from "../core/crc32c.js";
import { MillraceError } from "../core/errors.js";

const magic = 0x4653524d;
const version = 1;
export const footerBytes = 32;
const checksumAt = 24;

export interface MapOutputIndex {
  readonly partitions: number;
  /** Where the block of each partition begins; the last entry is where the data ends. */
  readonly offsets: Float64Array;
  /** The encoded schema table of all frames. */
  readonly schemas: Uint8Array;
}

/** What follows the data: index, schemas, footer. */
export function encodeTail(offsets: Float64Array, schemas: Uint8Array): Buffer {
  const indexBytes = offsets.length * 8;
  const tail = Buffer.alloc(indexBytes + schemas.byteLength + footerBytes);
  tail.set(new Uint8Array(offsets.buffer, offsets.byteOffset, indexBytes), 0);
  tail.set(schemas, indexBytes);
  const footer = indexBytes + schemas.byteLength;
  tail.writeUInt32LE(magic, footer);
  tail.writeUInt32LE(version, footer + 4);
  tail.writeUInt32LE(offsets.length - 1, footer + 8);
  tail.writeUInt32LE(schemas.byteLength, footer + 12);
  tail.writeDoubleLE(offsets[offsets.length - 1]!, footer + 16);
  tail.writeUInt32LE(crc32c(tail, 0, footer + checksumAt), footer + checksumAt);
  tail.writeUInt32LE(magic, footer + 28);
  return tail;
}

/** Length of the tail of a file, from the footer at the end of `bytes`, which are the file's last ones. */
export function tailLength(bytes: Buffer, fileBytes: number, path: string): number {
  const footer = bytes.byteLength - footerBytes;
  if (footer < 0 || bytes.readUInt32LE(footer) !== magic || bytes.readUInt32LE(footer + 28) !== magic) {
    throw corrupt(path, "it does not end as a map output does");
  }
  if (bytes.readUInt32LE(footer + 4) !== version) throw corrupt(path, "it has another version");
  const length = (bytes.readUInt32LE(footer + 8) + 1) * 8 + bytes.readUInt32LE(footer + 12) + footerBytes;
  if (length + bytes.readDoubleLE(footer + 16) !== fileBytes) throw corrupt(path, "its length is not what it says");
  return length;
}

/** `tail` is exactly the tail. Throws BLOCK_CORRUPT. */
export function decodeTail(tail: Buffer, path: string): MapOutputIndex {
  const footer = tail.byteLength - footerBytes;
  if (crc32c(tail, 0, footer + checksumAt) !== tail.readUInt32LE(footer + checksumAt)) {
    throw corrupt(path, "its index does not match its checksum");
  }
  const partitions = tail.readUInt32LE(footer + 8);
  const offsets = new Float64Array(partitions + 1);
  const indexBytes = offsets.byteLength;
  new Uint8Array(offsets.buffer).set(tail.subarray(0, indexBytes));
  // Copied: a view would keep the whole tail alive.
  return { partitions, offsets, schemas: Buffer.from(tail.subarray(indexBytes, footer)) };
}

function corrupt(path: string, reason: string): MillraceError {
  return new MillraceError("BLOCK_CORRUPT", `the map output ${path} is damaged: ${reason}`, { fields: { path } });
}
