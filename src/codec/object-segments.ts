// Object files: records of any type that the codec knows, as saveAsObjectFile writes and objectFile (formats/object-file.ts)
// reads them.
//
//   "MROF" | u32 version | segments: u32 length, u32 records, a record stream of that length (stream.ts) | ...
//
// A segment is a few MiB at most and complete in itself, so that neither side ever holds a whole file. Frames carry their own
// checksums.

import type { ClassRegistry } from "./class-registry.js";
import { estimateBytes, MAX_BATCH_BYTES, MAX_BATCH_ROWS } from "./estimate.js";
import { RecordStreamWriter } from "./stream.js";

export const OBJECT_MAGIC = 0x464f524d;
export const OBJECT_VERSION = 1;
/** Of the file, and of each segment. */
export const OBJECT_HEADER_BYTES = 8;

export class ObjectSegmentWriter {
  readonly #put: (bytes: Uint8Array) => void;
  readonly #classes: ClassRegistry;
  #writer: RecordStreamWriter;
  #bytes = 0;
  records = 0;

  constructor(classes: ClassRegistry, put: (bytes: Uint8Array) => void) {
    this.#put = put;
    this.#classes = classes;
    this.#writer = new RecordStreamWriter(classes, { compress: true });
    const header = Buffer.alloc(OBJECT_HEADER_BYTES);
    header.writeUInt32LE(OBJECT_MAGIC, 0);
    header.writeUInt32LE(OBJECT_VERSION, 4);
    put(header);
  }

  add(record: unknown): void {
    this.#writer.add(record);
    this.#bytes += estimateBytes(record);
    this.records++;
    if (this.#bytes >= MAX_BATCH_BYTES || this.#writer.records >= MAX_BATCH_ROWS) this.flush();
  }

  flush(): void {
    const { records } = this.#writer;
    if (records === 0) return;
    const stream = this.#writer.finish();
    const head = Buffer.alloc(OBJECT_HEADER_BYTES);
    head.writeUInt32LE(stream.byteLength, 0);
    head.writeUInt32LE(records, 4);
    this.#put(head);
    this.#put(stream);
    this.#writer = new RecordStreamWriter(this.#classes, { compress: true });
    this.#bytes = 0;
  }
}
