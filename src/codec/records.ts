// Batches of records as frames.

import type { Checksum } from "./checksum.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeAny, encodeAny } from "./columns.js";
import { FRAME_HEADER_BYTES, frameBody, readFrameHeader, sealFrame } from "./frame.js";
import type { SchemaTable } from "./schema.js";

export interface EncodeOptions {
  /** zstd for frames of 4 KiB and more where it pays. Default false. */
  readonly compress?: boolean;
  /** Gets the rows of this batch added. Default none. */
  readonly checksum?: Checksum;
}

/** `records[start, end)` as one frame of its own bytes; their schema goes into `schemas`. */
export function encodeRecords(
  records: readonly unknown[],
  start: number,
  end: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options: EncodeOptions = {},
): Uint8Array {
  const body = encodeAny(records.slice(start, end), classes);
  const scratch = Buffer.alloc(FRAME_HEADER_BYTES + body.length + 8);
  scratch.set(body, FRAME_HEADER_BYTES);
  options.checksum?.addRows(end - start);
  return sealFrame(
    scratch,
    FRAME_HEADER_BYTES + body.length,
    schemas.internText('"any"'),
    end - start,
    options.compress ?? false,
  );
}

export function decodeRecords(frame: Uint8Array, _schemas: SchemaTable, classes: ClassRegistry): unknown[] {
  return decodeAny(frameBody(frame, 0, readFrameHeader(frame)), classes) as unknown[];
}
