// Which key of a group table a row belongs to: numbers the keys in the order of their first occurrence. Open addressing with
// slots of two words, so that the table stays in cache; what tells two keys apart is kept beside it as words wherever that is
// possible, because comparing two strings costs three cache misses and a call.
//
// It refuses what cannot be a key (INVALID_KEY) and has no other opinion: memory is its owner's to count.

import type { ClassRegistry } from "../../codec/class-registry.js";
import { checkKey, hashKey, keysEqual } from "../../codec/keys.js";

const FIRST_SLOTS = 1024;
const FIRST_WORDS = 256;
/** Of four words each, four characters below 256 a word. */
const PACKED_WORDS = 4;
const PACKED_CHARS = 4 * PACKED_WORDS;

// A slot is a hash, and the key's number (from 1) above five bits that say what the key is. Tags up to PACKED_CHARS are lengths
// of strings whose characters stand in `words`.
const TAG_BITS = 5;
const TAG_MASK = 31;
/** The hash is made of all bits of the integer and can be turned back: equal hashes are equal keys. */
const INTEGER = 17;
/** The keys themselves are compared. */
const HASHED = 18;

export class KeyIndex {
  /** By number. */
  readonly keys: unknown[] = [];
  readonly #classes: ClassRegistry;
  #slots = new Int32Array(2 * FIRST_SLOTS);
  #mask = FIRST_SLOTS - 1;
  /** PACKED_WORDS for each key; empty while there is no string among them. */
  #words = new Int32Array(0);

  constructor(classes: ClassRegistry) {
    this.#classes = classes;
  }

  /** The number of an equal key, or of this one as the newest: it was not there before when that is what `keys.length` was. */
  numberOf(key: unknown): number {
    if (typeof key === "number" && (key | 0) === key) return this.#integer(key);
    if (typeof key === "string" && key.length <= PACKED_CHARS) return this.#short(key);
    return this.#other(key);
  }

  #integer(key: number): number {
    const h = mixInteger(key | 0);
    const slots = this.#slots;
    const wrap = (this.#mask << 1) | 1;
    let s = (h & this.#mask) << 1;
    for (let m = slots[s + 1] as number; m !== 0; m = slots[s + 1] as number) {
      if (slots[s] === h && (m & TAG_MASK) === INTEGER) return (m >>> TAG_BITS) - 1;
      s = (s + 2) & wrap;
    }
    return this.#insert(s, h, INTEGER, key);
  }

  #short(key: string): number {
    const length = key.length;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let any = 0;
    let i = 0;
    for (const end = Math.min(length, 4); i < end; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      a = (a << 8) | unit;
    }
    for (const end = Math.min(length, 8); i < end; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      b = (b << 8) | unit;
    }
    for (const end = Math.min(length, 12); i < end; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      c = (c << 8) | unit;
    }
    for (; i < length; i++) {
      const unit = key.charCodeAt(i);
      any |= unit;
      d = (d << 8) | unit;
    }
    if (any > 255) return this.#other(key);
    const h = mixWords(a, b, c, d, length);
    const slots = this.#slots;
    const words = this.#words;
    const wrap = (this.#mask << 1) | 1;
    let s = (h & this.#mask) << 1;
    for (let m = slots[s + 1] as number; m !== 0; m = slots[s + 1] as number) {
      if (slots[s] === h && (m & TAG_MASK) === length) {
        const number = (m >>> TAG_BITS) - 1;
        const w = number * PACKED_WORDS;
        if (words[w] === a && words[w + 1] === b && words[w + 2] === c && words[w + 3] === d) return number;
      }
      s = (s + 2) & wrap;
    }
    const number = this.#insert(s, h, length, key);
    const w = number * PACKED_WORDS;
    if (w + PACKED_WORDS > this.#words.length) this.#widen(w + PACKED_WORDS);
    const kept = this.#words;
    kept[w] = a;
    kept[w + 1] = b;
    kept[w + 2] = c;
    kept[w + 3] = d;
    return number;
  }

  #other(key: unknown): number {
    const h = hashKey(key) | 0;
    const slots = this.#slots;
    const wrap = (this.#mask << 1) | 1;
    let s = (h & this.#mask) << 1;
    for (let m = slots[s + 1] as number; m !== 0; m = slots[s + 1] as number) {
      if (slots[s] === h && (m & TAG_MASK) === HASHED) {
        const number = (m >>> TAG_BITS) - 1;
        const other = this.keys[number];
        if (other === key || (typeof key !== "string" && keysEqual(other, key))) return number;
      }
      s = (s + 2) & wrap;
    }
    checkKey(key, this.#classes);
    return this.#insert(s, h, HASHED, key);
  }

  #insert(s: number, h: number, tag: number, key: unknown): number {
    const count = this.keys.push(key);
    this.#slots[s] = h;
    this.#slots[s + 1] = (count << TAG_BITS) | tag;
    if (count << 1 > this.#mask) this.#grow();
    return count - 1;
  }

  #grow(): void {
    const old = this.#slots;
    const mask = (this.#mask << 1) | 1;
    const slots = new Int32Array(old.length << 1);
    const wrap = (mask << 1) | 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      const h = old[i] as number;
      let s = (h & mask) << 1;
      while (slots[s + 1] !== 0) s = (s + 2) & wrap;
      slots[s] = h;
      slots[s + 1] = old[i + 1] as number;
    }
    this.#slots = slots;
    this.#mask = mask;
  }

  #widen(least: number): void {
    const words = new Int32Array(Math.max(FIRST_WORDS, 2 * this.#words.length, 2 * least));
    words.set(this.#words);
    this.#words = words;
  }
}

/** Every step can be undone, so that no two integers share a hash; signed, as an Int32Array gives it back. */
function mixInteger(integer: number): number {
  let h = Math.imul(integer ^ (integer >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

function mixWords(a: number, b: number, c: number, d: number, length: number): number {
  let h = Math.imul(a ^ length, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ b, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ c, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 14) ^ d, 0x27d4eb2f);
  return h ^ (h >>> 16);
}
