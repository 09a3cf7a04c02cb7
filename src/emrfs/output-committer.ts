// The output directory of a job that saves files, committed once. Attempts write aside, under
// `<out>/_temporary/<session>-<job>/<stage>-<partition>-<attempt>/part-00000`; the master picks one attempt a task and
// commits: it moves the picked files up, writes _SUCCESS last and removes _temporary. Readers skip names with "_", so
// nothing pending is ever read. An abort removes the whole directory, because prepareOutput made it. Never overwrites.

import { mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { PartFile } from "../core/data-flow.js";
import { MillraceError } from "../core/errors.js";
import type { JobId, SessionId, TaskKey } from "../core/ids.js";
import type { FileSystem } from "./file-system.js";
import { errnoOf, toStorageError } from "./storage-error.js";
import { SyncFileWriter } from "./sync-file.js";
import { displayUrl, joinUrl, toLocalPath } from "./url.js";

/** Plain bytes a gzip member holds; many members in one file are legal gzip. */
const memberBytes = 1024 * 1024;

export interface OutputJob {
  /** Absolute URL of the directory to make. */
  readonly url: string;
  readonly session: SessionId;
  readonly job: JobId;
}

/** Makes the directory. OUTPUT_EXISTS when anything is there already. */
export async function prepareOutput(files: FileSystem, output: OutputJob): Promise<void> {
  const there = (await files.stat(output.url)) !== null;
  // Of two jobs that pass the look at the same time, one makes the directory and the other is refused.
  if (there || !(await files.makeDirectory(output.url))) {
    const path = displayUrl(output.url);
    throw new MillraceError("OUTPUT_EXISTS", `the output ${path} exists already`, { fields: { path } });
  }
  await files.makeDirectory(pendingDirectory(output));
}

/** Makes the files of the picked attempts visible, one a task, then _SUCCESS. After an error: abortOutput. */
export async function commitOutput(
  files: FileSystem,
  output: OutputJob,
  picked: readonly { readonly pending: string; readonly final: string }[],
): Promise<void> {
  const pending = `${pendingDirectory(output)}/`;
  const below = new Set<string>();
  for (const file of picked) {
    if (!file.pending.startsWith(pending) || !file.final.startsWith(`${output.url}/`)) {
      throw new MillraceError("INTERNAL", `${file.pending} is no pending file of the output ${output.url}`);
    }
    const directory = file.final.slice(0, file.final.lastIndexOf("/"));
    if (directory !== output.url && !below.has(directory)) {
      below.add(directory);
      await files.makeDirectory(directory);
    }
    await files.rename(file.pending, file.final);
  }
  await files.delete(joinUrl(output.url, "_temporary"));
  // The output's own comes last: it says that all of them are there.
  for (const directory of [...below, output.url]) {
    const success = await files.create(joinUrl(directory, "_SUCCESS"));
    await success.commit();
  }
}

/** Removes everything that prepareOutput and the attempts made. Idempotent. */
export async function abortOutput(files: FileSystem, output: OutputJob): Promise<void> {
  await files.delete(output.url);
}

/** `part-00012`, with .gz when compressed. */
export function partFileName(partition: number, compression: "none" | "gzip"): string {
  return `part-${String(partition).padStart(5, "0")}${compression === "gzip" ? ".gz" : ""}`;
}

/**
 * Opens the pending part file of one attempt, synchronously. OUTPUT_NOT_SHARED when the directory that the master made is
 * not to be seen from here: it is never made anew, so a late attempt cannot bring an aborted output back. `named`: the file
 * of a directory below the output, opened after the attempt's own.
 */
export function openPartFile(url: string, key: TaskKey, compression: "none" | "gzip", named?: string): PartFile {
  const output: OutputJob = { url, session: key.session, job: key.job };
  const below = named === undefined ? [] : [named];
  const attempt = joinUrl(pendingDirectory(output), `${key.stage}-${key.partition}-${key.attempt}`);
  const directory = joinUrl(attempt, ...below);
  const path = toLocalPath(directory);
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new MillraceError(
        "OUTPUT_NOT_SHARED",
        `the output directory ${displayUrl(url)} that the job made cannot be seen by this worker`,
        { fields: { path: displayUrl(url) }, cause: error },
      );
    }
    throw toStorageError(error, "make the directory", path);
  }
  const name = partFileName(key.partition, compression);
  const pending = joinUrl(directory, name);
  const final = joinUrl(url, ...below, name);
  const writer = new SyncFileWriter(toLocalPath(pending));
  const sink = compression === "gzip" ? new GzipMembers((bytes) => writer.write(bytes)) : writer;
  return {
    write: (bytes) => sink.write(bytes),
    finish() {
      if (sink instanceof GzipMembers) sink.flush();
      writer.finish();
      return { pending, final, sizeBytes: writer.sizeBytes };
    },
    abort: () => writer.abort(),
  };
}

function pendingDirectory(output: OutputJob): string {
  return joinUrl(output.url, "_temporary", `${output.session}-${output.job}`);
}

/** Gathers bytes and compresses them one gzip member at a time: node has no synchronous gzip stream. */
class GzipMembers {
  #parts: Uint8Array[] = [];
  #gathered = 0;
  #members = 0;

  constructor(private readonly put: (bytes: Uint8Array) => void) {}

  write(bytes: Uint8Array): void {
    // The caller may use its buffer again before a member is full.
    this.#parts.push(Buffer.from(bytes));
    this.#gathered += bytes.byteLength;
    if (this.#gathered >= memberBytes) this.#compress();
  }

  /** Also of nothing: a file of 0 bytes is no gzip file. */
  flush(): void {
    if (this.#gathered > 0 || this.#members === 0) this.#compress();
  }

  #compress(): void {
    this.put(gzipSync(Buffer.concat(this.#parts), { level: 1 }));
    this.#parts = [];
    this.#gathered = 0;
    this.#members++;
  }
}
