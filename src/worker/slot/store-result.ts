// Where the result of an attempt goes: into its status if it is small, else into a file that the driver's session pulls. What
// operators have put on disk is copied piece by piece.

import { closeSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { TaskKey } from "../../core/ids.js";
import { toStorageError } from "../../emrfs/storage-error.js";
import type { FragmentResult } from "../../operators/task-context.js";
import type { TaskResult } from "../../protocol/tasks.js";
import { attemptFile, resultPath } from "../../shuffle/paths.js";

const PIECE_BYTES = 1024 * 1024;

/** `directory`: the worker's. @throws DISK_FULL, IO_ERROR and the like */
export function storeResult(
  result: FragmentResult,
  key: TaskKey,
  { directory, inlineResultBytes }: { readonly directory: string; readonly inlineResultBytes: number },
): TaskResult {
  if (result.kind === "mapOutput") {
    const { kind, shuffle, ...output } = result;
    return { kind, shuffle, output };
  }
  if (result.kind === "file") return result;
  const { records } = result;
  const sizeBytes =
    result.kind === "bytes" ? result.bytes.byteLength : result.head.byteLength + result.frames.sizeBytes;
  if (sizeBytes <= inlineResultBytes) return { kind: "inline", bytes: Buffer.concat([...piecesOf(result)]), records };
  const path = resultPath(directory, key);
  try {
    const pending = attemptFile(directory, key, "result");
    for (const file of [pending, path]) mkdirSync(dirname(file), { recursive: true });
    const fd = openSync(pending, "w");
    try {
      for (const piece of piecesOf(result))
        for (let at = 0; at < piece.byteLength; ) at += writeSync(fd, piece, at, piece.byteLength - at);
    } finally {
      closeSync(fd);
    }
    renameSync(pending, path);
  } catch (error) {
    throw toStorageError(error, `write the result of ${sizeBytes} bytes to`, path);
  }
  return { kind: "block", sizeBytes, records };
}

function* piecesOf(result: FragmentResult & { kind: "bytes" | "spilled" }): Generator<Uint8Array, void, void> {
  if (result.kind === "bytes") {
    yield result.bytes;
    return;
  }
  const { head, frames } = result;
  yield head;
  for (let at = 0; at < frames.sizeBytes; at += PIECE_BYTES)
    yield frames.read(at, Math.min(PIECE_BYTES, frames.sizeBytes - at));
}
