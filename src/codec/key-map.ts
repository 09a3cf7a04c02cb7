// A map whose keys are equal by content, as keys are everywhere in the engine: a Map alone would tell two equal arrays apart.

import { hashKey, keysEqual } from "./keys.js";

interface Entry<V> {
  readonly key: unknown;
  value: V;
}

export class KeyMap<V> {
  /** By the key itself: a Map's own equality is ours for what is no object (NaN is one key, -0 is 0). */
  readonly #entries = new Map<unknown, Entry<V>>();
  /** Entries whose keys are objects, by hash of the content. */
  readonly #byContent = new Map<number, Entry<V>[]>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: unknown): V | undefined {
    return this.#find(key)?.value;
  }

  /** An equal key that is there keeps its place and its object. */
  set(key: unknown, value: V): void {
    const found = this.#find(key);
    if (found !== undefined) {
      found.value = value;
      return;
    }
    const entry = { key, value };
    this.#entries.set(key, entry);
    if (typeof key !== "object" || key === null) return;
    const hash = hashKey(key);
    const bucket = this.#byContent.get(hash);
    if (bucket === undefined) this.#byContent.set(hash, [entry]);
    else bucket.push(entry);
  }

  /** In the order in which keys were first set. */
  *entries(): Generator<[unknown, V]> {
    for (const { key, value } of this.#entries.values()) yield [key, value];
  }

  clear(): void {
    this.#entries.clear();
    this.#byContent.clear();
  }

  #find(key: unknown): Entry<V> | undefined {
    if (typeof key !== "object" || key === null) return this.#entries.get(key);
    return this.#byContent.get(hashKey(key))?.find((entry) => keysEqual(entry.key, key));
  }
}
