// What was used last, by key and size: which of the others go when there are too many of them, or they are too large together.

export class RecentlyUsed<K> {
  /** The longest unused first. */
  readonly #sizes = new Map<K, number>();
  #bytes = 0;

  constructor(
    private readonly most: number,
    private readonly mostBytes: number = Number.POSITIVE_INFINITY,
  ) {}

  has(key: K): boolean {
    return this.#sizes.has(key);
  }

  /** It is used now. */
  use(key: K, bytes = 0): void {
    this.delete(key);
    this.#sizes.set(key, bytes);
    this.#bytes += bytes;
  }

  delete(key: K): void {
    this.#bytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }

  clear(): void {
    this.#sizes.clear();
    this.#bytes = 0;
  }

  /** Takes out what is too much, never the last `kept` used. */
  takeSurplus(kept = 0): K[] {
    if (this.#sizes.size <= this.most && this.#bytes <= this.mostBytes) return [];
    const surplus: K[] = [];
    for (const key of this.#sizes.keys()) {
      if (this.#sizes.size <= kept || (this.#sizes.size <= this.most && this.#bytes <= this.mostBytes)) break;
      this.delete(key);
      surplus.push(key);
    }
    return surplus;
  }
}
