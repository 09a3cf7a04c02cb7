// Seeded generators for sampling: the same numbers for a seed on every machine and in every process. Plain functions without
// outer names, so that they can travel inside a captured function.

/** Mixes a seed with the number of a partition: neighbouring partitions draw unrelated numbers (murmur3's finaliser). */
export function partitionSeed(seed: number, partition: number): number {
  let h = (seed ^ Math.imul(partition + 1, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Doubles in [0, 1) with 53 bits: xoshiro128** (Blackman and Vigna, 2018), seeded by splitmix32. */
export function randomFrom(seed: number): () => number {
  let mixed = seed | 0;
  const split = () => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [split(), split(), split(), split()];
  const word = () => {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
}

/** How many times something with this mean happens: Poisson by multiplication of uniforms (Knuth), in steps for large means. */
export function poisson(mean: number, random: () => number): number {
  let count = 0;
  for (let left = mean; left > 0; left -= 30) {
    const limit = Math.exp(-Math.min(left, 30));
    for (let product = random(); product > limit; product *= random()) count++;
  }
  return count;
}
