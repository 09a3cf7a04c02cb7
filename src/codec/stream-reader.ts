// Decodes a record stream that arrives in pieces: a frame is decoded as soon as its last byte is there, so that no more than
// one frame is held, however long the stream. An empty stream may be no bytes at all.

import { MillraceError } from "../core/errors.js";
import type { ClassRegistry } from "./class-registry.js";
import { FRAME_HEADER_BYTES } from "./frame.js";
import { decodeRecords } from "./records.js";
import { SchemaTable } from "./schema.js";
import { framesStart, STREAM_HEADER_BYTES, STREAM_MAGIC } from "./stream.js";

type Expected =
  | { readonly part: "header" }
  | { readonly part: "table"; readonly tableBytes: number }
  | { readonly part: "frameHeader" | "frame"; readonly schemas: SchemaTable };

export class RecordStreamReader {
  readonly #classes: ClassRegistry;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #awaited: Expected = { part: "header" };
  /** Bytes that must be there before anything more can be read. */
  #needed = STREAM_HEADER_BYTES;

  constructor(classes: ClassRegistry) {
    this.#classes = classes;
  }

  /** Takes the next bytes and gives the batches that they complete. Throws BLOCK_CORRUPT. */
  *push(bytes: Uint8Array): Generator<unknown[], void, void> {
    this.#pieces.push(bytes);
    this.#held += bytes.byteLength;
    while (this.#held >= this.#needed) {
      const batch = this.#read();
      if (batch !== null) yield batch;
    }
  }

  /** The stream is over: throws BLOCK_CORRUPT when it was cut. */
  end(): void {
    const isWhole = this.#held === 0 && (this.#awaited.part === "header" || this.#awaited.part === "frameHeader");
    if (!isWhole)
      throw corrupt(`a record stream ends with ${this.#held} of ${this.#needed} bytes of its ${this.#awaited.part}`);
  }

  #read(): unknown[] | null {
    const awaited = this.#awaited;
    switch (awaited.part) {
      case "header": {
        const header = this.#peek();
        if (header.readUInt32LE(0) !== STREAM_MAGIC) throw corrupt("bytes that are no record stream");
        const tableBytes = header.readUInt32LE(4);
        this.#await({ part: "table", tableBytes }, framesStart(tableBytes));
        return null;
      }
      case "table": {
        const table = this.#take(this.#needed).subarray(STREAM_HEADER_BYTES, STREAM_HEADER_BYTES + awaited.tableBytes);
        this.#await({ part: "frameHeader", schemas: SchemaTable.fromBytes(table) }, FRAME_HEADER_BYTES);
        return null;
      }
      case "frameHeader": {
        const length = this.#peek().readUInt32LE(0);
        if (length < FRAME_HEADER_BYTES) throw corrupt(`a frame says that it has ${length} bytes`);
        this.#await({ part: "frame", schemas: awaited.schemas }, length);
        return null;
      }
      case "frame": {
        const frame = this.#take(this.#needed);
        this.#await({ part: "frameHeader", schemas: awaited.schemas }, FRAME_HEADER_BYTES);
        return decodeRecords(frame, awaited.schemas, this.#classes);
      }
    }
  }

  #await(awaited: Expected, needed: number): void {
    this.#awaited = awaited;
    this.#needed = needed;
  }

  /** What is held, as one buffer: joined when it is needed as one, not with every piece. */
  #peek(): Buffer {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength);
  }

  #take(length: number): Buffer {
    const whole = this.#peek();
    this.#pieces = length === whole.byteLength ? [] : [whole.subarray(length)];
    this.#held -= length;
    return whole.subarray(0, length);
  }
}

function corrupt(message: string): MillraceError {
  return new MillraceError("BLOCK_CORRUPT", message);
}
