// Where every nth line of a file begins: the one thing that a planner must read a file's bytes for.

import type { FileStatus, FileSystem } from "../emrfs/file-system.js";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** Offsets of lines 0, n, 2 n, ... of a file that is not empty. */
export async function startsOfLines(
  files: FileSystem,
  { url, sizeBytes }: FileStatus,
  n: number,
  signal?: AbortSignal,
): Promise<number[]> {
  const starts = [0];
  const reader = await files.open(url, signal);
  try {
    let lines = 0;
    for (let at = 0; at < sizeBytes; ) {
      const bytes = await reader.read(at, Math.min(CHUNK_BYTES, sizeBytes - at), signal);
      // It has become shorter; whoever opens its splits finds that out (FILE_CHANGED).
      if (bytes.byteLength === 0) break;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, end + 1)) {
        const next = at + end + 1;
        if (++lines % n === 0 && next < sizeBytes) starts.push(next);
      }
      at += bytes.byteLength;
    }
  } finally {
    await reader.close();
  }
  return starts;
}
