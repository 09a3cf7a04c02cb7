// Class instances as records of the built engine: slots know a class wherever records of it are decoded, also in stages whose
// own functions never name it.

import { describe, expect, test } from "vitest";
import { sessions } from "../support/engine.js";

class Point {
  constructor(readonly x: number) {}
  twice(): number {
    return this.x * 2;
  }
}
class Tally {
  constructor(public points: Point[] = []) {}
}

const { open } = sessions();

describe.each(["local", "local[2]", "local-cluster[2,1,512m]"])("on %s", (master) => {
  const opened = open(master);
  opened.catch(() => undefined);

  test("instances that are given to parallelize come back as instances", { timeout: 60_000 }, async () => {
    const session = await opened;
    const points = await session.parallelize([new Point(1), new Point(2)]).collect();
    expect(points).toEqual([new Point(1), new Point(2)]);
    expect(points.every((point) => point instanceof Point)).toBe(true);
  });

  test("a class that only the first stage names crosses two shuffles", { timeout: 60_000 }, async () => {
    const session = await opened;
    const pairs = await session
      .range(0, 12, 1, 3)
      .map((n) => [n % 4, new Point(n)])
      .groupByKey(3)
      .mapValues((all) => [...all].length)
      .collect();
    expect(pairs.map(([key, n]) => [key, n]).sort()).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    const moved = await session
      .range(0, 6, 1, 3)
      .map((n) => new Point(n))
      .repartition(2)
      .repartition(4)
      .map((point) => (point as Point).twice())
      .collect();
    expect(moved.sort((a, b) => a - b)).toEqual([0, 2, 4, 6, 8, 10]);
    const sorted = await session
      .range(0, 6, 1, 3)
      .map((n) => [5 - n, new Point(n)])
      .repartition(2)
      .sortByKey(true, 2)
      .values()
      .collect();
    expect(sorted.map((point) => (point as Point).twice())).toEqual([10, 8, 6, 4, 2, 0]);
  });

  test("zeros of aggregates, broadcast values and accumulators hold instances", { timeout: 60_000 }, async () => {
    const session = await opened;
    const total = await session.range(0, 4, 1, 2).aggregate(
      new Point(0),
      (sum, n) => ({ ...sum, x: sum.x + n }) as Point,
      (a, b) => ({ x: a.x + b.x }) as Point,
    );
    expect(total.x).toBe(6);
    const shared = session.broadcast(new Point(21));
    const found = await session
      .range(0, 2, 1, 2)
      .map((n) => [n, shared.value])
      .repartition(2)
      .repartition(3)
      .collect();
    expect(found.map((pair) => (pair[1] as Point).twice())).toEqual([42, 42]);
    const seen = session.accumulator("seen", {
      zero: new Tally(),
      add: (tally: Tally, n: number) => {
        tally.points.push(new Point(n));
        return tally;
      },
      merge: (a, b) => {
        a.points.push(...b.points);
        return a;
      },
    });
    await session.range(0, 4, 1, 2).foreach((n) => seen.add(n));
    expect(seen.value).toBeInstanceOf(Tally);
    expect(seen.value.points.map((point) => point.x).sort()).toEqual([0, 1, 2, 3]);
    expect(seen.value.points[0]).toBeInstanceOf(Point);
  });
});
