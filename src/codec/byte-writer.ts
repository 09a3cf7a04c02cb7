// The scratch memory that frames are built in: one growing buffer a thread, used again for every frame, so that a frame of
// ten rows allocates nothing but its own result. Positions are relative to the frame's begin, which is 8-byte aligned.

import { MillraceError } from "../core/errors.js";
import { MAX_FRAME_BYTES } from "./frame.js";

const FIRST_BYTES = 1 << 16;
/** A writer that a huge record made larger is not kept for the next frame. */
export const KEEP_WRITER_BYTES = 16 << 20;
/** Room behind `at` that is always there: padding, and a wide store at the end. */
const SLACK = 16;

export class ByteWriter {
  buffer: Buffer;
  i32: Int32Array;
  f64: Float64Array;
  i64: BigInt64Array;
  view: DataView;
  /** Where the next byte goes. */
  at = 0;

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.i32 = new Int32Array(this.buffer.buffer);
    this.f64 = new Float64Array(this.buffer.buffer);
    this.i64 = new BigInt64Array(this.buffer.buffer);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Begins a frame; `at` stands behind its header. */
  reset(headerBytes: number): void {
    this.at = headerBytes;
  }

  /** Makes room for `bytes` after `at`. Views read before are stale afterwards. */
  reserve(bytes: number): void {
    const needed = this.at + bytes + SLACK;
    if (needed > this.buffer.length) this.#grow(needed);
  }

  align4(): void {
    while ((this.at & 3) !== 0) this.buffer[this.at++] = 0;
  }

  align8(): void {
    while ((this.at & 7) !== 0) this.buffer[this.at++] = 0;
  }

  /** Room must have been reserved. */
  putBytes(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  #grow(needed: number): void {
    if (needed > MAX_FRAME_BYTES) {
      throw new MillraceError(
        "RECORD_TOO_LARGE",
        `a record, or the batch it is in, takes at least ${needed} bytes encoded; the format ends at ${MAX_FRAME_BYTES}`,
        { fields: { neededBytes: needed, limitBytes: MAX_FRAME_BYTES } },
      );
    }
    let size = this.buffer.length;
    while (size < needed) size *= 2;
    this.#replace(Math.min(size, MAX_FRAME_BYTES + SLACK), this.at);
  }

  #replace(size: number, keep: number): void {
    const old = this.buffer;
    this.buffer = Buffer.allocUnsafeSlow((size + 7) & ~7);
    if (keep > 0) old.copy(this.buffer, 0, 0, keep);
    this.i32 = new Int32Array(this.buffer.buffer);
    this.f64 = new Float64Array(this.buffer.buffer);
    this.i64 = new BigInt64Array(this.buffer.buffer);
    this.view = new DataView(this.buffer.buffer);
  }
}
