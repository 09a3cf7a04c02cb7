// What every operator that holds data is given: a budget to ask before it grows, and a store to put aside what does not
// fit. Both are synchronous, because slots are synchronous inside a batch.

/** The share of memory that one task's operators may hold together. */
export interface MemoryBudget {
  /** Bytes that may be reserved in all. */
  readonly limitBytes: number;
  /** Bytes reserved now. */
  readonly reservedBytes: number;
  /** Takes `bytes` if they fit and answers whether it did. Never waits. */
  tryReserve(bytes: number): boolean;
  /** Gives back what an earlier `tryReserve` took. */
  release(bytes: number): void;
  /** The same budget for one holder of data ("groupByKey at x.ts:9:4, grouping"): what it takes is told by its name too. */
  named(name: string): MemoryBudget;
}

/** What one holder has reserved. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: number;
}

/** Append-only scratch files of one attempt; all of them go with the attempt, whatever its end. */
export interface SpillStore {
  /** Bytes written so far by this attempt, for its metrics. */
  readonly writtenBytes: number;
  /** What that took in memory, as estimated. */
  readonly memoryBytes: number;
  create(purpose: string): SpillFile;
}

export interface SpillFile {
  readonly sizeBytes: number;
  /** Appends and returns the offset at which `bytes` begin. `memoryBytes`: what they took in memory. Default: the same. */
  append(bytes: Uint8Array, memoryBytes?: number): number;
  /** Reads exactly `length` bytes at `offset`; throws IO_ERROR when fewer are there. */
  read(offset: number, length: number): Uint8Array;
  /** Closes and removes the file. Idempotent. */
  delete(): void;
}

/** A budget that counts and refuses beyond its limit; tests and single-slot processes use it as it is. */
export class CountingBudget implements MemoryBudget {
  #reserved = 0;
  readonly #shares: NamedShare[] = [];
  constructor(readonly limitBytes: number) {}

  get reservedBytes(): number {
    return this.#reserved;
  }

  tryReserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.limitBytes) return false;
    this.#reserved += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
  }

  named(name: string): MemoryBudget {
    const share = new NamedShare(this, name);
    this.#shares.push(share);
    return share;
  }

  /** Who holds something, in the order in which they came. */
  get holders(): NamedBytes[] {
    return this.#shares.filter(({ bytes }) => bytes > 0).map(({ name, bytes }) => ({ name, bytes }));
  }
}

/** One holder's part of a budget. `onChange` is told what it holds after each change. */
export class NamedShare implements MemoryBudget, NamedBytes {
  bytes = 0;
  constructor(
    private readonly whole: MemoryBudget,
    readonly name: string,
    private readonly onChange: (bytes: number) => void = () => undefined,
  ) {}

  get limitBytes(): number {
    return this.whole.limitBytes;
  }

  get reservedBytes(): number {
    return this.whole.reservedBytes;
  }

  tryReserve(bytes: number): boolean {
    if (!this.whole.tryReserve(bytes)) return false;
    this.bytes += bytes;
    this.onChange(this.bytes);
    return true;
  }

  release(bytes: number): void {
    this.whole.release(bytes);
    this.bytes -= bytes;
    this.onChange(this.bytes);
  }

  named(name: string): MemoryBudget {
    return this.whole.named(name);
  }
}
