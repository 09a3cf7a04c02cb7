// Reads object files (codec/object-segments.ts has the format), one segment at a time. Refuses a file that does not begin as
// one, or that ends inside a segment.

import type { ClassRegistry } from "../codec/class-registry.js";
import { OBJECT_HEADER_BYTES, OBJECT_MAGIC, OBJECT_VERSION } from "../codec/object-segments.js";
import { decodeStream } from "../codec/stream.js";
import type { SyncBatchSource } from "../core/data-flow.js";
import { MillraceError } from "../core/errors.js";
import type { ByteInput } from "./byte-input.js";

/** A length above this is no length. */
const MAX_SEGMENT_BYTES = 2 ** 31;

export class ObjectFileSource implements SyncBatchSource {
  #begun = false;
  #ended = false;

  constructor(
    private readonly input: ByteInput,
    private readonly classes: ClassRegistry,
  ) {}

  get bytesRead(): number {
    return this.input.bytesRead;
  }

  next(): readonly unknown[] | null {
    if (!this.#begun) this.#begin();
    if (this.#ended) return null;
    const head = this.#read(OBJECT_HEADER_BYTES, true);
    if (head === null) {
      this.#ended = true;
      this.input.checkUnchanged();
      return null;
    }
    const length = head.readUInt32LE(0);
    if (length > MAX_SEGMENT_BYTES) throw this.#invalid(`a segment of ${length} bytes is announced`);
    const records = decodeStream(this.#read(length, false) as Buffer, this.classes);
    const announced = head.readUInt32LE(4);
    if (records.length !== announced)
      throw this.#invalid(`a segment holds ${records.length} records where ${announced} are announced`);
    return records;
  }

  close(): void {
    this.input.close();
  }

  #begin(): void {
    this.#begun = true;
    const header = this.#read(OBJECT_HEADER_BYTES, true);
    if (header === null || header.readUInt32LE(0) !== OBJECT_MAGIC) throw this.#invalid("it does not begin as one");
    const version = header.readUInt32LE(4);
    if (version !== OBJECT_VERSION)
      throw this.#invalid(`it has version ${version}, this millrace reads ${OBJECT_VERSION}`);
  }

  /** null: the input is at its end, where that is allowed. */
  #read(length: number, mayEnd: boolean): Buffer | null {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const count = this.input.read(bytes, filled, length - filled);
      if (count === 0) break;
      filled += count;
    }
    if (filled === length) return bytes;
    if (filled === 0 && mayEnd) return null;
    throw this.#invalid(`it ends after ${filled} of ${length} bytes`);
  }

  #invalid(reason: string): MillraceError {
    return new MillraceError("INVALID_FILE", `${this.input.path} is no valid object file: ${reason}`, {
      fields: { path: this.input.path },
    });
  }
}
