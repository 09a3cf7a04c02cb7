// Batches of records as frames. The types of columns are inferred per batch (encode-column.ts), their schema goes into the
// table of the map output or stream that the frame belongs to. A batch is at most MAX_BATCH_ROWS rows or about
// MAX_BATCH_BYTES (estimate.ts): that is the caller's to keep; the format itself ends at MAX_FRAME_BYTES, 1 GiB.
//
// What comes back is equal to what went in, of equal types, but holds nothing of it. Not kept: named properties of arrays,
// symbol and non-enumerable properties, frozenness, and references shared between records or between columns of a record.

import { ByteReader } from "./byte-reader.js";
import { ByteWriter, KEEP_WRITER_BYTES } from "./byte-writer.js";
import type { Checksum } from "./checksum.js";
import type { ClassRegistry } from "./class-registry.js";
import { decodeColumn } from "./decode-column.js";
import { encodeRoot } from "./encode-root.js";
import { FRAME_HEADER_BYTES, type FrameHeader, frameBody, readFrameHeader, sealFrame } from "./frame.js";
import type { SchemaTable } from "./schema.js";

export interface EncodeOptions {
  /** zstd for frames of 4 KiB and more where it pays. Default false. */
  readonly compress?: boolean;
  /** Gets the records of this batch added: some 15 ns a (word, integer) pair, where encoding takes 35
   * and zstd 20. Default none. */
  readonly checksum?: Checksum;
}

/** One a thread: encoding is synchronous and runs no user code but getters. */
let scratch: ByteWriter | null = null;

/**
 * `records[start, end)` as one frame of its own bytes; their schema goes into `schemas`. Throws RECORD_NOT_ENCODABLE,
 * CLASS_NOT_TRAVELLING or RECORD_TOO_LARGE.
 */
export function encodeRecords(
  records: ArrayLike<unknown>,
  start: number,
  end: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options?: EncodeOptions,
): Uint8Array {
  return encodeFrame((w) => encodeRoot(w, records, start, end, classes), end - start, schemas, classes, options);
}

export function decodeRecords(frame: Uint8Array, schemas: SchemaTable, classes: ClassRegistry): unknown[] {
  const header = readFrameHeader(frame);
  return decodeColumn(openBody(frame, header), schemas.get(header.schema).root, header.rows, classes);
}

/** `write` puts the columns of `rows` rows into the writer and answers their type's text. */
export function encodeFrame(
  write: (w: ByteWriter) => string,
  rows: number,
  schemas: SchemaTable,
  classes: ClassRegistry,
  options: EncodeOptions | undefined,
): Uint8Array {
  // A getter of a record that encodes something itself gets a writer of its own.
  const w = scratch ?? new ByteWriter();
  scratch = null;
  w.reset(FRAME_HEADER_BYTES);
  try {
    const schema = schemas.internText(write(w));
    options?.checksum?.addColumns(w, FRAME_HEADER_BYTES, schemas.get(schema).root, rows, classes);
    return sealFrame(w.buffer, w.at, schema, rows, options?.compress === true);
  } finally {
    scratch = w.buffer.length > KEEP_WRITER_BYTES ? null : w;
  }
}

/** A reader at the begin of the frame's columns. */
export function openBody(frame: Uint8Array, header: FrameHeader): ByteReader {
  if (!header.compressed) return new ByteReader(frame, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyBytes);
  return new ByteReader(frameBody(frame, 0, header), 0, header.bodyBytes);
}
