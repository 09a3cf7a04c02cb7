// Counters, timers and histograms as numbers: what is shown of them, and that tasks may be added up in any order.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addNumbers,
  bucketOf,
  CounterCell,
  type Distribution,
  HistogramCell,
  showNumbers,
  TimerCell,
} from "../../src/core/user-metrics.js";

const amount = fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e12, noNaN: true }));
const numbersOf = (values: readonly number[]) => {
  const cell = new HistogramCell();
  for (const value of values) cell.record(value);
  return cell.isEmpty ? [] : cell.toNumbers();
};
const shown = (numbers: readonly number[]) => showNumbers("histogram", numbers) as Distribution;

describe("a histogram", () => {
  test("knows count, least and most exactly, and quantiles to 7 %", () => {
    fc.assert(
      fc.property(fc.array(amount, { minLength: 1, maxLength: 200 }), (values) => {
        const sorted = [...values].sort((a, b) => a - b);
        const { count, min, max, mean, sum, ...quantiles } = shown(numbersOf(values));
        expect([count, min, max]).toEqual([values.length, sorted[0], sorted.at(-1)]);
        expect(mean).toBeCloseTo(sum / count, 6);
        for (const [name, share] of Object.entries({ p50: 0.5, p95: 0.95, p99: 0.99 })) {
          const exact = sorted[Math.ceil(share * count) - 1] as number;
          expect(Math.abs(quantiles[name as keyof typeof quantiles] - exact)).toBeLessThanOrEqual(0.07 * exact);
        }
      }),
    );
  });

  test("of several tasks is that of all their values, in whatever order they are added up", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 30 }), { maxLength: 6 }),
        (tasks) => {
          const add = (all: readonly (readonly number[])[]) =>
            all.reduce<readonly number[]>((sum, one) => addNumbers("histogram", sum, one), []);
          const parts = tasks.map(numbersOf);
          const whole = numbersOf(tasks.flat());
          expect(add(parts)).toEqual(whole);
          expect(add([...parts].reverse())).toEqual(whole);
        },
      ),
    );
  });

  test("takes what is not above 0 as one bucket", () => {
    expect([0, -0, -5, Number.NaN].map(bucketOf)).toEqual([0, 0, 0, 0]);
    expect(shown(numbersOf([-2, 0, 0])).max).toBe(0);
    expect(bucketOf(Number.MAX_VALUE)).toBeLessThan(2048 * 8 + 1);
    expect(bucketOf(Number.MIN_VALUE)).toBeGreaterThan(0);
  });

  test("is empty again after clear", () => {
    const cell = new HistogramCell();
    cell.record(3);
    cell.clear();
    expect(cell.isEmpty).toBe(true);
    cell.record(5);
    expect(cell.toNumbers()).toEqual([1, 5, 5, 5, bucketOf(5), 1]);
  });
});

describe("a timer", () => {
  test("knows how many calls there were, also where it measures few of them", () => {
    const cell = new TimerCell();
    let worked = 0;
    for (let i = 0; i < 20_000; i++) cell.time(() => worked++);
    expect(worked).toBe(20_000);
    const { count, min, mean, max } = showNumbers("timer", cell.toNumbers()) as Distribution;
    expect(count).toBe(20_000);
    expect(min).toBeLessThanOrEqual(mean);
    expect(mean).toBeLessThanOrEqual(max);
  });

  test("counts a call that throws, and a promise until it settles", async () => {
    const cell = new TimerCell();
    expect(() =>
      cell.time(() => {
        throw new Error("mine");
      }),
    ).toThrow("mine");
    let settle: (value: number) => void = () => undefined;
    const answer = cell.time(() => new Promise<number>((resolve) => (settle = resolve)));
    expect(cell.count).toBe(1);
    settle(7);
    expect(await answer).toBe(7);
    expect(cell.count).toBe(2);
    cell.record(1000);
    expect((showNumbers("timer", cell.toNumbers()) as Distribution).max).toBe(1000);
  });
});

test("a counter adds, and cannot be read in a task", () => {
  const cell = new CounterCell();
  cell.add();
  cell.add(4);
  expect(cell.toNumbers()).toEqual([5]);
  expect(addNumbers("counter", [5], [7])).toEqual([12]);
  expect(() => cell.value).toThrow(/in the driver only/);
  expect(() => new HistogramCell().value).toThrow(/in the driver only/);
});
