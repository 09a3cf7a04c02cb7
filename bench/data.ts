// The bench's input files, made once and kept in bench/data (not in git). Every file is a function of its kind, its size and
// a fixed seed, and appears by rename, so that a broken run leaves no half file that a later one would take for whole.

import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom, zipf } from "./random.js";

export interface InputFile {
  readonly path: string;
  readonly bytes: number;
}

/** Full size: what the targets are stated for. `--size` scales the amounts, never the shapes. */
const TEXT_BYTES = 256e6;
const VOCABULARY = 200_000;
const LINE_BYTES = 70;
const SORT_RECORDS = 5_000_000;
const SORT_RECORD_BYTES = 100;
export const SORT_KEY_BYTES = 10;
const EDGES = 4_000_000;
const NODES = 2 ** 18;
const PAIRS = 10_000_000;
/** Keys of the pairs; the first WEIGHTS of them have a weight, so that one pair in eleven finds none. */
const PAIR_KEYS = 1_100_000;
const WEIGHTS = 1_000_000;
/** Values and weights are below it: sums of products stay exact in a double. */
const PAIR_VALUES = 1_000;
const IDS = 10_000_000;
const DIFFERENT_IDS = 1_000_000;
const CHUNK_BYTES = 4 * 2 ** 20;

export type InputKind = "text" | "records" | "edges" | "pairs" | "weights" | "ids";

/** The input of a kind at `size` (1 = full), made now if it is not there. */
export function inputFile(folder: string, kind: InputKind, size: number): InputFile {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${kind}-${size}.txt`);
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    const writer = new ChunkWriter(draft);
    generators[kind](writer, size);
    writer.close();
    renameSync(draft, path);
  }
  return { path, bytes: statSync(path).size };
}

const generators: Record<InputKind, (out: ChunkWriter, size: number) => void> = {
  text(out, size) {
    const random = seededRandom(1);
    const words = vocabulary(random);
    const pick = zipf(VOCABULARY, random);
    let line = "";
    for (let bytes = 0; bytes < TEXT_BYTES * size; ) {
      line += words[pick()]!;
      if (line.length < LINE_BYTES) {
        line += " ";
        continue;
      }
      bytes += line.length + 1;
      out.line(line);
      line = "";
    }
  },
  // As gensort -a writes them: a key of random printable characters, a record number, filler.
  records(out, size) {
    const random = seededRandom(2);
    const filler = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".repeat(4);
    const key = new Uint8Array(SORT_KEY_BYTES);
    for (let record = 0; record < SORT_RECORDS * size; record++) {
      for (let at = 0; at < SORT_KEY_BYTES; at++) key[at] = 33 + Math.floor(random() * 94);
      const head = `${String.fromCharCode(...key)} ${record.toString(16).padStart(16, "0")} `;
      out.line(head + filler.slice(0, SORT_RECORD_BYTES - 1 - head.length));
    }
  },
  // Sources uniform, targets skewed, so that ranks and block sizes differ.
  edges(out, size) {
    const random = seededRandom(3);
    const nodes = Math.max(16, Math.round(NODES * size));
    for (let edge = 0; edge < EDGES * size; edge++) {
      out.line(`${Math.floor(random() * nodes)} ${Math.floor(nodes * random() ** 2)}`);
    }
  },
  // Key and value: about ten values a key, in no order.
  pairs(out, size) {
    const random = seededRandom(4);
    const keys = Math.max(2, Math.round(PAIR_KEYS * size));
    for (let pair = 0; pair < PAIRS * size; pair++) {
      out.line(`${Math.floor(random() * keys)} ${Math.floor(random() * PAIR_VALUES)}`);
    }
  },
  // One weight for each of most keys of the pairs, in no order.
  weights(out, size) {
    const random = seededRandom(5);
    const keys = Uint32Array.from({ length: Math.max(2, Math.round(WEIGHTS * size)) }, (_, key) => key);
    for (let left = keys.length; left > 0; left--) {
      const at = Math.floor(random() * left);
      const key = keys[at]!;
      keys[at] = keys[left - 1]!;
      out.line(`${key} ${Math.floor(random() * PAIR_VALUES)}`);
    }
  },
  // An odd factor makes a permutation of 32 bits: different numbers have different ids.
  ids(out, size) {
    const random = seededRandom(6);
    const different = Math.max(2, Math.round(DIFFERENT_IDS * size));
    for (let id = 0; id < IDS * size; id++) {
      const bits = Math.imul(Math.floor(random() * different), 0x9e3779b1) >>> 0;
      out.line(`user-${bits.toString(16).padStart(8, "0")}`);
    }
  },
};

/** Distinct lower-case words of 3 to 10 letters. */
function vocabulary(random: Random): string[] {
  const words = new Set<string>();
  while (words.size < VOCABULARY) {
    const length = 3 + Math.floor(random() * 8);
    let word = "";
    for (let at = 0; at < length; at++) word += String.fromCharCode(97 + Math.floor(random() * 26));
    words.add(word);
  }
  return [...words];
}

class ChunkWriter {
  readonly #file: number;
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #used = 0;

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  /** ASCII only, shorter than a chunk. */
  line(text: string): void {
    if (this.#used + text.length + 1 > CHUNK_BYTES) this.#flush();
    this.#used += this.#chunk.write(text, this.#used, "latin1");
    this.#chunk[this.#used++] = 10;
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    for (let at = 0; at < this.#used; ) at += writeSync(this.#file, this.#chunk, at, this.#used - at);
    this.#used = 0;
  }
}
