// Merges k sorted inputs with one comparison a level and record: the inner nodes keep the loser of each match, so that only
// the path of the input that advanced is played again.

export interface SortedInput {
  /** False: the input has ended and `key` means nothing. */
  readonly live: boolean;
  readonly key: unknown;
}

export class LoserTree<T extends SortedInput> {
  readonly #inputs: readonly T[];
  readonly #compare: (a: unknown, b: unknown) => number;
  /** [0] is the winner; [1, k) the losers, node i having the children 2i and 2i + 1, leaves from k on. */
  readonly #nodes: Int32Array;

  /** Among equal keys the input that comes first in `inputs` wins. */
  constructor(inputs: readonly T[], compare: (a: unknown, b: unknown) => number) {
    this.#inputs = inputs;
    this.#compare = compare;
    this.#nodes = new Int32Array(Math.max(1, inputs.length));
    if (inputs.length > 0) this.#nodes[0] = this.#build(1);
  }

  /** The input with the least key, null when all have ended. */
  get winner(): T | null {
    const input = this.#inputs[this.#nodes[0] as number];
    return input?.live === true ? input : null;
  }

  /** Call after the winner has advanced. */
  replay(): void {
    const nodes = this.#nodes;
    let winner = nodes[0] as number;
    for (let node = (winner + this.#inputs.length) >> 1; node > 0; node >>= 1) {
      const other = nodes[node] as number;
      if (this.#beats(other, winner)) {
        nodes[node] = winner;
        winner = other;
      }
    }
    nodes[0] = winner;
  }

  #build(node: number): number {
    const count = this.#inputs.length;
    if (node >= count) return node - count;
    const left = this.#build(2 * node);
    const right = this.#build(2 * node + 1);
    const leftWins = this.#beats(left, right);
    this.#nodes[node] = leftWins ? right : left;
    return leftWins ? left : right;
  }

  #beats(a: number, b: number): boolean {
    const x = this.#inputs[a] as T;
    const y = this.#inputs[b] as T;
    if (!x.live || !y.live) return x.live;
    const order = this.#compare(x.key, y.key);
    return order < 0 || (order === 0 && a < b);
  }
}
