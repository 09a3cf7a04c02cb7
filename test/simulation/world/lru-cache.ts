// In place of the package lru-cache: what the cache store uses of it, in the order of a Map.

export class LRUCache<K, V> {
  readonly #entries = new Map<K, V>();

  get size(): number {
    return this.#entries.size;
  }

  peek(key: K): V | undefined {
    return this.#entries.get(key);
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  /** Used last first, as the package gives them. */
  *entries(): Generator<[K, V]> {
    yield* [...this.#entries].reverse();
  }

  *values(): Generator<V> {
    yield* [...this.#entries.values()].reverse();
  }

  *keys(): Generator<K> {
    yield* [...this.#entries.keys()].reverse();
  }

  /** Used first first. */
  *rkeys(): Generator<K> {
    yield* [...this.#entries.keys()];
  }
}
