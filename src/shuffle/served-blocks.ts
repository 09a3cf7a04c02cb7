// The blocks that one reducer wants of one worker as one stream of bytes, and back. A worker's block server cuts it into
// chunks as it likes; the reader takes any chunking.
//
//   for each map asked for, ascending, also where its block is empty (then without a table):
//     u32 map | u32 schema bytes | u64 block bytes | u32 CRC32C of the table | u32 CRC32C of these 20 bytes
//     schema table, zeros to a multiple of 8 | frames
//
// Frames bear checksums of their own. A reader that was promised a map takes no end of the stream for a map without records.

import { readFrameHeader } from "../codec/frame.js";
import { SchemaTable } from "../codec/schema.js";
import { crc32c } from "../core/crc32c.js";
import { MillraceError } from "../core/errors.js";
import { toFetchError } from "./fetch-error.js";
import type { FetchRequest } from "./fetch-plan.js";
import type { MapOutputFiles } from "./map-output-files.js";
import { mapOutputPath } from "./paths.js";

const headerBytes = 24;
/** Before the header's own checksum. */
const checkedBytes = 20;
const frameLengthBytes = 8;
const noBytes = new Uint8Array(0);

/**
 * The stream, read from `directory` in chunks of at most `chunkBytes`; small blocks share one. Synchronous: a chunk is a
 * few reads from the page cache. Throws FETCH_FAILED or BLOCK_CORRUPT with the map's name.
 */
export function* serveBlocks(
  files: MapOutputFiles,
  directory: string,
  request: FetchRequest,
  partition: number,
  chunkBytes = 256 * 1024,
): Generator<Uint8Array, void, void> {
  const { session, shuffle, worker } = request;
  requireIndex(shuffle);
  requireIndex(partition);
  // Used again for each block without records.
  const emptyHead = Buffer.alloc(headerBytes);
  let chunk = Buffer.allocUnsafeSlow(chunkBytes);
  let filled = 0;
  for (const output of request.outputs) {
    for (const part of [output.map, output.stage, output.attempt]) requireIndex(part);
    const path = mapOutputPath(directory, { session, shuffle, ...output });
    const block = { shuffle, map: output.map, worker: worker.worker };
    const fail = (error: unknown) => toFetchError(error, block);
    const head = tryOr(fail, () => blockHead(files, path, output.map, partition, emptyHead));
    let position = head.start;
    // The head and the block's bytes, as one run of bytes cut where chunks end.
    for (let at = 0; at < head.bytes.byteLength || position < head.end; ) {
      if (filled === chunk.byteLength) {
        yield chunk;
        chunk = Buffer.allocUnsafeSlow(chunkBytes);
        filled = 0;
      }
      const room = chunk.byteLength - filled;
      if (at < head.bytes.byteLength) {
        const count = head.bytes.copy(chunk, filled, at, at + room);
        at += count;
        filled += count;
      } else {
        const count = Math.min(room, head.end - position);
        // Opened anew each time: between two chunks the cache may have closed it.
        tryOr(fail, () => files.open(path).readInto(chunk, filled, count, position));
        position += count;
        filled += count;
      }
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** Requests come from other processes, and these numbers become parts of a path. */
function requireIndex(value: unknown): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return;
  throw new MillraceError(
    "PROTOCOL_ERROR",
    `a request for blocks holds ${JSON.stringify(value)} where a number was due`,
  );
}

function blockHead(files: MapOutputFiles, path: string, map: number, partition: number, emptyHead: Buffer) {
  const file = files.open(path);
  const length = file.blockLength(partition);
  const schemas = length === 0 ? noBytes : file.schemaBytes;
  const bytes = length === 0 ? emptyHead : Buffer.alloc(headerBytes + padded(schemas.byteLength));
  bytes.writeUInt32LE(map, 0);
  bytes.writeUInt32LE(schemas.byteLength, 4);
  bytes.writeUInt32LE(length % 2 ** 32, 8);
  bytes.writeUInt32LE(Math.floor(length / 2 ** 32), 12);
  bytes.writeUInt32LE(length === 0 ? 0 : file.schemaChecksum, 16);
  bytes.writeUInt32LE(crc32c(bytes, 0, checkedBytes), checkedBytes);
  bytes.set(schemas, headerBytes);
  const start = file.blockStart(partition);
  return { bytes, start, end: start + length };
}

function tryOr<T>(onError: (error: unknown) => Error, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw onError(error);
  }
}

/** The reader's end of one worker's answer. */
export interface RemoteBlocks {
  /**
   * The next bytes, which become the receiver's own; null at the end. Blocks the slot, with a deadline; throws FETCH_FAILED
   * when the worker does not answer.
   */
  pull(): Uint8Array | null;
  close(): void;
}

/** Frames of one worker's answer, by map. Ask for all maps of the request, in ascending order. */
export class RemoteFrameReader {
  #chunk: Uint8Array = noBytes;
  #at = 0;
  #map = -1;
  #left = 0;
  #schemas: SchemaTable | null = null;
  /** What `#schemas` was read from, and its checksum. */
  #table: Uint8Array = noBytes;
  #checksum = 0;

  constructor(
    private readonly blocks: RemoteBlocks,
    /** Of earlier answers, where this one takes over. */
    public bytesRead = 0,
  ) {}

  /** The next frame of that map; null when it has no more, or had none. Throws FETCH_FAILED or BLOCK_CORRUPT. */
  next(map: number): { frame: Uint8Array; schemas: SchemaTable } | null {
    if (this.#left === 0 && this.#map < map) this.#nextBlock();
    if (this.#map !== map)
      throw new MillraceError("PROTOCOL_ERROR", `blocks of map ${this.#map} came where map ${map} was due`);
    if (this.#left === 0) return null;
    this.#require(frameLengthBytes);
    const length = peekU32(this.#chunk, this.#at);
    if (length < frameLengthBytes || length > this.#left) {
      throw new MillraceError(
        "BLOCK_CORRUPT",
        `a frame of ${length} bytes stands where a block has ${this.#left} left`,
      );
    }
    const frame = this.#take(length);
    this.#left -= length;
    readFrameHeader(frame);
    return { frame, schemas: this.#schemas! };
  }

  close(): void {
    this.#chunk = noBytes;
    this.#at = 0;
    this.blocks.close();
  }

  #nextBlock(): void {
    this.#require(headerBytes);
    const head = this.#chunk;
    const at = this.#at;
    this.#at += headerBytes;
    if (peekU32(head, at + checkedBytes) !== crc32c(head, at, at + checkedBytes))
      throw new MillraceError("BLOCK_CORRUPT", "the head of a served block has another checksum than it says");
    const schemaBytes = peekU32(head, at + 4);
    const blockBytes = peekU32(head, at + 8) + peekU32(head, at + 12) * 2 ** 32;
    const map = peekU32(head, at);
    if (blockBytes > 0) {
      this.#readSchemas(this.#take(padded(schemaBytes)).subarray(0, schemaBytes), peekU32(head, at + 16));
    }
    this.#map = map;
    this.#left = blockBytes;
  }

  /** Most maps have the table of the one before. */
  #readSchemas(table: Uint8Array, checksum: number): void {
    if (this.#schemas !== null && checksum === this.#checksum && Buffer.compare(table, this.#table) === 0) return;
    if (checksum !== crc32c(table))
      throw new MillraceError("BLOCK_CORRUPT", "the schema table of a served block has another checksum than it says");
    this.#schemas = SchemaTable.fromBytes(table);
    this.#table = Uint8Array.from(table);
    this.#checksum = checksum;
  }

  #pull(): boolean {
    for (;;) {
      const chunk = this.blocks.pull();
      if (chunk === null) return false;
      this.bytesRead += chunk.byteLength;
      if (chunk.byteLength === 0) continue;
      this.#chunk = chunk;
      this.#at = 0;
      return true;
    }
  }

  /** Makes `length` bytes stand in one piece at `at`. */
  #require(length: number): void {
    const have = this.#chunk.byteLength - this.#at;
    if (have >= length) return;
    const whole = Buffer.allocUnsafeSlow(length);
    whole.set(this.#chunk.subarray(this.#at), 0);
    let filled = have;
    while (filled < length) {
      if (!this.#pull())
        throw new MillraceError("FETCH_FAILED", "the stream of blocks ended before all that was asked for");
      const count = Math.min(length - filled, this.#chunk.byteLength);
      whole.set(this.#chunk.subarray(0, count), filled);
      filled += count;
      this.#at = count;
    }
    const rest = this.#chunk.subarray(this.#at);
    // What was put together comes first, then the rest of the last chunk.
    this.#chunk = rest.byteLength === 0 ? whole : Buffer.concat([whole, rest]);
    this.#at = 0;
  }

  #take(length: number): Uint8Array {
    this.#require(length);
    const bytes = this.#chunk.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

function peekU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
