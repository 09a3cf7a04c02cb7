import { expect, it } from "vitest";
import { SteadyClock } from "../../src/core/steady-clock.js";

it("stands still while the process did", () => {
  let time = 0;
  const clock = new SteadyClock(100, () => time);
  time = 100;
  expect(clock.tick()).toBe(100);
  time = 60_100;
  expect(clock.tick()).toBe(200);
  time = 60_150;
  expect(clock.now()).toBe(250);
});

it("never goes back when a late tick follows a look at it", () => {
  let time = 0;
  const clock = new SteadyClock(100, () => time);
  time = 450;
  const seen = clock.now();
  expect(clock.tick()).toBeGreaterThanOrEqual(seen);
});
