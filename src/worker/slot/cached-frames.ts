// Cached partitions as a source of frames: from this process's shared memory, or as a stream from another worker.

import { FRAME_HEADER_BYTES, frameLength } from "../../codec/frame.js";
import type { FrameSource } from "../../codec/frame-flow.js";
import { SchemaTable } from "../../codec/schema.js";
import { MillraceError } from "../../core/errors.js";

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

/** u32 length of the schema table, the table, frames: cut into pieces anywhere. */
export class StreamFrameSource implements FrameSource {
  #rest: Buffer = Buffer.alloc(0);
  #schemas: SchemaTable | null = null;

  private constructor(private readonly pieces: Pieces) {}

  /** null: that worker does not have the partition any more, so it is computed here. */
  static open(pieces: Pieces): StreamFrameSource | null {
    const source = new StreamFrameSource(pieces);
    if (!source.#fill(4)) return null;
    const length = source.#rest.readUInt32LE(0);
    source.#require(4 + length);
    source.#schemas = SchemaTable.fromBytes(source.#rest.subarray(4, 4 + length));
    source.#rest = source.#rest.subarray(4 + length);
    return source;
  }

  next() {
    if (!this.#fill(FRAME_HEADER_BYTES)) return null;
    const length = this.#rest.readUInt32LE(0);
    this.#require(length);
    // A frame begins at a multiple of 8 in memory of its own.
    const frame = Buffer.from(this.#rest.subarray(0, length));
    this.#rest = this.#rest.subarray(length);
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
