// MurmurHash3_x86_32 over bytes, over the UTF-8 form of a string without making it, and over 32-bit words one at a time.
// All give the same as the reference implementation on the same bytes. Not for anything an attacker may choose.

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

/** One block of four bytes (little endian in `word`) into the state `h`. */
export function murmur3Mix(h: number, word: number): number {
  let k = Math.imul(word, C1);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, C2);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}

/** Ends the state `h` after `length` bytes in all; an unsigned 32-bit number. */
export function murmur3Finish(h: number, length: number): number {
  h ^= length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Hash of `bytes[start, end)`. */
export function murmur3(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  let h = seed | 0;
  let i = start;
  for (const last = end - 3; i < last; i += 4) {
    h = murmur3Mix(h, bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
  }
  if (i < end) {
    let tail = bytes[i]!;
    if (i + 1 < end) tail |= bytes[i + 1]! << 8;
    if (i + 2 < end) tail |= bytes[i + 2]! << 16;
    h = mixTail(h, tail);
  }
  return murmur3Finish(h, end - start);
}

/**
 * Hash of the UTF-8 form of `text`, equal to `murmur3(Buffer.from(text), seed)` for well-formed text. A lone surrogate
 * counts as its own three bytes, so that ill-formed strings which differ hash apart (Buffer.from would merge them).
 */
export function murmur3String(text: string, seed = 0): number {
  const length = text.length;
  let h = seed | 0;
  let i = 0;
  for (const last = length - 3; i < last; i += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    if ((a | b | c | d) > 127) return murmur3Utf8(text, seed);
    let k = Math.imul(a | (b << 8) | (c << 16) | (d << 24), C1);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, C2);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  if (i < length) {
    let tail = text.charCodeAt(i);
    let all = tail;
    if (i + 1 < length) {
      const b = text.charCodeAt(i + 1);
      all |= b;
      tail |= b << 8;
      if (i + 2 < length) {
        const c = text.charCodeAt(i + 2);
        all |= c;
        tail |= c << 16;
      }
    }
    if (all > 127) return murmur3Utf8(text, seed);
    h = mixTail(h, tail);
  }
  return murmur3Finish(h, length);
}

/** Texts up to a third of this are written here first; longer ones into memory of their own. */
const SCRATCH_BYTES = 3072;
let scratch: Uint8Array | null = null;

function murmur3Utf8(text: string, seed: number): number {
  scratch ??= new Uint8Array(SCRATCH_BYTES);
  const bytes = text.length * 3 <= SCRATCH_BYTES ? scratch : new Uint8Array(text.length * 3);
  return murmur3(bytes, seed, 0, putUtf8(text, bytes));
}

/** Writes the UTF-8 form, lone surrogates as three bytes each, and answers where it ends. */
function putUtf8(text: string, bytes: Uint8Array): number {
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      bytes[at++] = c;
      continue;
    }
    if (c < 0x800) {
      bytes[at++] = 0xc0 | (c >> 6);
    } else {
      if ((c & 0xfc00) === 0xd800 && i + 1 < text.length && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
        c = 0x10000 + ((c & 0x3ff) << 10) + (text.charCodeAt(++i) & 0x3ff);
        bytes[at++] = 0xf0 | (c >> 18);
        bytes[at++] = 0x80 | ((c >> 12) & 0x3f);
      } else {
        bytes[at++] = 0xe0 | (c >> 12);
      }
      bytes[at++] = 0x80 | ((c >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (c & 0x3f);
  }
  return at;
}

function mixTail(h: number, tail: number): number {
  let k = Math.imul(tail, C1);
  k = (k << 15) | (k >>> 17);
  return h ^ Math.imul(k, C2);
}
