// Lines of a text split, in batches. A split owns the lines that begin inside it: it skips to the first line start at or
// after its own start, and reads its last line to the end, beyond its own end if need be. "\n" and "\r\n" end a line, a lone
// "\r" does not; after the last line end there is no empty line. Text must be UTF-8 (INVALID_TEXT names the byte), or any
// bytes at all, each a character (latin1); a byte order mark at the file's start is dropped.
//
// Measured, 70-byte lines, one thread: a line at a time by indexOf and latin1Slice 600 MB/s; cutting one large string into
// substrings is no faster, and every substring would keep its whole chunk alive, in the user's tables too.

import { constants, isAscii, isUtf8 } from "node:buffer";
import type { SyncBatchSource } from "../core/data-flow.js";
import { MillraceError } from "../core/errors.js";
import type { LineForm } from "../plan/lineage.js";
import type { ByteInput } from "./byte-input.js";

export const maxBatchRecords = 1024;
/** Read at once: above 256 KiB the bytes leave the second-level cache before they become strings. */
const defaultChunkBytes = 256 * 1024;
/** What is read beyond the split's end at first, to find the end of its last line. */
const lookAheadBytes = 16 * 1024;
/** Lines shorter than this on average are cut from small strings instead, see `#cutShort`. */
const shortLineBytes = 24;
/** V8 copies substrings below 13 characters and lets longer ones point into their parent. */
const copiedSubstring = 13;
const pieceBytes = 8 * 1024;
const newline = 10;
const carriageReturn = 13;

/** Old methods of Buffer that its types leave out: toString without looking the encoding's name up, a fifth faster here. */
interface SliceableBuffer extends Buffer<ArrayBuffer> {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

const allocate = (bytes: number) => Buffer.allocUnsafeSlow(bytes) as SliceableBuffer;

export interface TextSplit {
  /** Bytes before the split in its file; `input` begins there, one byte earlier when it is not 0. */
  readonly start: number;
  /** Lines that begin at or after this offset belong to others. Infinity for compressed files. */
  readonly end: number;
}

/** The offset at which the input of a split has to begin: the byte before it tells whether a line starts right there. */
export function textInputStart(start: number): number {
  return start === 0 ? 0 : start - 1;
}

export class TextSource implements SyncBatchSource {
  readonly #input: ByteInput;
  readonly #end: number;
  readonly #latin1: boolean;
  readonly #keepEnds: boolean;
  #buffer: SliceableBuffer;
  /** Offset in the file of buffer[0]. */
  #base: number;
  /** buffer[at, limit) are whole lines that are ours, buffer[limit, filled) is what comes after them. */
  #at = 0;
  #limit = 0;
  #filled = 0;
  #ascii = false;
  #shortLines = false;
  #endOfFile = false;
  /** The window holds the split's last line. */
  #last = false;
  #done = false;

  constructor(input: ByteInput, split: TextSplit, form: LineForm = {}, chunkBytes = defaultChunkBytes) {
    this.#input = input;
    this.#end = split.end;
    this.#latin1 = form.encoding === "latin1";
    this.#keepEnds = form.keepEnds === true;
    this.#base = textInputStart(split.start);
    this.#buffer = allocate(Math.min(chunkBytes, Math.max(16, split.end - this.#base + lookAheadBytes)));
    if (split.start > 0) this.#skipLine();
    else this.#skipByteOrderMark();
  }

  get bytesRead(): number {
    return this.#input.bytesRead;
  }

  next(): readonly string[] | null {
    if (this.#at === this.#limit && !this.#openWindow()) return null;
    const lines: string[] = [];
    if (this.#keepEnds) this.#cutWithEnds(lines);
    else if (!this.#ascii) this.#cutUtf8(lines);
    else if (this.#shortLines) this.#cutShort(lines);
    else this.#cutAscii(lines);
    return lines;
  }

  close(): void {
    this.#input.close();
  }

  #cutAscii(lines: string[]): void {
    const buffer = this.#buffer;
    const limit = this.#limit;
    let at = this.#at;
    const from = at;
    while (at < limit && lines.length < maxBatchRecords) {
      const end = this.#lineEnd(at);
      lines.push(buffer.latin1Slice(at, end > at && buffer[end - 1] === carriageReturn && end < limit ? end - 1 : end));
      at = end + 1;
    }
    this.#at = Math.min(at, limit);
    this.#shortLines = this.#at - from < lines.length * shortLineBytes;
  }

  /** Twice as fast for lines of a few bytes: one call makes a small string, from which V8 copies the shortest lines. */
  #cutShort(lines: string[]): void {
    const buffer = this.#buffer;
    const from = this.#at;
    while (this.#at < this.#limit && lines.length < maxBatchRecords) {
      const start = this.#at;
      let pieceEnd = Math.min(this.#limit, start + pieceBytes);
      if (pieceEnd < this.#limit) pieceEnd = buffer.lastIndexOf(newline, pieceEnd - 1) + 1;
      if (pieceEnd <= start) {
        this.#cutAscii(lines);
        return;
      }
      const text = buffer.latin1Slice(start, pieceEnd);
      let at = 0;
      while (at < text.length && lines.length < maxBatchRecords) {
        const found = text.indexOf("\n", at);
        const end = found < 0 ? text.length : found;
        const stop = found > at && text.charCodeAt(found - 1) === carriageReturn ? found - 1 : end;
        lines.push(
          stop - at < copiedSubstring ? text.substring(at, stop) : buffer.latin1Slice(start + at, start + stop),
        );
        at = end + 1;
      }
      this.#at = Math.min(start + at, pieceEnd);
    }
    this.#shortLines = this.#at - from < lines.length * shortLineBytes;
  }

  #cutUtf8(lines: string[]): void {
    const buffer = this.#buffer;
    const limit = this.#limit;
    while (this.#at < limit && lines.length < maxBatchRecords) {
      const end = this.#lineEnd(this.#at);
      const stop = end > this.#at && buffer[end - 1] === carriageReturn && end < limit ? end - 1 : end;
      lines.push(buffer.utf8Slice(this.#at, stop));
      this.#at = Math.min(end + 1, limit);
    }
  }

  #cutWithEnds(lines: string[]): void {
    const buffer = this.#buffer;
    while (this.#at < this.#limit && lines.length < maxBatchRecords) {
      const end = Math.min(this.#lineEnd(this.#at) + 1, this.#limit);
      lines.push(this.#ascii ? buffer.latin1Slice(this.#at, end) : buffer.utf8Slice(this.#at, end));
      this.#at = end;
    }
  }

  /** Of the "\n" at or after `at`; the limit for a last line without one. */
  #lineEnd(at: number): number {
    const found = this.#buffer.indexOf(newline, at);
    return found < 0 || found >= this.#limit ? this.#limit : found;
  }

  /** Brings the next whole lines into the buffer and checks them; false when there are none. */
  #openWindow(): boolean {
    if (this.#done || this.#last || this.#base + this.#at >= this.#end) return this.#finish();
    let searched = this.#at;
    for (;;) {
      // The line that holds the byte before the split's end is the last one that begins in it.
      const lastByte = this.#end - 1 - this.#base;
      const ending = lastByte < this.#filled ? this.#buffer.indexOf(newline, Math.max(searched, lastByte)) : -1;
      if (ending >= 0 && ending < this.#filled) {
        this.#limit = ending + 1;
        this.#last = true;
      } else {
        const found = this.#buffer.subarray(searched, this.#filled).lastIndexOf(newline);
        if (found >= 0) this.#limit = searched + found + 1;
      }
      if (this.#limit > this.#at) break;
      if (this.#endOfFile) {
        if (this.#filled === this.#at) return this.#finish();
        this.#limit = this.#filled;
        this.#last = true;
        break;
      }
      // #fill moves what is left to the buffer's start.
      searched = this.#filled - this.#at;
      this.#fill();
    }
    this.#check();
    return true;
  }

  #finish(): false {
    if (!this.#done) this.#input.checkUnchanged();
    this.#done = true;
    return false;
  }

  /** Reads more behind what is not used up yet, in a larger buffer when one line fills it. */
  #fill(): void {
    const kept = this.#filled - this.#at;
    if (kept === this.#buffer.byteLength) {
      if (kept >= constants.MAX_STRING_LENGTH) throw this.#tooLong();
      const larger = allocate(Math.min(kept * 2, constants.MAX_STRING_LENGTH + 1));
      this.#buffer.copy(larger, 0, this.#at, this.#filled);
      this.#buffer = larger;
    } else if (this.#at > 0) {
      this.#buffer.copyWithin(0, this.#at, this.#filled);
    }
    this.#base += this.#at;
    this.#at = 0;
    this.#limit = 0;
    this.#filled = kept;
    const room = this.#buffer.byteLength - kept;
    // Beyond the split's end a line that goes on is read in ever larger steps, so that its length costs once.
    const wanted = Math.max(lookAheadBytes, kept, this.#end - (this.#base + kept) + lookAheadBytes);
    const count = this.#input.read(this.#buffer, kept, Math.min(room, wanted));
    this.#filled += count;
    this.#endOfFile = count === 0;
  }

  /** Leaves `at` behind the first line end: the line before it is another split's. */
  #skipLine(): void {
    for (;;) {
      this.#at = this.#filled;
      this.#fill();
      if (this.#endOfFile) return;
      const found = this.#buffer.indexOf(newline);
      if (found >= 0 && found < this.#filled) {
        this.#at = found + 1;
        this.#limit = this.#at;
        return;
      }
      if (this.#base + this.#filled >= this.#end) {
        // No line begins before the split's end.
        this.#at = this.#filled;
        this.#limit = this.#filled;
        return;
      }
    }
  }

  #skipByteOrderMark(): void {
    while (this.#filled < 3 && !this.#endOfFile) this.#fill();
    if (this.#filled >= 3 && this.#buffer[0] === 0xef && this.#buffer[1] === 0xbb && this.#buffer[2] === 0xbf) {
      this.#at = 3;
      this.#limit = 3;
    }
  }

  #check(): void {
    const window = this.#buffer.subarray(this.#at, this.#limit);
    // Where every byte is a character, the ways of ASCII hold for all of them.
    this.#ascii = this.#latin1 || isAscii(window);
    if (this.#ascii || isUtf8(window)) return;
    const offset = this.#base + this.#at + firstInvalidByte(window);
    throw new MillraceError("INVALID_TEXT", `${this.#input.path} is not UTF-8 text: byte ${offset} does not fit`, {
      fields: { path: this.#input.path, offset },
    });
  }

  #tooLong(): MillraceError {
    const offset = this.#base + this.#at;
    return new MillraceError(
      "RECORD_TOO_LARGE",
      `${this.#input.path}: the line that begins at byte ${offset} is longer than ${constants.MAX_STRING_LENGTH} bytes`,
      { fields: { path: this.#input.path, offset } },
    );
  }
}

/** The byte at which `bytes` stops being UTF-8; their length when only their end is missing. */
export function firstInvalidByte(bytes: Uint8Array): number {
  // A strict decoder refuses a prefix as soon as it holds the offending byte, and every longer one: so halve.
  let valid = 0;
  let refused = bytes.byteLength + 1;
  while (refused - valid > 1) {
    const middle = (valid + refused) >>> 1;
    if (isPrefixOfText(bytes.subarray(0, middle))) valid = middle;
    else refused = middle;
  }
  return valid;
}

function isPrefixOfText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    // The decoder has no other way to say no.
    return false;
  }
}
