// CRC32C (Castagnoli), the checksum of every frame, block and log record of ours. Short inputs go through tables of our own,
// because a call into native code costs more than they do; long ones through @node-rs/crc32, loaded at the first of them.
// Where that package has no binary for the platform the tables do all the work (about a tenth of its speed).

import { createRequire } from "node:module";

/** From this many bytes on the native function is faster, its call included. */
const NATIVE_FROM_BYTES = 256;
const POLYNOMIAL = 0x82f63b78;

type NativeCrc32c = (bytes: Uint8Array, crc?: number) => number;

/** Eight tables of 256 entries, one after the other: slicing by 8. Built at first use. */
let tables: Int32Array | null = null;
let native: NativeCrc32c | null | undefined;

/**
 * CRC32C of `bytes[start, end)` as an unsigned 32-bit number. `previous` continues an earlier call:
 * `crc32c(b, 0, b.length, crc32c(a))` is the CRC32C of a followed by b.
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  if (end - start >= NATIVE_FROM_BYTES) {
    if (native === undefined) native = loadNative();
    if (native !== null) return native(bytes.subarray(start, end), previous) >>> 0;
  }
  return crc32cByTables(bytes, start, end, previous);
}

/** The same in plain JavaScript whatever the length; exported so that tests can hold it against the native one. */
export function crc32cByTables(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  if (tables === null) tables = buildTables();
  const t = tables;
  let crc = ~previous;
  let i = start;
  for (const last = end - 7; i < last; i += 8) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t[1792 + (crc & 255)]! ^
      t[1536 + ((crc >>> 8) & 255)]! ^
      t[1280 + ((crc >>> 16) & 255)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < end; i++) crc = t[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function buildTables(): Int32Array {
  const built = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? POLYNOMIAL ^ (crc >>> 1) : crc >>> 1;
    built[n] = crc;
  }
  for (let n = 0; n < 256; n++) {
    let crc = built[n]!;
    for (let slice = 1; slice < 8; slice++) {
      crc = built[crc & 255]! ^ (crc >>> 8);
      built[slice * 256 + n] = crc;
    }
  }
  return built;
}

function loadNative(): NativeCrc32c | null {
  try {
    return (createRequire(import.meta.url)("@node-rs/crc32") as { crc32c: NativeCrc32c }).crc32c;
  } catch {
    // No binary for this platform: slower, not wrong.
    return null;
  }
}
