// A blob on its way to the master: named by the sha256 of its bytes, in pieces that fit one message.

import { createHash } from "node:crypto";
import { type BlobHash, blobHash } from "../core/ids.js";
import type { DriverToMaster } from "../protocol/driver.js";

/** The largest piece of a blob in one message. */
const PIECE_BYTES = 256 * 1024;

export function hashOf(bytes: Uint8Array): BlobHash {
  return blobHash(createHash("sha256").update(bytes).digest("hex"));
}

export function* blobPieces(
  hash: BlobHash,
  bytes: Uint8Array,
): Generator<DriverToMaster & { kind: "blob" }, void, void> {
  let at = 0;
  do {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    at += piece.byteLength;
    yield { kind: "blob", hash, bytes: piece, last: at === bytes.byteLength };
  } while (at < bytes.byteLength);
}
