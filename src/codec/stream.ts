// Self-contained bytes: a schema table and frames. Results, collections and captured values travel as these.
// Layout: "MRS1", u32 length of the schema table, the table, zero bytes up to a multiple of 8, frames.

import { MillraceError } from "../core/errors.js";
import type { ClassRegistry } from "./class-registry.js";
import { estimateBytes, MAX_BATCH_BYTES, MAX_BATCH_ROWS } from "./estimate.js";
import { nextFrame } from "./frame.js";
import { decodeRecords, encodeRecords } from "./records.js";
import { SchemaTable } from "./schema.js";

/** "MRS1" read as a little-endian number. */
export const STREAM_MAGIC = 0x3153524d;
export const STREAM_HEADER_BYTES = 8;

export interface StreamOptions {
  /** zstd for frames of 4 KiB and more where it pays. Default false. */
  readonly compress?: boolean;
  /** Takes each frame as it is made; the writer then keeps none, and ends by `head` in place of `finish`. */
  readonly onFrame?: (frame: Uint8Array) => void;
}

/** Collects records into frames; holds the open batch's records and everything encoded. */
export class RecordStreamWriter {
  readonly #schemas = new SchemaTable();
  readonly #frames: Uint8Array[] = [];
  readonly #classes: ClassRegistry;
  readonly #options: StreamOptions;
  #batch: unknown[] = [];
  /** Estimated, of the open batch. */
  #batchBytes = 0;
  #encodedBytes = 0;
  #records = 0;

  constructor(classes: ClassRegistry, options: StreamOptions = {}) {
    this.#classes = classes;
    this.#options = options;
  }

  /** Bytes of the frames so far; records of the open batch are not in it. */
  get encodedBytes(): number {
    return this.#encodedBytes;
  }

  /** Records added so far. */
  get records(): number {
    return this.#records;
  }

  add(record: unknown): void {
    this.#records++;
    this.#batchBytes += estimateBytes(record);
    if (this.#batch.push(record) >= MAX_BATCH_ROWS || this.#batchBytes >= MAX_BATCH_BYTES) this.#flush();
  }

  addBatch(records: readonly unknown[]): void {
    for (let i = 0; i < records.length; i++) this.add(records[i]);
  }

  /** Ends the stream and gives its bytes; the writer is not used afterwards. */
  finish(): Uint8Array {
    const head = this.head();
    return Buffer.concat([head, ...this.#frames], head.byteLength + this.#encodedBytes);
  }

  /** Ends the stream: what stands before its frames. */
  head(): Uint8Array {
    this.#flush();
    const table = this.#schemas.toBytes();
    const head = Buffer.alloc(framesStart(table.length));
    head.writeUInt32LE(STREAM_MAGIC, 0);
    head.writeUInt32LE(table.length, 4);
    head.set(table, STREAM_HEADER_BYTES);
    return head;
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const frame = encodeRecords(this.#batch, 0, this.#batch.length, this.#schemas, this.#classes, this.#options);
    this.#batch = [];
    this.#batchBytes = 0;
    const { onFrame } = this.#options;
    if (onFrame === undefined) this.#frames.push(frame);
    else onFrame(frame);
    this.#encodedBytes += frame.length;
  }
}

export function decodeStream(bytes: Uint8Array, classes: ClassRegistry): unknown[] {
  const all: unknown[] = [];
  for (const batch of decodeStreamBatches(bytes, classes)) for (const record of batch) all.push(record);
  return all;
}

/** One array a frame, each decoded when it is asked for. */
export function* decodeStreamBatches(bytes: Uint8Array, classes: ClassRegistry): Generator<unknown[], void, void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isStream = buffer.length >= STREAM_HEADER_BYTES && buffer.readUInt32LE(0) === STREAM_MAGIC;
  const tableBytes = isStream ? buffer.readUInt32LE(4) : 0;
  const start = framesStart(tableBytes);
  if (!isStream || start > buffer.length) {
    throw new MillraceError("BLOCK_CORRUPT", `${bytes.length} bytes are no record stream, or the begin of one`);
  }
  const schemas = SchemaTable.fromBytes(buffer.subarray(STREAM_HEADER_BYTES, STREAM_HEADER_BYTES + tableBytes));
  for (let at = nextFrame(buffer, start); at !== null; at = nextFrame(buffer, at.next)) {
    yield decodeRecords(at.frame, schemas, classes);
  }
}

/** Where the frames begin behind a table of so many bytes. */
export function framesStart(tableBytes: number): number {
  return Math.ceil((STREAM_HEADER_BYTES + tableBytes) / 8) * 8;
}

/** One value as self-contained bytes. */
export function encodeValue(value: unknown, classes: ClassRegistry): Uint8Array {
  const writer = new RecordStreamWriter(classes);
  writer.add(value);
  return writer.finish();
}

export function decodeValue(bytes: Uint8Array, classes: ClassRegistry): unknown {
  const records = decodeStream(bytes, classes);
  if (records.length !== 1) {
    throw new MillraceError("BLOCK_CORRUPT", `expected one encoded value and found ${records.length}`);
  }
  return records[0];
}
