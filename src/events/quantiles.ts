// Quantiles of the times of a stage's tasks, exact: eight bytes a task.

export interface Quantiles {
  readonly min: number;
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
  readonly max: number;
  /** max / median: how much longer the slowest task ran than most. 1 where the median is 0. */
  readonly skew: number;
}

export class TimeSample {
  #values = new Float64Array(16);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const wider = new Float64Array(2 * this.#count);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#count++] = value;
  }

  /** null: nothing was added. */
  quantiles(): Quantiles | null {
    if (this.#count === 0) return null;
    const sorted = this.#values.slice(0, this.#count).sort();
    const at = (share: number) => sorted[Math.min(this.#count - 1, Math.floor(share * this.#count))] as number;
    const [median, max] = [at(0.5), at(1)];
    return { min: at(0), p25: at(0.25), median, p75: at(0.75), max, skew: median > 0 ? max / median : 1 };
  }
}
