import { expect, test } from "vitest";
import { openFileLimit, openFilesShare, parseOpenFileLimit } from "../../src/core/open-file-limit.js";

const limits = (value: string) =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${value}                 ${value}                 files     \nMax locked memory         8388608              8388608              bytes     \n`;

test("the soft limit is read from the system's table", () => {
  expect(parseOpenFileLimit(limits("256"))).toBe(256);
  expect(parseOpenFileLimit(limits("unlimited"))).toBe(Number.MAX_SAFE_INTEGER);
  expect(parseOpenFileLimit("nothing of the kind")).toBe(1024);
  expect(openFileLimit()).toBeGreaterThan(0);
});

test("all caches of a process together keep at most half of what it may open", () => {
  expect(openFilesShare(256, 3, 2_000) * 3).toBeLessThanOrEqual(128);
  expect(openFilesShare(1_048_576, 9, 2_000)).toBe(2_000);
  expect(openFilesShare(64, 33, 2_000)).toBe(8);
});
