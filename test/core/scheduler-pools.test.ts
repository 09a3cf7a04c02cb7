// Pools as options: read from an object or its JSON text, and refused with the place that is wrong.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fromPortableOptions, resolveOptions, toPortableOptions } from "../../src/core/options.js";
import { parsePools } from "../../src/core/scheduler-pools.js";

const fast = { fast: { weight: 2 } };
const whole = { fast: { mode: "FIFO", weight: 2, minShare: 0 } };

test("what a pool does not say is FIFO, weight 1 and no least share", () => {
  expect(parsePools(fast, "x")).toEqual(whole);
  expect(parsePools(JSON.stringify(fast), "x")).toEqual(whole);
  expect(parsePools({ a: {}, b: { mode: "FAIR", minShare: 3 } }, "x")).toEqual({
    a: { mode: "FIFO", weight: 1, minShare: 0 },
    b: { mode: "FAIR", weight: 1, minShare: 3 },
  });
});

test.each([
  [[], "an object"],
  ["{", "not JSON"],
  [{ a: 3 }, 'pool "a"'],
  [{ a: { weight: 0 } }, "above 0"],
  [{ a: { weight: "2" } }, "weight"],
  [{ a: { minShare: 1.5 } }, "whole number"],
  [{ a: { mode: "fair" } }, "FIFO or FAIR"],
  [{ a: { wieght: 1 } }, "wieght"],
  [{ " ": {} }, "not empty"],
])("%j is refused: %s", (value, words) => {
  const refusal = expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(words) });
  expect(() => parsePools(value, "option scheduler.pools")).toThrow(refusal);
});

test("they stand in millrace.json, in a variable and in Session.open, and travel to the master", () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-pools-"));
  try {
    writeFileSync(join(directory, "millrace.json"), JSON.stringify({ scheduler: { mode: "FAIR", pools: fast } }));
    const { values, origins } = resolveOptions({ programDirectory: directory });
    expect(values["scheduler.mode"]).toBe("FAIR");
    expect(values["scheduler.pools"]).toEqual(whole);
    expect(origins["scheduler.pools"].kind).toBe("file");
    const environment = { MILLRACE_SCHEDULER_POOLS: '{"slow":{"weight":0.5}}' };
    expect(resolveOptions({ programDirectory: directory, environment }).values["scheduler.pools"]).toEqual({
      slow: { mode: "FIFO", weight: 0.5, minShare: 0 },
    });
    const portable = toPortableOptions(values);
    expect(typeof portable["scheduler.pools"]).toBe("string");
    expect(fromPortableOptions(portable)["scheduler.pools"]).toEqual(whole);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
