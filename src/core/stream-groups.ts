// Streams by who delivers them: when that one is given up, all that it had still to deliver end at once, whatever deadlines of
// their own they wait for.

export class StreamGroups<Key> {
  readonly #open = new Map<Key, Set<AbortController>>();

  /** The stream that `open` gives, until it ends, `signal` is aborted, or `end` is called for the key. */
  async *follow<T>(
    key: Key,
    open: (signal: AbortSignal) => AsyncIterable<T>,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, void> {
    const given = new AbortController();
    const group = this.#open.get(key) ?? new Set<AbortController>();
    this.#open.set(key, group.add(given));
    try {
      yield* open(AbortSignal.any([signal, given.signal]));
    } catch (error) {
      throw given.signal.aborted && !signal.aborted ? given.signal.reason : error;
    } finally {
      group.delete(given);
      if (group.size === 0 && this.#open.get(key) === group) this.#open.delete(key);
    }
  }

  /** Whoever follows one of its streams has this error thrown. */
  end(key: Key, error: Error): void {
    for (const stream of this.#open.get(key) ?? []) stream.abort(error);
  }
}
