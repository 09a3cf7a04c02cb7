// Counts by key, keys equal by content as everywhere in the engine: a Map alone would tell two equal arrays apart.

import { hashKey, keysEqual } from "../codec/keys.js";

interface Entry {
  readonly key: unknown;
  count: number;
}

export class KeyCounts {
  readonly #counts = new Map<unknown, Entry>();
  /** Entries whose keys are objects, by hash of the content. */
  readonly #byContent = new Map<number, Entry[]>();

  add(key: unknown, count: number): void {
    const entry = this.#find(key);
    if (entry !== undefined) entry.count += count;
    else this.#insert(key, count);
  }

  set(key: unknown, count: number): void {
    const entry = this.#find(key);
    if (entry !== undefined) entry.count = count;
    else this.#insert(key, count);
  }

  #insert(key: unknown, count: number): void {
    const made = { key, count };
    this.#counts.set(key, made);
    if (!isObject(key)) return;
    const hash = hashKey(key);
    const bucket = this.#byContent.get(hash);
    if (bucket === undefined) this.#byContent.set(hash, [made]);
    else bucket.push(made);
  }

  /** In the order in which keys were first added. */
  toMap(): Map<unknown, number> {
    return new Map([...this.#counts.values()].map((entry) => [entry.key, entry.count]));
  }

  #find(key: unknown): Entry | undefined {
    // A Map's own equality is ours for what is no object: NaN is one key, -0 is 0.
    if (!isObject(key)) return this.#counts.get(key);
    return this.#byContent.get(hashKey(key))?.find((entry) => keysEqual(entry.key, key));
  }
}

function isObject(key: unknown): boolean {
  return typeof key === "object" && key !== null;
}
