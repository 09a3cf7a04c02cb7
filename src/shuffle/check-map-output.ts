// Whether a map output file is what its writer committed: its tail (length, index, checksum of both) and, where the bytes have
// travelled, the checksum of every frame. Reads a piece at a time and lets others run in between.

import { open } from "node:fs/promises";
import { FRAME_HEADER_BYTES, readFrameHeader } from "../codec/frame.js";
import { MillraceError } from "../core/errors.js";
import { toStorageError } from "../emrfs/storage-error.js";
import { MapOutputFile } from "./map-output-files.js";

/** Larger frames are read whole. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Index and length alone. Throws BLOCK_CORRUPT, PATH_NOT_FOUND and its like. Answers where the data ends. */
export function checkMapOutputTail(path: string): number {
  const file = new MapOutputFile(path);
  try {
    return file.dataBytes;
  } finally {
    file.close();
  }
}

/** The tail and every frame. Throws BLOCK_CORRUPT, or the signal's reason. */
export async function checkMapOutput(path: string, signal: AbortSignal): Promise<void> {
  const end = checkMapOutputTail(path);
  const file = await open(path, "r").catch((error: unknown) => {
    throw toStorageError(error, "open", path);
  });
  try {
    let piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end));
    for (let at = 0; at < end; ) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.byteLength, end - at), at);
      const frames = checkFrames(piece.subarray(0, bytesRead), path, at);
      at += frames.checkedBytes;
      if (frames.checkedBytes > 0) continue;
      // One frame that is larger than the piece.
      if (frames.nextBytes > end - at || frames.nextBytes <= piece.byteLength)
        throw new MillraceError(
          "BLOCK_CORRUPT",
          `the map output ${path} has a frame of ${frames.nextBytes} bytes at ${at}, of ${end}`,
        );
      piece = Buffer.allocUnsafeSlow(frames.nextBytes);
    }
  } finally {
    await file.close();
  }
}

/** Checks the frames that are whole in `bytes`; `nextBytes`: length of the first one that is not, as far as it is known. */
function checkFrames(
  bytes: Buffer,
  path: string,
  position: number,
): { readonly checkedBytes: number; readonly nextBytes: number } {
  let at = 0;
  let length = 0;
  for (; at < bytes.byteLength; at += length) {
    length = bytes.byteLength - at < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : bytes.readUInt32LE(at);
    if (length > bytes.byteLength - at) break;
    try {
      readFrameHeader(bytes, at);
    } catch (cause) {
      const message = `the map output ${path} is damaged at byte ${position + at}: ${(cause as Error).message}`;
      throw new MillraceError("BLOCK_CORRUPT", message, { fields: { path, at: position + at }, cause });
    }
  }
  return { checkedBytes: at, nextBytes: length };
}
