// The bytes of one file split in their order, plain or gunzipped, read synchronously into the caller's buffer. gunzip runs
// on the handle of a node:zlib stream, which has a synchronous write: memory stays bounded whatever the file's size, and
// files of many members read to their end. Where that handle is missing the file is inflated in one piece.

import { constants, createGunzip, gunzipSync } from "node:zlib";
import { MillraceError } from "../core/errors.js";
import { type PinnedFile, SyncFileReader } from "../emrfs/sync-file.js";

export interface ByteInput {
  /** The file's path, for messages. */
  readonly path: string;
  /** Bytes taken from the disk so far. */
  readonly bytesRead: number;
  /** Fills at most `length` bytes of `target` from `offset`; 0 only at the end of the file. */
  read(target: Uint8Array, offset: number, length: number): number;
  /** At the end of the data: throws FILE_CHANGED when the file is another version by now. */
  checkUnchanged(): void;
  close(): void;
}

/** Compressed bytes read at once. */
const compressedChunkBytes = 256 * 1024;

export function openPlainInput(file: PinnedFile, start: number): ByteInput {
  return new PlainInput(new SyncFileReader(file), start);
}

/** `inOnePiece`: what is done anyway where node's synchronous handle is missing. */
export function openGzipInput(file: PinnedFile, inOnePiece = false): ByteInput {
  return new GunzipInput(new SyncFileReader(file), inOnePiece);
}

class PlainInput implements ByteInput {
  #position: number;
  bytesRead = 0;

  constructor(
    private readonly reader: SyncFileReader,
    start: number,
  ) {
    this.#position = start;
  }

  get path(): string {
    return this.reader.path;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    const count = this.reader.read(target, offset, length, this.#position);
    this.#position += count;
    this.bytesRead += count;
    return count;
  }

  checkUnchanged(): void {
    this.reader.checkUnchanged();
  }

  close(): void {
    this.reader.close();
  }
}

/** The part of node:zlib's internals that is used: there since Node 0.12 and the base of its own *Sync functions. */
interface ZlibStream {
  readonly _handle?: {
    writeSync?(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
  };
  /** After a write: output bytes left, input bytes left. */
  readonly _writeState?: Uint32Array;
}

class GunzipInput implements ByteInput {
  readonly #stream = createGunzip();
  readonly #input = Buffer.allocUnsafeSlow(compressedChunkBytes);
  #inputStart = 0;
  #inputLength = 0;
  #ended = false;
  #whole: Uint8Array | null = null;
  bytesRead = 0;

  constructor(
    private readonly reader: SyncFileReader,
    private readonly inOnePiece: boolean,
  ) {
    // Errors are read from `errored` after each write; without a listener the event would end the process.
    this.#stream.on("error", () => undefined);
  }

  get path(): string {
    return this.reader.path;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    const { _handle: handle, _writeState: state } = this.#stream as unknown as ZlibStream;
    if (this.inOnePiece || typeof handle?.writeSync !== "function" || state === undefined) {
      return this.#readWhole(target, offset, length);
    }
    while (!this.#ended) {
      if (this.#inputLength === 0) this.#refill();
      const atEnd = this.bytesRead >= this.reader.sizeBytes;
      const flush = atEnd ? constants.Z_FINISH : constants.Z_NO_FLUSH;
      handle.writeSync(flush, this.#input, this.#inputStart, this.#inputLength, target, offset, length);
      const error: unknown = this.#stream.errored;
      if (error) throw this.#broken(error);
      const produced = length - state[0]!;
      this.#inputStart += this.#inputLength - state[1]!;
      this.#inputLength = state[1]!;
      // Room left in the output and nothing left to read: the last member is complete, or zlib would have complained.
      if (atEnd && this.#inputLength === 0 && state[0]! > 0) this.#ended = true;
      if (produced > 0) return produced;
    }
    return 0;
  }

  checkUnchanged(): void {
    this.reader.checkUnchanged();
  }

  close(): void {
    this.#stream.close();
    this.reader.close();
  }

  #refill(): void {
    this.#inputStart = 0;
    this.#inputLength = this.reader.read(this.#input, 0, compressedChunkBytes, this.bytesRead);
    this.bytesRead += this.#inputLength;
  }

  #readWhole(target: Uint8Array, offset: number, length: number): number {
    if (this.#whole === null) {
      const compressed = Buffer.allocUnsafe(this.reader.sizeBytes);
      this.bytesRead = this.reader.read(compressed, 0, compressed.byteLength, 0);
      try {
        this.#whole = gunzipSync(compressed);
      } catch (error) {
        throw this.#broken(error);
      }
    }
    const count = Math.min(length, this.#whole.byteLength - this.#inputStart);
    target.set(this.#whole.subarray(this.#inputStart, this.#inputStart + count), offset);
    this.#inputStart += count;
    return count;
  }

  #broken(error: unknown): MillraceError {
    const reason = error instanceof Error ? error.message : String(error);
    return new MillraceError("INVALID_FILE", `${this.path} is no valid gzip file: ${reason}`, {
      fields: { path: this.path, compressedOffset: this.bytesRead - this.#inputLength },
      cause: error,
    });
  }
}
