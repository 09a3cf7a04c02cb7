// How large the combiners of a table have become since they were made: lists, sets, strings that their merge function makes
// longer. Looked at now and then, a few of them: those spread over the table stand for all that are alike, and the largest
// of those that were touched count for themselves, because a key with a tenth of all records is touched soon and missed by
// the others. Numbers are never looked at: they do not grow.

import { heapBytes } from "./heap-bytes.js";

/** Merges to the first look of a table. */
export const FIRST_LOOK = 64;
/** Merges from one look to the next: about fifty for each combiner that is looked at. Fewer where a merge adds much. */
const MOST_MERGES = 4096;
const LEAST_MERGES = 16;
/** What combiners may grow by from one look to the next, as they have grown so far. */
const UNSEEN_BYTES = 256 * 1024;
const SPREAD = 64;
const TOUCHED = 16;

export class GrowthSample {
  /** Entries that count for themselves. */
  #touched: number[] = [];
  #looks = 0;
  #merges = FIRST_LOOK;

  /** Estimated bytes on the heap of all `count` values, of which `touched` has just changed. */
  bytesOf(values: ArrayLike<unknown>, count: number, touched: number): number {
    if (count <= SPREAD) return sizesOf(values, 0, count, 1, []).sum;
    const own = this.#sizesOfTouched(values, touched);
    const stride = Math.floor(count / SPREAD);
    const { sum, seen } = sizesOf(values, this.#looks++ % stride, count, stride, this.#touched);
    return own + (seen === 0 ? 0 : (sum / seen) * (count - this.#touched.length));
  }

  /** Merges until the next look. `bytes`: what they have grown by since the last one. */
  next(bytes: number): number {
    const merges = (UNSEEN_BYTES * this.#merges) / Math.max(1, bytes);
    this.#merges = Math.floor(Math.min(MOST_MERGES, Math.max(LEAST_MERGES, merges)));
    return this.#merges;
  }

  reset(): void {
    this.#touched = [];
  }

  /** Takes the entry in, in the place of the smallest when there are too many. */
  #sizesOfTouched(values: ArrayLike<unknown>, touched: number): number {
    if (!this.#touched.includes(touched)) this.#touched.push(touched);
    const sizes = this.#touched.map((entry) => heapBytes(values[entry]));
    if (sizes.length > TOUCHED) {
      const smallest = sizes.indexOf(Math.min(...sizes));
      this.#touched.splice(smallest, 1);
      sizes.splice(smallest, 1);
    }
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}

function sizesOf(values: ArrayLike<unknown>, from: number, to: number, stride: number, without: readonly number[]) {
  let sum = 0;
  let seen = 0;
  for (let entry = from; entry < to; entry += stride) {
    if (without.includes(entry)) continue;
    sum += heapBytes(values[entry]);
    seen++;
  }
  return { sum, seen };
}
