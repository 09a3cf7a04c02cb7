// An order-free sum over records: two runs of a deterministic map agree on it.

export class Checksum {
  #rows = 0;
  addRows(rows: number): void {
    this.#rows += rows;
  }
  /** Decimal text of an unsigned 64-bit number. */
  toString(): string {
    return String(this.#rows);
  }
}
