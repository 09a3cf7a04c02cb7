// The pressure ladder: which rung, whom it asks to collect, how much of the cache it wants back, and that nothing flickers.

import { describe, expect, test } from "vitest";
import { type CollectorReading, PressureLadder, slotsUnderPressure } from "../../src/worker/memory-pressure.js";

const LIMIT = 1000;
const slot = (index: number, more: Partial<CollectorReading> = {}): CollectorReading => ({
  slot: index,
  asked: false,
  collectedAtMs: 0,
  collectMs: 0,
  ...more,
});

test("each rung is reached at its part of the limit and left 5 % below it", () => {
  const ladder = new PressureLadder();
  const level = (rss: number) => ladder.tick(0, rss, LIMIT, []).level;
  expect([799, 800, 899, 900, 949, 950].map(level)).toEqual(["calm", "warm", "warm", "high", "high", "critical"]);
  expect([949, 901, 899, 851, 849, 751, 749].map(level)).toEqual([
    "critical",
    "critical",
    "high",
    "high",
    "warm",
    "warm",
    "calm",
  ]);
  expect(level(2000)).toBe("critical");
  expect(level(0)).toBe("calm");
});

describe("collections", () => {
  test("are asked for from 80 % on, of slots that are not asked already", () => {
    const ladder = new PressureLadder();
    expect(ladder.tick(10_000, 799, LIMIT, [slot(0)]).collect).toEqual([]);
    expect(ladder.tick(10_000, 800, LIMIT, [slot(0), slot(1, { asked: true }), slot(2)]).collect).toEqual([0, 2]);
    expect(ladder.tick(10_000, 760, LIMIT, [slot(0)])).toMatchObject({ level: "warm", collect: [] });
  });

  test("take at most a part of a slot's time, a larger one the shorter memory is", () => {
    const due = (rss: number, sinceMs: number, collectMs: number) =>
      new PressureLadder().tick(10_000, rss, LIMIT, [slot(0, { collectedAtMs: 10_000 - sinceMs, collectMs })]).collect
        .length === 1;
    expect([due(850, 499, 10), due(850, 500, 10)]).toEqual([false, true]);
    expect([due(850, 1999, 200), due(850, 2000, 200)]).toEqual([false, true]);
    expect([due(920, 999, 200), due(920, 1000, 200)]).toEqual([false, true]);
    expect([due(990, 399, 200), due(990, 400, 200)]).toEqual([false, true]);
  });
});

test("from 90 % on the cache gives what brings RSS back to 80 %, and RSS has time to fall before more is asked", () => {
  const ladder = new PressureLadder();
  expect(ladder.tick(0, 899, LIMIT, []).evictBytes).toBe(0);
  expect(ladder.tick(20, 930, LIMIT, []).evictBytes).toBe(130);
  expect(ladder.tick(40, 930, LIMIT, []).evictBytes).toBe(0);
  expect(ladder.tick(220, 930, LIMIT, []).evictBytes).toBe(130);
});

test("half of the slots run above 90 %, one above 95 %, and always one", () => {
  const levels = ["calm", "warm", "high", "critical"] as const;
  expect(levels.map((level) => slotsUnderPressure(level, 8))).toEqual([8, 8, 4, 1]);
  expect(levels.map((level) => slotsUnderPressure(level, 1))).toEqual([1, 1, 1, 1]);
});
