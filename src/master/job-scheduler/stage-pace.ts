// How fast the tasks of one stage are: the median of their durations, and records a second over all of them. A duration costs
// O(log n), because a stage may have a hundred thousand tasks and is looked at ten times a second.

export class StagePace {
  /** The lower half, largest first. */
  readonly #lower = new Heap((a, b) => a > b);
  /** The upper half, smallest first; as large as the lower one or larger by one. */
  readonly #upper = new Heap((a, b) => a < b);
  #records = 0;
  #runMs = 0;

  /** Tasks that have ended well. */
  get finished(): number {
    return this.#lower.size + this.#upper.size;
  }

  /** Of an even number the upper of the two in the middle; 0 of none. */
  get medianMs(): number {
    return this.#upper.top ?? 0;
  }

  /** null while nobody has said that a task read any records. */
  get recordsPerMs(): number | null {
    return this.#records > 0 && this.#runMs > 0 ? this.#records / this.#runMs : null;
  }

  finish(durationMs: number, runMs: number, records: number): void {
    if (durationMs < this.medianMs) this.#lower.push(durationMs);
    else this.#upper.push(durationMs);
    if (this.#lower.size > this.#upper.size) this.#upper.push(this.#lower.pop());
    else if (this.#upper.size > this.#lower.size + 1) this.#lower.push(this.#upper.pop());
    this.#records += records;
    this.#runMs += runMs;
  }
}

class Heap {
  readonly #items: number[] = [];

  constructor(private readonly before: (a: number, b: number) => boolean) {}

  get size(): number {
    return this.#items.length;
  }

  get top(): number | undefined {
    return this.#items[0];
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(item, items[parent] as number)) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number {
    const items = this.#items;
    const top = items[0] as number;
    const last = items.pop() as number;
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.before(items[child + 1] as number, items[child] as number)) child++;
      if (!this.before(items[child] as number, last)) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
