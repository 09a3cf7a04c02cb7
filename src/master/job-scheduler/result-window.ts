// How far a job's result tasks run ahead of its driver. Results wait on workers' disks and in the master until the driver has
// taken them, so a partition is admitted only while those that wait, and what the admitted ones are expected to make, fit the
// limit. Partitions are admitted in the order in which the driver takes them, and one is always: nothing waits for itself.

/** What a partition is taken to make before any has ended, and how much that counts against what ended ones made. */
const EXPECTED_BYTES = 2 * 1024 * 1024;
const EXPECTED_WEIGHT = 4;

export class ResultWindow {
  readonly #limitBytes: number;
  #partitions: number;
  /** Bytes of results that the driver has not taken, by partition. */
  readonly #waiting = new Map<number, number>();
  #waitingBytes = 0;
  #madeBytes = 0;
  #made = 0;
  #admitted = 0;
  #delivered = 0;

  constructor(limitBytes: number, partitions: number) {
    this.#limitBytes = limitBytes;
    this.#partitions = partitions;
    this.#grow();
  }

  /** The result stage starts with more tasks than was planned: each counts as a partition. */
  resize(partitions: number): void {
    this.#partitions = partitions;
    this.#grow();
  }

  /** Nothing was made and nothing taken: all of it comes again. What was learnt of sizes holds. */
  restart(): void {
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#admitted = 0;
    this.#delivered = 0;
    this.#grow();
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether the partition may run: those below this number. */
  get admitted(): number {
    return this.#admitted;
  }

  /** A partition was computed, possibly again. Answers the partitions that may run from now on. */
  made(partition: number, bytes: number): readonly number[] {
    this.#forget(partition);
    this.#waiting.set(partition, bytes);
    this.#waitingBytes += bytes;
    this.#madeBytes += bytes;
    this.#made++;
    return this.#grow();
  }

  /** The driver has taken it. Answers as `made` does. */
  delivered(partition: number): readonly number[] {
    if (!this.#forget(partition)) return [];
    this.#delivered++;
    return this.#grow();
  }

  /** It must be computed again. */
  lost(partition: number): void {
    this.#forget(partition);
  }

  #forget(partition: number): boolean {
    const bytes = this.#waiting.get(partition);
    if (bytes === undefined) return false;
    this.#waiting.delete(partition);
    this.#waitingBytes -= bytes;
    return true;
  }

  #grow(): readonly number[] {
    const expected = (this.#madeBytes + EXPECTED_BYTES * EXPECTED_WEIGHT) / (this.#made + EXPECTED_WEIGHT);
    const grown: number[] = [];
    while (this.#admitted < this.#partitions) {
      const unmade = this.#admitted - this.#delivered - this.#waiting.size;
      const isOnly = this.#admitted <= this.#delivered;
      if (!isOnly && this.#waitingBytes + (unmade + 1) * expected > this.#limitBytes) break;
      grown.push(this.#admitted++);
    }
    return grown;
  }
}
