// Writes one map attempt's output. Frames are held, by reduce partition, up to a limit or as far as the task's budget goes;
// then they go to a spill file as a run. Commit merges the runs with what is held, in the order in which frames of a
// partition were written, into an attempt-named file, and renames it: before that nobody sees anything.
// When it spills depends on memory, what the file holds does not.

import { mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import type { ShuffleOutput } from "../codec/frame-flow.js";
import type { SchemaTable } from "../codec/schema.js";
import type { MemoryBudget, SpillFile, SpillStore } from "../core/memory.js";
import { errnoOf, toStorageError } from "../emrfs/storage-error.js";
import { SyncFileWriter } from "../emrfs/sync-file.js";
import { encodeTail } from "./map-output-file.js";

/** Held at most, whatever the budget: beyond this, larger runs do not make the merge cheaper. */
const defaultHoldBytes = 64 * 1024 * 1024;
/** Read ahead in the spill file by all runs of a merge together, and by one run at least and at most. */
const mergeBytes = 8 * 1024 * 1024;
const minReadBytes = 16 * 1024;
const maxReadBytes = 1024 * 1024;
const defaultFreeBytes = 1024 * 1024;
/** Reserved of the budget at a time, so that a small frame does not cost a call. */
const reserveBytes = 256 * 1024;

export interface MapOutputWriterOptions {
  /** The committed name: mapOutputPath. */
  readonly path: string;
  /** Where the file grows before that, on the same disk. Default `path`.pending. */
  readonly pendingPath?: string;
  readonly partitions: number;
  readonly memory: MemoryBudget;
  readonly spill: SpillStore;
  /** Default 64 MiB. */
  readonly holdBytes?: number;
  /** Held without asking the budget: an output buffer, so that a full budget does not make a run of every frame. Default 1 MiB. */
  readonly freeBytes?: number;
}

export class MapOutputWriter implements ShuffleOutput {
  readonly #memory: MemoryBudget;
  readonly #held: Uint8Array[][];
  readonly #sizes: Float64Array;
  /** Per run the offset of each partition in the spill file, and of the run's end. */
  readonly #runs: Float64Array[] = [];
  readonly #holdBytes: number;
  readonly #freeBytes: number;
  /** Milliseconds in which it wrote to disk. */
  writeMs = 0;
  #heldBytes = 0;
  #reserved = 0;
  #spillFile: SpillFile | null = null;
  #pending: SyncFileWriter | null = null;
  #ended = false;

  constructor(private readonly options: MapOutputWriterOptions) {
    this.#memory = options.memory.named("map output");
    this.#held = Array.from({ length: options.partitions }, () => []);
    this.#sizes = new Float64Array(options.partitions);
    this.#holdBytes = options.holdBytes ?? defaultHoldBytes;
    this.#freeBytes = Math.min(this.#holdBytes, options.freeBytes ?? defaultFreeBytes);
  }

  write(partition: number, frame: Uint8Array): void {
    const bytes = frame.byteLength;
    if (this.#heldBytes + bytes > this.#freeBytes + this.#reserved && !this.#reserve(bytes)) {
      this.#spill();
      // A frame larger than all that may be held is a run of its own, unless it is to be had anyway.
      if (!this.#reserve(bytes)) {
        this.#held[partition]!.push(frame);
        this.#sizes[partition]! += bytes;
        this.#heldBytes += bytes;
        this.#spill();
        return;
      }
    }
    this.#held[partition]!.push(frame);
    this.#sizes[partition]! += bytes;
    this.#heldBytes += bytes;
  }

  commit(schemas: SchemaTable): readonly number[] {
    const started = performance.now();
    const sizes = this.#commit(schemas);
    this.writeMs += performance.now() - started;
    return sizes;
  }

  #commit(schemas: SchemaTable): readonly number[] {
    const { path, partitions } = this.options;
    const pending = this.#openPending();
    const runs = this.#openRuns();
    const offsets = new Float64Array(partitions + 1);
    for (let partition = 0; partition < partitions; partition++) {
      offsets[partition] = pending.sizeBytes;
      for (const run of runs) run.copy(partition, pending);
      for (const frame of this.#held[partition]!) pending.write(frame);
    }
    offsets[partitions] = pending.sizeBytes;
    pending.write(encodeTail(offsets, schemas.toBytes()));
    pending.finish();
    withDirectoryOf(path, () => rename(pending.path, path));
    this.#pending = null;
    this.#end();
    return Array.from(this.#sizes);
  }

  abort(): void {
    this.#pending?.abort();
    this.#pending = null;
    this.#end();
  }

  /** False when the frame may not be held as well. */
  #reserve(bytes: number): boolean {
    const needed = this.#heldBytes + bytes - this.#freeBytes - this.#reserved;
    if (needed <= 0) return true;
    if (this.#heldBytes + bytes > this.#holdBytes) return false;
    const room = this.#holdBytes - this.#freeBytes - this.#reserved;
    for (const step of [Math.min(Math.max(needed, reserveBytes), room), needed]) {
      if (this.#memory.tryReserve(step)) {
        this.#reserved += step;
        return true;
      }
    }
    return false;
  }

  #spill(): void {
    if (this.#heldBytes === 0) return;
    const started = performance.now();
    this.#spillFile ??= this.options.spill.create("shuffle");
    const file = this.#spillFile;
    const offsets = new Float64Array(this.#held.length + 1);
    for (let partition = 0; partition < this.#held.length; partition++) {
      offsets[partition] = file.sizeBytes;
      for (const frame of this.#held[partition]!) file.append(frame);
      this.#held[partition] = [];
    }
    offsets[this.#held.length] = file.sizeBytes;
    this.#runs.push(offsets);
    this.#releaseHeld();
    this.writeMs += performance.now() - started;
  }

  #openPending(): SyncFileWriter {
    const path = this.options.pendingPath ?? `${this.options.path}.pending`;
    this.#pending = withDirectoryOf(path, () => new SyncFileWriter(path));
    return this.#pending;
  }

  #openRuns(): RunReader[] {
    const file = this.#spillFile;
    if (file === null) return [];
    const readBytes = Math.max(minReadBytes, Math.min(maxReadBytes, Math.floor(mergeBytes / this.#runs.length)));
    return this.#runs.map((offsets) => new RunReader(file, offsets, readBytes));
  }

  #releaseHeld(): void {
    this.#memory.release(this.#reserved);
    this.#reserved = 0;
    this.#heldBytes = 0;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held.length = 0;
    this.#releaseHeld();
    this.#spillFile?.delete();
  }
}

/** The first map output of a shuffle makes its directory; asking first would cost every other one a call. */
function withDirectoryOf<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (errnoOf((error as { cause?: unknown }).cause) !== "ENOENT") throw error;
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw toStorageError(cause, "make the directory", dirname(path));
  }
  return use();
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    throw toStorageError(error, `rename to ${to}`, from);
  }
}

/** Copies the partitions of one run in their order, which is the order of their bytes: so it can read ahead. */
class RunReader {
  #ahead: Uint8Array = new Uint8Array(0);
  /** Offset in the spill file of ahead[0]. */
  #start = 0;

  constructor(
    private readonly file: SpillFile,
    private readonly offsets: Float64Array,
    private readonly readBytes: number,
  ) {}

  copy(partition: number, target: SyncFileWriter): void {
    const end = this.offsets[partition + 1]!;
    let at = this.offsets[partition]!;
    while (at < end) {
      if (at >= this.#start + this.#ahead.byteLength) {
        const runEnd = this.offsets[this.offsets.length - 1]!;
        this.#start = at;
        this.#ahead = this.file.read(at, Math.min(this.readBytes, runEnd - at));
      }
      const stop = Math.min(end, this.#start + this.#ahead.byteLength);
      target.write(this.#ahead.subarray(at - this.#start, stop - this.#start));
      at = stop;
    }
  }
}
