// Statistics against published figures and closed forms, samples against the binomial's bounds, approximate counts against
// their promised error. Everything is seeded: a run that passes always passes.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RddSession } from "../../src/rdd/session.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
beforeAll(async () => {
  ({ session } = await openFakeSession());
});
afterAll(() => session.stop());

describe("stats", () => {
  test("NIST's NumAcc4: 1,001 numbers near 10^7 have mean 10000000.2 and standard deviation 0.1 exactly", async () => {
    // https://www.itl.nist.gov/div898/strd/univ/numacc4.html: 10000000.2, then 10000000.1 and 10000000.3 in turn.
    const numbers = [10000000.2, ...Array.from({ length: 1_000 }, (_, i) => (i % 2 === 0 ? 10000000.1 : 10000000.3))];
    const { count, mean, sampleStdev } = await session.parallelize(numbers, 7).stats();
    expect(count).toBe(1_001);
    expect(mean).toBeCloseTo(10000000.2, 7);
    expect(sampleStdev).toBeCloseTo(0.1, 8);
  });

  test("a sum of sizes far apart loses nothing", async () => {
    expect(await session.parallelize([1, 1e100, 1, -1e100], 2).sum()).toBe(2);
    expect(await session.emptyRDD<number>().sum()).toBe(0);
  });

  test("of no and of one number", async () => {
    const none = await session.emptyRDD<number>().stats();
    expect(none).toMatchObject({
      count: 0,
      mean: Number.NaN,
      variance: Number.NaN,
      sampleVariance: Number.NaN,
      sum: 0,
    });
    const one = await session.parallelize([3]).stats();
    expect(one).toMatchObject({ count: 1, mean: 3, variance: 0, sampleVariance: Number.NaN, min: 3, max: 3 });
  });

  test("what is no number fails the job", async () => {
    const texts = session.parallelize(["a"]) as unknown as ReturnType<typeof session.range>;
    await expect(texts.stats()).rejects.toMatchObject({ message: expect.stringContaining("a number was expected") });
  });
});

describe("histogram", () => {
  test("edges: the last bucket holds its upper edge, what lies outside is not counted", async () => {
    const numbers = session.parallelize([0, 1, 2, 5, 10, 10.5, -1, Number.NaN], 3);
    expect(await numbers.histogram([0, 2, 5, 10])).toEqual({ buckets: [0, 2, 5, 10], counts: [2, 1, 2] });
  });

  test("equal widths, as Spark's example: 1 to 51 in 3 buckets", async () => {
    const { buckets, counts } = await session.range(1, 51).histogram(3);
    expect(buckets[0]).toBe(1);
    expect(buckets[3]).toBe(50);
    expect(counts.reduce((a, b) => a + b)).toBe(50);
    expect(counts).toEqual([17, 16, 17]);
  });

  test("of equal numbers there is one bucket; of none there is an error", async () => {
    expect(await session.parallelize([4, 4]).histogram(5)).toEqual({ buckets: [4, 4], counts: [2] });
    await expect(session.emptyRDD<number>().histogram(5)).rejects.toMatchObject({ code: "EMPTY_COLLECTION" });
  });

  test.each([[[1]], [[2, 1]], [[1, 1]], [[Number.NaN, 1]], [0], [1.5]])("refuses %j", async (buckets) => {
    await expect(session.range(3).histogram(buckets as number[])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("samples", () => {
  const all = Array.from({ length: 20_000 }, (_, i) => i);

  test("without replacement: about the share, nobody twice, in order, another seed draws others", async () => {
    const rdd = session.parallelize(all, 8);
    const some = await rdd.sample(false, 0.3, 1).collect();
    // Five standard deviations of a binomial.
    expect(Math.abs(some.length - 6_000)).toBeLessThan(5 * Math.sqrt(20_000 * 0.3 * 0.7));
    expect(some).toEqual([...new Set(some)].sort((a, b) => a - b));
    expect(await rdd.sample(false, 0.3, 1).collect()).toEqual(some);
    expect(await rdd.sample(false, 0.3, 2).collect()).not.toEqual(some);
  });

  test("with replacement: the number of copies is Poisson's", async () => {
    const copies = await session.parallelize(all, 8).sample(true, 2, 3).countByValue();
    const counts = all.map((n) => copies.get(n) ?? 0);
    const mean = counts.reduce((a, b) => a + b) / counts.length;
    const variance = counts.reduce((sum, n) => sum + (n - mean) ** 2, 0) / counts.length;
    expect(mean).toBeCloseTo(2, 1);
    expect(variance).toBeCloseTo(2, 0);
    expect(counts.filter((n) => n === 0).length / counts.length).toBeCloseTo(Math.exp(-2), 2);
  });

  test("the parts of a randomSplit are disjoint and together everything", async () => {
    const parts = session.parallelize(all, 5).randomSplit([3, 1], 9);
    const [train, rest] = await Promise.all(parts.map((part) => part.collect()));
    expect([...train!, ...rest!].sort((a, b) => a - b)).toEqual(all);
    expect(train!.length / all.length).toBeCloseTo(0.75, 1);
  });

  test("takeSample gives exactly as many as were asked for, or all there are", async () => {
    const rdd = session.parallelize(all, 8);
    for (const n of [1, 10, 500, 19_999]) {
      const some = await rdd.takeSample(false, n, n);
      expect(new Set(some).size).toBe(n);
    }
    expect(await rdd.takeSample(true, 30_000, 1)).toHaveLength(30_000);
    expect(new Set(await session.range(5).takeSample(false, 50)).size).toBe(5);
    expect(await session.emptyRDD().takeSample(true, 5)).toEqual([]);
  });

  test("every record is as likely to be taken first", async () => {
    const firsts = new Array<number>(10).fill(0);
    for (let seed = 0; seed < 400; seed++) {
      const [first] = await session.range(0, 10, 1, 3).takeSample(false, 3, seed);
      firsts[first as number]!++;
    }
    // Chi-squared with 9 degrees of freedom: 27.9 is its 0.999 quantile.
    expect(firsts.reduce((sum, n) => sum + (n - 40) ** 2 / 40, 0)).toBeLessThan(27.9);
  });

  test.each([
    ["a fraction above 1", () => session.range(3).sample(false, 1.5)],
    ["no flag", () => session.range(3).sample(1 as never, 0.5)],
    ["a seed that is no integer", () => session.range(3).sample(false, 0.5, 0.5)],
    ["no weights", () => session.range(3).randomSplit([])],
    ["weights of nothing", () => session.range(3).randomSplit([0, 0])],
    [
      "fractions that are no map",
      () =>
        session
          .range(3)
          .keyBy(String)
          .sampleByKey(false, 3 as never),
    ],
  ])("refuse %s at the call", (_, call) => {
    expect(call).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("countApproxDistinct", () => {
  test.each([
    [10, 0.05],
    [1_000, 0.05],
    [50_000, 0.01],
  ])("%i different records within four standard deviations of %f", async (distinct, error) => {
    const numbers = session.parallelize(
      Array.from({ length: 2 * distinct }, (_, i) => i % distinct),
      4,
    );
    expect(Math.abs((await numbers.countApproxDistinct(error)) / distinct - 1)).toBeLessThan(4 * error);
    const texts = numbers.map((n) => `record ${n}`);
    expect(Math.abs((await texts.countApproxDistinct(error)) / distinct - 1)).toBeLessThan(4 * error);
  });
});
