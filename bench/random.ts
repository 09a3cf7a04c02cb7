// A seeded generator for the bench's data: the same files on every machine. Not for anything that must be unguessable.

export type Random = () => number;

/** xoshiro128**: uniform in [0, 1) with 32 bits. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    // splitmix32 spreads the seed over the state.
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [next(), next(), next(), next()];
  return () => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return (result >>> 0) / 2 ** 32;
  };
}

/** Ranks 0 .. n-1 with probability proportional to 1 / (rank + 1), by Vose's alias table: two draws a sample. */
export function zipf(n: number, random: Random): () => number {
  const threshold = new Float64Array(n);
  const alias = new Uint32Array(n);
  let total = 0;
  for (let rank = 0; rank < n; rank++) total += 1 / (rank + 1);
  const small: number[] = [];
  const large: number[] = [];
  for (let rank = 0; rank < n; rank++) {
    threshold[rank] = n / ((rank + 1) * total);
    (threshold[rank]! < 1 ? small : large).push(rank);
  }
  while (small.length > 0 && large.length > 0) {
    const less = small.pop()!;
    const more = large.pop()!;
    alias[less] = more;
    threshold[more]! -= 1 - threshold[less]!;
    (threshold[more]! < 1 ? small : large).push(more);
  }
  for (const rank of [...small, ...large]) threshold[rank] = 1;
  return () => {
    const slot = Math.floor(random() * n);
    return random() < threshold[slot]! ? slot : alias[slot]!;
  };
}
