// Files as single records: [path, content], content as text or bytes. Several small files make one partition; one file is in
// memory at a time.

import type { SyncBatchSource } from "../core/data-flow.js";
import { MillraceError } from "../core/errors.js";
import type { PinnedFile } from "../emrfs/sync-file.js";
import { displayUrl } from "../emrfs/url.js";
import { type ByteInput, openGzipInput, openPlainInput } from "./byte-input.js";

/** One file of a split of many. */
export interface WholeFile extends PinnedFile {
  readonly compression: "none" | "gzip";
}

const CHUNK_BYTES = 1024 * 1024;

export class WholeFilesSource implements SyncBatchSource {
  #at = 0;
  #bytesRead = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(
    private readonly files: readonly WholeFile[],
    private readonly content: "text" | "bytes",
  ) {}

  get bytesRead(): number {
    return this.#bytesRead;
  }

  next(): readonly unknown[] | null {
    const file = this.files[this.#at++];
    if (file === undefined) return null;
    const input = file.compression === "gzip" ? openGzipInput(file) : openPlainInput(file, 0);
    try {
      const bytes = readWhole(input, file);
      input.checkUnchanged();
      this.#bytesRead += input.bytesRead;
      const path = displayUrl(file.url);
      return [[path, this.content === "bytes" ? bytes : this.#text(bytes, path)]];
    } finally {
      input.close();
    }
  }

  close(): void {
    this.#at = this.files.length;
  }

  #text(bytes: Uint8Array, path: string): string {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw new MillraceError("INVALID_TEXT", `${path} is not UTF-8 text; read it by binaryFiles`, {
        fields: { path },
        cause: error,
      });
    }
  }
}

function readWhole(input: ByteInput, { compression, fileSize }: WholeFile): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = new Uint8Array(compression === "none" ? Math.max(1, fileSize) : CHUNK_BYTES);
    const count = input.read(part, 0, part.byteLength);
    if (count === 0) break;
    parts.push(part.subarray(0, count));
    if (compression === "none" && count === fileSize) break;
  }
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
