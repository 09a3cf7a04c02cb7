// Pi by throwing darts at a square: the share that falls inside of the circle is a quarter of pi. Each partition has a
// generator of its own with a seed of its own, so the same seed gives the same answer on every master.
//
//   millrace example pi
//   millrace run --master local-cluster[2,1,512m] examples/pi.ts --samples 100000000 --partitions 16

import { Session } from "millrace";
import { readArguments } from "./support/arguments.js";

const { samples, partitions, seed, master } = readArguments({
  name: "pi",
  about: "Estimates pi by random points in a square.",
  options: {
    samples: { about: "points in all", default: 4_000_000 },
    partitions: { about: "tasks that they are divided among", default: 8 },
    seed: { about: "another one gives other points", default: 1 },
  },
  example: "--samples 100000000 --partitions 16",
});

const session = await Session.open({ appName: "pi", master });
const inside = await session
  .range(0, partitions, 1, partitions)
  .map((partition) => {
    // The points that do not divide evenly go to the first partitions.
    const points = Math.floor(samples / partitions) + (partition < samples % partitions ? 1 : 0);
    const random = generator(seed * 1_000_003 + partition);
    let hits = 0;
    for (let point = 0; point < points; point++) {
      const x = random();
      const y = random();
      if (x * x + y * y < 1) hits++;
    }
    return hits;
  })
  .reduce((a, b) => a + b);

const pi = (4 * inside) / samples;
// The standard deviation of a share of n points, times 4.
const deviation = 4 * Math.sqrt(((Math.PI / 4) * (1 - Math.PI / 4)) / samples);
console.log(`pi is about ${pi.toFixed(6)} (${inside} of ${samples} points inside)`);
console.log(`off by ${Math.abs(pi - Math.PI).toFixed(6)}, one standard deviation is ${deviation.toFixed(6)}`);
await session.stop();

/** Numbers in [0, 1): mulberry32, 32 bits of state. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
