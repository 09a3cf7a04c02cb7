// The virtual clock: what is due next happens next, ties in the order in which they were asked for. No wall clock anywhere.

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

export class VirtualClock {
  now = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  after(ms: number, act: () => void): void {
    const due = { atMs: this.now + ms, order: this.#order++, act };
    let at = this.#heap.push(due) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(due, this.#heap[up] as Due)) break;
      this.#heap[at] = this.#heap[up] as Due;
      at = up;
    }
    this.#heap[at] = due;
  }

  /** false when nothing is due any more. */
  step(): boolean {
    const top = this.#heap[0];
    if (top === undefined) return false;
    const last = this.#heap.pop() as Due;
    if (this.#heap.length > 0) this.#sink(last);
    this.now = top.atMs;
    top.act();
    return true;
  }

  #sink(due: Due): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && before(right, this.#heap[child] as Due)) child++;
      if (!before(this.#heap[child] as Due, due)) break;
      this.#heap[at] = this.#heap[child] as Due;
      at = child;
    }
    this.#heap[at] = due;
  }
}

function before(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
