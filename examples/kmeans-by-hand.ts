// k-means by hand: Lloyd's algorithm of plain RDD operations. The points stay in the cache; each iteration broadcasts the
// centres, every point goes to its nearest, and the means of the groups are the next centres.
//
//   millrace example kmeans-by-hand                                     airports by where they lie
//   millrace run examples/kmeans-by-hand.ts --columns delay,distance --k 3 data/flights.csv

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";
import { columns as cells } from "./support/csv.js";

const { input, columns, k, iterations, master } = readArguments({
  name: "kmeans-by-hand",
  about: "Groups the rows of a CSV file by k-means, written with plain RDD operations.",
  positionals: { input: { about: "CSV files with a head line", default: sample("airports.csv") } },
  options: {
    columns: { about: "columns of numbers that make a point, with commas between", default: "latitude,longitude" },
    k: { about: "groups", default: 6 },
    iterations: { about: "at most; it stops earlier when no centre moves any more", default: 50 },
  },
  example: "--columns delay,distance --k 3 flights.csv",
});

type Point = readonly number[];

const session = await Session.open({ appName: "k-means by hand", master });
const lines = session.textFile(input);
const head = await lines.first();
const places = columns.split(",").map((name) => cells(head).indexOf(name));
if (places.includes(-1)) {
  console.error(`kmeans-by-hand: ${input} has the columns ${head}, not all of ${columns}`);
  process.exit(2);
}
const points = lines
  .filter((line) => line !== head)
  .map((line): Point => {
    const row = cells(line);
    return places.map((place) => Number(row[place]));
  })
  .filter((point) => point.every(Number.isFinite))
  .cache();

let centres = await farthestFirst();
let iteration = 0;
for (let moved = true; moved && iteration < iterations; iteration++) {
  const known = session.broadcast(centres);
  const sums = await points
    .map((point) => [nearest(known.value, point).group, { sum: point, count: 1 }])
    .reduceByKey((a, b) => ({ sum: a.sum.map((x, i) => x + b.sum[i]!), count: a.count + b.count }))
    .collect();
  const means = new Map(sums.map(([group, { sum, count }]) => [group, sum.map((x) => x / count)]));
  // A group that has lost all its points keeps its centre.
  const next: Point[] = centres.map((centre, group) => means.get(group) ?? centre);
  moved = next.some((centre, group) => distance(centre, centres[group]!) > 1e-12);
  centres = next;
  known.unpersist();
}

const final = session.broadcast(centres);
const groups = await points
  .map((point) => nearest(final.value, point))
  .map(({ group, squared }) => [group, { size: 1, squared }])
  .reduceByKey((a, b) => ({ size: a.size + b.size, squared: a.squared + b.squared }))
  .collect();
const cost = groups.reduce((sum, [, { squared }]) => sum + squared, 0);

console.log(`${groups.length} groups after ${iteration} iterations, sum of squared distances ${cost.toFixed(3)}`);
for (const [group, { size }] of groups.sort(([, a], [, b]) => b.size - a.size))
  console.log(`${String(size).padStart(7)}  ${centres[group]!.map((x) => x.toFixed(3)).join("  ")}`);
await session.stop();

/** The first point, then again and again the one that is farthest from all that were chosen: the same for every run. */
async function farthestFirst(): Promise<Point[]> {
  const chosen: Point[] = [await points.first()];
  while (chosen.length < k) {
    const [farthest] = await points.top(1, (point) => [nearest(chosen, point).squared, ...point]);
    chosen.push(farthest!);
  }
  return chosen;
}

function nearest(centres: readonly Point[], point: Point): { readonly group: number; readonly squared: number } {
  let best = { group: 0, squared: Number.POSITIVE_INFINITY };
  for (const [group, centre] of centres.entries()) {
    const squared = distance(centre, point);
    if (squared < best.squared) best = { group, squared };
  }
  return best;
}

function distance(a: Point, b: Point): number {
  return a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
}
