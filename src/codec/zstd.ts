// zstd at level 1, of node:zlib where it has it (Node >= 22.15), else of @toondepauw/node-zstd; each reads the other's.
// Loaded at the first frame that is compressed. The only file that knows which of them is used.

import { createRequire } from "node:module";
import * as zlib from "node:zlib";
import { MillraceError } from "../core/errors.js";

interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  compressAside(bytes: Buffer): Promise<Buffer>;
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
}

const LEVEL = 1;

let loaded: Zstd | null = null;

export function zstdCompress(bytes: Uint8Array): Uint8Array {
  loaded ??= load();
  return loaded.compress(bytes);
}

/** The same on a thread of the pool, for whoever may not stand still. */
export function zstdCompressAside(bytes: Buffer): Promise<Buffer> {
  loaded ??= load();
  return loaded.compressAside(bytes);
}

/** Throws BLOCK_CORRUPT unless the result has exactly `expectedBytes`. */
export function zstdDecompress(bytes: Uint8Array, expectedBytes: number): Uint8Array {
  loaded ??= load();
  let plain: Uint8Array;
  try {
    plain = loaded.decompress(bytes, expectedBytes);
  } catch (cause) {
    throw new MillraceError("BLOCK_CORRUPT", `a compressed frame of ${bytes.length} bytes cannot be unpacked`, {
      cause,
    });
  }
  if (plain.length !== expectedBytes) {
    throw new MillraceError("BLOCK_CORRUPT", `a compressed frame gave ${plain.length} bytes and not ${expectedBytes}`);
  }
  return plain;
}

/** What node:zlib has from 22.15 on; @types/node 20 does not know it. */
interface ZlibZstd {
  zstdCompressSync?(bytes: Uint8Array, options: { params: Record<number, number> }): Buffer;
  zstdCompress?(
    bytes: Uint8Array,
    options: { params: Record<number, number> },
    done: (error: Error | null, packed: Buffer) => void,
  ): void;
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Buffer;
  constants: { ZSTD_c_compressionLevel?: number };
}

function load(): Zstd {
  const {
    zstdCompressSync,
    zstdCompress: zstdCompressAsync,
    zstdDecompressSync,
    constants,
  } = zlib as unknown as ZlibZstd;
  if (zstdCompressSync !== undefined && zstdCompressAsync !== undefined && zstdDecompressSync !== undefined) {
    const params = { [constants.ZSTD_c_compressionLevel ?? 100]: LEVEL };
    return {
      compress: (bytes) => zstdCompressSync(bytes, { params }),
      compressAside: (bytes) =>
        new Promise((resolve, reject) =>
          zstdCompressAsync(bytes, { params }, (error, packed) => (error === null ? resolve(packed) : reject(error))),
        ),
      decompress: (bytes, maxBytes) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxBytes) }),
    };
  }
  const { Encoder, Decoder } = createRequire(import.meta.url)("@toondepauw/node-zstd") as {
    Encoder: new (level: number) => { encodeSync(bytes: Uint8Array): Buffer; encode(bytes: Buffer): Promise<Buffer> };
    Decoder: new () => { decodeSync(bytes: Uint8Array): Buffer };
  };
  const encoder = new Encoder(LEVEL);
  const decoder = new Decoder();
  return {
    compress: (bytes) => encoder.encodeSync(bytes),
    // An encoder of its own: that of `compress` may be at work meanwhile.
    compressAside: (bytes) => new Encoder(LEVEL).encode(bytes),
    decompress: (bytes) => decoder.decodeSync(bytes),
  };
}
