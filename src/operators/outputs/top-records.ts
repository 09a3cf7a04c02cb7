// The n greatest (or least) records of a stream by their keys, ties in the order they came. Holds at most 2 n + 1,024.

/** Room beside the n that stay, so that sorting happens rarely. */
const SLACK = 1024;

interface Candidate {
  readonly key: unknown;
  readonly record: unknown;
  readonly seq: number;
}

export class TopRecords {
  #candidates: Candidate[] = [];
  #seq = 0;
  /** Key of the last of n: what does not come before it is out. */
  #bound: Candidate | null = null;
  readonly #sign: number;
  constructor(
    readonly n: number,
    order: "greatest" | "least",
    readonly compare: (a: unknown, b: unknown) => number,
  ) {
    this.#sign = order === "greatest" ? -1 : 1;
  }

  add(key: unknown, record: unknown): void {
    const seq = this.#seq++;
    // A key equal to the bound came later than it, so it is out too. Comparing also refuses what cannot be a key.
    const against = this.#bound === null ? key : this.#bound.key;
    const order = this.compare(key, against);
    if (this.#bound !== null && this.#sign * order >= 0) return;
    this.#candidates.push({ key, record, seq });
    if (this.#candidates.length >= 2 * this.n + SLACK) this.#cut();
  }

  /** Best first. */
  result(): unknown[] {
    this.#cut();
    return this.#candidates.map((candidate) => candidate.record);
  }

  #cut(): void {
    this.#candidates.sort((a, b) => this.#sign * this.compare(a.key, b.key) || a.seq - b.seq);
    this.#candidates.length = Math.min(this.n, this.#candidates.length);
    if (this.n > 0 && this.#candidates.length === this.n) this.#bound = this.#candidates[this.n - 1] ?? null;
  }
}
