// Which keys go when there are too many, or they are too large together.

import { expect, test } from "vitest";
import { RecentlyUsed } from "../../src/core/recently-used.js";

test("the longest unused go, by number and by bytes", () => {
  const few = new RecentlyUsed<string>(2);
  for (const key of ["a", "b", "a", "c"]) few.use(key);
  expect(few.takeSurplus()).toEqual(["b"]);
  expect(few.takeSurplus()).toEqual([]);
  const small = new RecentlyUsed<string>(10, 100);
  small.use("a", 60);
  small.use("b", 30);
  small.use("c", 60);
  expect(small.takeSurplus()).toEqual(["a"]);
  // Used again with another size.
  small.use("b", 90);
  expect(small.takeSurplus()).toEqual(["c"]);
  small.delete("b");
  small.delete("b");
  small.use("d", 100);
  expect(small.takeSurplus()).toEqual([]);
  small.clear();
  expect(small.has("d")).toBe(false);
});

test("those used last stay, however large they are", () => {
  const small = new RecentlyUsed<number>(1, 10);
  for (const key of [1, 2, 3]) small.use(key, 100);
  expect(small.takeSurplus(2)).toEqual([1]);
  expect(small.takeSurplus(1)).toEqual([2]);
  expect(small.has(3)).toBe(true);
});
