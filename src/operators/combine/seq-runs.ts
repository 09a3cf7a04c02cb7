// Spilled pairs with sequence numbers: runs of chunks in one scratch file. A chunk is a frame of pairs, then its sequence
// numbers as doubles. Runs are written and read in order; several runs can be merged by sequence number.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { estimateBytes } from "../../codec/estimate.js";
import { decodePairs, encodePairs } from "../../codec/pairs.js";
import { SchemaTable } from "../../codec/schema.js";
import type { SpillFile, SpillStore } from "../../core/memory.js";

export interface SeqPairs {
  readonly keys: ArrayLike<unknown>;
  readonly values: ArrayLike<unknown>;
  readonly seqs: Float64Array;
}

/** A chunk is written when it has so many rows or bytes: 16 open runs stay well under a small budget. */
const CHUNK_ROWS = 512;
const CHUNK_BYTES = 32 * 1024;

interface Chunk {
  readonly offset: number;
  readonly frameBytes: number;
  readonly rows: number;
}

/** One scratch file and the schemas of all runs in it. */
export class RunFile {
  readonly schemas = new SchemaTable();
  readonly file: SpillFile;
  constructor(
    store: SpillStore,
    readonly classes: ClassRegistry,
    purpose: string,
  ) {
    this.file = store.create(purpose);
  }

  delete(): void {
    this.file.delete();
  }
}

export class SeqRun {
  readonly #chunks: Chunk[] = [];
  #keys: unknown[] = [];
  #values: unknown[] = [];
  #seqs: number[] = [];
  #bytes = 0;
  constructor(readonly into: RunFile) {}

  get isEmpty(): boolean {
    return this.#chunks.length === 0 && this.#keys.length === 0;
  }

  add(seq: number, key: unknown, value: unknown): void {
    this.#keys.push(key);
    this.#values.push(value);
    this.#seqs.push(seq);
    this.#bytes += estimateBytes(key) + estimateBytes(value);
    if (this.#keys.length >= CHUNK_ROWS || this.#bytes >= CHUNK_BYTES) this.end();
  }

  /** Writes what is buffered; the run can be read afterwards. */
  end(): void {
    const rows = this.#keys.length;
    if (rows === 0) return;
    const { file, schemas, classes } = this.into;
    const frame = encodePairs(this.#keys, this.#values, 0, rows, schemas, classes);
    const offset = file.append(frame, this.#bytes);
    const seqs = Float64Array.from(this.#seqs);
    file.append(new Uint8Array(seqs.buffer));
    this.#chunks.push({ offset, frameBytes: frame.byteLength, rows });
    this.#keys = [];
    this.#values = [];
    this.#seqs = [];
    this.#bytes = 0;
  }

  *read(): Generator<SeqPairs, void, void> {
    const { file, schemas, classes } = this.into;
    for (const { offset, frameBytes, rows } of this.#chunks) {
      const { keys, values } = decodePairs(file.read(offset, frameBytes), schemas, classes);
      const raw = file.read(offset + frameBytes, rows * 8);
      const seqs = new Float64Array(rows);
      new Uint8Array(seqs.buffer).set(raw);
      yield { keys, values, seqs };
    }
  }
}

/** All pairs of the runs by rising sequence number, in chunks. Each run is in that order already; ties keep the run's order. */
export function* mergeRuns(runs: readonly SeqRun[]): Generator<SeqPairs, void, void> {
  const cursors = runs.map((run) => new Cursor(run.read())).filter((cursor) => !cursor.ended);
  let keys: unknown[] = [];
  let values: unknown[] = [];
  let seqs: number[] = [];
  while (cursors.length > 0) {
    let least = cursors[0] as Cursor;
    let bound = Infinity;
    for (let i = 1; i < cursors.length; i++) {
      const cursor = cursors[i] as Cursor;
      if (cursor.seq < least.seq) {
        bound = least.seq;
        least = cursor;
      } else if (cursor.seq < bound) bound = cursor.seq;
    }
    while (!least.ended && least.seq <= bound) {
      keys.push(least.key);
      values.push(least.value);
      seqs.push(least.seq);
      least.advance();
      if (keys.length === CHUNK_ROWS) {
        yield { keys, values, seqs: Float64Array.from(seqs) };
        keys = [];
        values = [];
        seqs = [];
      }
    }
    if (least.ended) cursors.splice(cursors.indexOf(least), 1);
  }
  if (keys.length > 0) yield { keys, values, seqs: Float64Array.from(seqs) };
}

class Cursor {
  #chunk: SeqPairs | null = null;
  #at = 0;
  seq = Infinity;
  constructor(readonly chunks: Generator<SeqPairs, void, void>) {
    this.#load();
  }

  get ended(): boolean {
    return this.#chunk === null;
  }

  get key(): unknown {
    return this.#chunk?.keys[this.#at];
  }

  get value(): unknown {
    return this.#chunk?.values[this.#at];
  }

  advance(): void {
    this.#at++;
    if (this.#chunk !== null && this.#at < this.#chunk.seqs.length) this.seq = this.#chunk.seqs[this.#at] as number;
    else this.#load();
  }

  #load(): void {
    const step = this.chunks.next();
    this.#chunk = step.done === true ? null : step.value;
    this.#at = 0;
    this.seq = this.#chunk === null ? Infinity : (this.#chunk.seqs[0] as number);
  }
}
