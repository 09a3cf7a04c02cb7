// How encoded frames flow between tasks: what a reduce task reads, what a map task writes, what fills the cache. Only the
// interfaces: shuffle/ and worker/ implement them, operators use them through operators/task-context.ts.

import type { SchemaTable } from "./schema.js";

/** Encoded frames of one reduce partition, map outputs in map order whatever their arrival. */
export interface FrameSource {
  /** The next frame with the schema table of its map output; null = the end. Blocks (Atomics.wait) when the frame is remote. */
  next(): { readonly frame: Uint8Array; readonly schemas: SchemaTable; readonly map: number } | null;
  close(): void;
}

/** Where a map task's encoded frames go; commit makes them visible under this attempt's name. */
export interface ShuffleOutput {
  /** Appends a frame to a reduce partition. */
  write(partition: number, frame: Uint8Array): void;
  /** Ends the output: merges spills, writes data + index, renames. Returns bytes per partition. */
  commit(schemas: SchemaTable): readonly number[];
  /** Removes everything written. Idempotent. */
  abort(): void;
}

/** Where the partition of a persisted node goes while it is computed. */
export interface CacheWriter {
  write(frame: Uint8Array): void;
  /** False: it did not fit and was dropped (MEMORY_ONLY). */
  commit(schemas: SchemaTable): boolean;
  abort(): void;
}
