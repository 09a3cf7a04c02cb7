// The chaos variant fits the sources.

import { expect, test } from "vitest";
import { staleChanges } from "../../support/variant.js";
import { changes } from "./points.js";

test("every place that the chaos variant changes stands in the sources once", () => {
  expect(staleChanges(changes)).toEqual([]);
});
