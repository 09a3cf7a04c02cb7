// A type test that is wrong on purpose: where it passes, type tests are not read at all.

import { expectTypeOf, test } from "vitest";
import type { RDD } from "../../../src/rdd/rdd.js";

declare const words: RDD<string>;

test("words are not numbers", () => {
  expectTypeOf(words.map((word) => word.length)).toEqualTypeOf<RDD<string>>();
});
