// Reads a frame's body in the order it was written. Typed arrays come as views where the frame happens to lie aligned, else
// as copies; callers never keep them. Anything beyond the end is BLOCK_CORRUPT, though a right checksum makes it unlikely.

import { MillraceError } from "../core/errors.js";

export class ByteReader {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;

  /** Positions are those inside the frame, so that the writer's alignment holds: the body begins at `bodyStart`. */
  constructor(bytes: Uint8Array, bodyStart: number, end: number) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = bodyStart;
    this.end = end;
  }

  /** Moves over `length` bytes and answers where they begin. */
  skip(length: number): number {
    const start = this.at;
    if (!(length >= 0 && start + length <= this.end)) {
      throw new MillraceError("BLOCK_CORRUPT", `a frame's columns need more bytes than its ${this.end}`, {
        fields: { needed: start + length, end: this.end },
      });
    }
    this.at = start + length;
    return start;
  }

  align4(): void {
    this.at = (this.at + 3) & ~3;
  }

  align8(): void {
    this.at = (this.at + 7) & ~7;
  }

  i32(count: number): Int32Array {
    this.align4();
    const start = this.skip(count * 4);
    const from = this.bytes.byteOffset + start;
    if ((from & 3) === 0) return new Int32Array(this.bytes.buffer, from, count);
    return new Int32Array(this.#copy(start, count * 4));
  }

  f64(count: number): Float64Array {
    this.align8();
    const start = this.skip(count * 8);
    const from = this.bytes.byteOffset + start;
    if ((from & 7) === 0) return new Float64Array(this.bytes.buffer, from, count);
    return new Float64Array(this.#copy(start, count * 8));
  }

  i64(count: number): BigInt64Array {
    this.align8();
    const start = this.skip(count * 8);
    const from = this.bytes.byteOffset + start;
    if ((from & 7) === 0) return new BigInt64Array(this.bytes.buffer, from, count);
    return new BigInt64Array(this.#copy(start, count * 8));
  }

  #copy(start: number, length: number): ArrayBuffer {
    const copy = new Uint8Array(length);
    copy.set(this.bytes.subarray(start, start + length));
    return copy.buffer;
  }
}
