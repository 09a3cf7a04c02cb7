// Cached partitions as a source of frames: from this process's shared memory, or as a stream from another worker.

import { FRAME_HEADER_BYTES, frameLength } from "../../codec/frame.js";
import type { FrameSource } from "../../codec/frame-flow.js";
import { SchemaTable } from "../../codec/schema.js";
import { MillraceError } from "../../core/errors.js";
import { CACHED_HEAD_BYTES, checkCachedSchemas, decodeCachedHead } from "../cached-layout.js";

export class BufferFrameSource implements FrameSource {
  readonly #bytes: Uint8Array;
  readonly #schemas: SchemaTable;
  #at = 0;

  constructor(bytes: Uint8Array, schemas: Uint8Array) {
    this.#bytes = bytes;
    this.#schemas = SchemaTable.fromBytes(schemas);
  }

  next() {
    if (this.#at >= this.#bytes.byteLength) return null;
    const length = frameLength(this.#bytes, this.#at);
    const frame = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { frame, schemas: this.#schemas, map: 0 };
  }

  close(): void {
    this.#at = this.#bytes.byteLength;
  }
}

interface Pieces {
  next(): Uint8Array | null;
  close(): void;
}

/** What cached-layout.ts describes, cut into pieces anywhere. */
export class StreamFrameSource implements FrameSource {
  #rest: Buffer = Buffer.alloc(0);
  #schemas: SchemaTable | null = null;
  /** Bytes of frames that are still to come, `#rest` among them. */
  #left = 0;

  private constructor(private readonly pieces: Pieces) {}

  /** null: that worker does not have the partition any more, so it is computed here. */
  static open(pieces: Pieces): StreamFrameSource | null {
    const source = new StreamFrameSource(pieces);
    if (!source.#fill(CACHED_HEAD_BYTES)) return null;
    const head = decodeCachedHead(source.#rest);
    const start = CACHED_HEAD_BYTES + head.schemaBytes;
    source.#require(start);
    const schemas = source.#rest.subarray(CACHED_HEAD_BYTES, start);
    checkCachedSchemas(schemas, head);
    source.#schemas = SchemaTable.fromBytes(schemas);
    source.#rest = source.#rest.subarray(start);
    source.#left = head.frameBytes;
    return source;
  }

  next() {
    if (this.#left === 0) return null;
    this.#require(FRAME_HEADER_BYTES);
    const length = this.#rest.readUInt32LE(0);
    if (length < FRAME_HEADER_BYTES || length > this.#left)
      throw new MillraceError(
        "BLOCK_CORRUPT",
        `a frame of ${length} bytes stands where a cached partition has ${this.#left} left`,
      );
    this.#require(length);
    // A frame begins at a multiple of 8 in memory of its own.
    const frame = Buffer.from(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
    this.#left -= length;
    return { frame, schemas: this.#schemas as SchemaTable, map: 0 };
  }

  close(): void {
    this.pieces.close();
  }

  #require(bytes: number): void {
    if (!this.#fill(bytes))
      throw new MillraceError("BLOCK_CORRUPT", "a cached partition of another worker was cut short");
  }

  /** Whether so many bytes are there; false only at the clean end. */
  #fill(bytes: number): boolean {
    while (this.#rest.byteLength < bytes) {
      const piece = this.pieces.next();
      if (piece === null) {
        if (this.#rest.byteLength === 0) return false;
        throw new MillraceError("BLOCK_CORRUPT", "a cached partition of another worker was cut short");
      }
      this.#rest = Buffer.concat([this.#rest, piece]);
    }
    return true;
  }
}
