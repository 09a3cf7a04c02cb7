// Finds the keys that hold a large part of a map task's records, from a sample of about one record in 64. The gaps between the
// records looked at vary by a fixed sequence: even ones would fall in with data that repeats itself. Which records these are
// depends on their number alone, so the answer is the same however the records were cut into blocks.
//
// Counted by Misra and Gries: at most COUNTERS keys are held; when one more comes, all lose one. A key with more than
// 1 / COUNTERS of the sample cannot get lost, and is counted too low by at most that.

import { hashKey } from "../../codec/keys.js";
import { printPart } from "../../codec/print-record.js";
import type { HotKey } from "../../plan/skew.js";

/** Mean gap between two records looked at: gaps are 1 to 128. */
const GAP_BITS = 7;
const COUNTERS = 256;
/** A key is told when it has at least so large a part of the sample, and so many of its records. */
const LEAST_SHARE = 0.05;
const LEAST_SAMPLES = 8;
const MAX_TOLD = 8;
/** Characters of a key that are shown. */
const KEY_CHARACTERS = 64;

interface Counter {
  readonly key: unknown;
  readonly partition: number;
  count: number;
}

export class HotKeys {
  readonly #counters = new Map<unknown, Counter>();
  #state = 1;
  /** Records to pass over before the next one that is looked at. */
  #skip: number;
  #samples = 0;

  constructor() {
    this.#skip = this.#gap();
  }

  /** The next `count` records of the task, in order, each with its partition. */
  look(keys: ArrayLike<unknown>, partitions: ArrayLike<number>, count: number): void {
    let at = this.#skip;
    for (; at < count; at += 1 + this.#gap()) this.#count(keys[at], partitions[at] as number);
    this.#skip = at - count;
  }

  /** At most eight, the hottest first; `records`: how many there were in all. */
  told(records: number): HotKey[] {
    const least = Math.max(LEAST_SAMPLES, LEAST_SHARE * this.#samples);
    return [...this.#counters.values()]
      .filter(({ count }) => count >= least)
      .sort((a, b) => b.count - a.count)
      .slice(0, MAX_TOLD)
      .map(({ key, partition, count }) => ({
        key: printKey(key),
        partition,
        records: Math.round((count / this.#samples) * records),
      }));
  }

  #count(key: unknown, partition: number): void {
    this.#samples++;
    // An object stands for its content: two with one hash would be taken for one key, which changes nothing but what is shown.
    const id = typeof key === "object" && key !== null ? `#${hashKey(key)}` : key;
    const known = this.#counters.get(id);
    if (known !== undefined) {
      known.count++;
      return;
    }
    if (this.#counters.size < COUNTERS) {
      this.#counters.set(id, { key, partition, count: 1 });
      return;
    }
    for (const [other, counter] of this.#counters) if (--counter.count === 0) this.#counters.delete(other);
  }

  #gap(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return this.#state >>> (32 - GAP_BITS);
  }
}

/** A key as a person reads it in one line of a terminal, at most 64 characters of it. */
export function printKey(key: unknown): string {
  const text = typeof key === "string" ? key : otherText(key);
  const cut = text.length > KEY_CHARACTERS ? `${text.slice(0, KEY_CHARACTERS)}...` : text;
  const plain = typeof key === "string" ? JSON.stringify(cut) : cut;
  // What JSON leaves as it is and a terminal may obey: controls, and marks that turn the direction of writing.
  return plain.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, "0")}`,
  );
}

function otherText(key: unknown): string {
  if (typeof key === "bigint") return `${key}n`;
  try {
    return printPart(key);
  } catch {
    // A toJSON of the user's: that a key cannot be shown must not fail the task.
    return `a ${(key as object).constructor?.name ?? "value"}`;
  }
}
