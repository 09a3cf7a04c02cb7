// Self-contained bytes: a schema table and frames. Results, collections and captured values travel as these.
// Layout: "MRS1", u32 length of the schema table, the table, zero bytes up to a multiple of 8, frames.

import { MillraceError } from "../core/errors.js";
import type { ClassRegistry } from "./class-registry.js";
import { splitFrames } from "./frame.js";
import { decodeRecords, encodeRecords } from "./records.js";
import { SchemaTable } from "./schema.js";

const MAGIC = 0x3153524d;
const HEADER_BYTES = 8;

export interface StreamOptions {
  /** zstd for frames of 4 KiB and more where it pays. Default false. */
  readonly compress?: boolean;
}

export class RecordStreamWriter {
  readonly #schemas = new SchemaTable();
  readonly #frames: Uint8Array[] = [];
  readonly #classes: ClassRegistry;
  readonly #options: StreamOptions;
  #batch: unknown[] = [];
  #bytes = 0;

  constructor(classes: ClassRegistry, options: StreamOptions = {}) {
    this.#classes = classes;
    this.#options = options;
  }

  /** Bytes of the frames so far; records still in the open batch are not in it. */
  get encodedBytes(): number {
    return this.#bytes;
  }

  add(record: unknown): void {
    this.#batch.push(record);
    if (this.#batch.length >= 65536) this.#flush();
  }

  addBatch(records: readonly unknown[]): void {
    for (const record of records) this.add(record);
  }

  finish(): Uint8Array {
    this.#flush();
    const table = this.#schemas.toBytes();
    const start = (HEADER_BYTES + table.length + 7) & ~7;
    const out = Buffer.alloc(start + this.#bytes);
    out.writeUInt32LE(MAGIC, 0);
    out.writeUInt32LE(table.length, 4);
    out.set(table, HEADER_BYTES);
    let at = start;
    for (const frame of this.#frames) {
      out.set(frame, at);
      at += frame.length;
    }
    return out;
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const frame = encodeRecords(this.#batch, 0, this.#batch.length, this.#schemas, this.#classes, this.#options);
    this.#batch = [];
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }
}

export function decodeStream(bytes: Uint8Array, classes: ClassRegistry): unknown[] {
  const all: unknown[] = [];
  for (const batch of decodeStreamBatches(bytes, classes)) for (const record of batch) all.push(record);
  return all;
}

export function* decodeStreamBatches(bytes: Uint8Array, classes: ClassRegistry): Generator<unknown[], void, void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = buffer.length >= HEADER_BYTES && buffer.readUInt32LE(0) === MAGIC ? buffer.readUInt32LE(4) : Infinity;
  const start = (HEADER_BYTES + table + 7) & ~7;
  if (HEADER_BYTES + table > buffer.length || start > buffer.length) {
    throw new MillraceError("BLOCK_CORRUPT", `a record stream of ${bytes.length} bytes is cut short or none`);
  }
  const schemas = SchemaTable.fromBytes(buffer.subarray(HEADER_BYTES, HEADER_BYTES + table));
  for (const frame of splitFrames(buffer.subarray(start))) yield decodeRecords(frame, schemas, classes);
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
