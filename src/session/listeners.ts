// Listeners of one kind of event. One that throws does not keep the others, or the session, from going on: its error is
// reported as an uncaught one, as Node does for a timer's callback.

export class Listeners<E> {
  readonly #listeners = new Set<(event: E) => void>();

  get empty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Gives the function that removes the listener again. */
  add(listener: (event: E) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: E): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
