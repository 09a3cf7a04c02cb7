// Stacks of compiled code in the user's lines, once.

import { expect, test } from "vitest";
import { mapStack, registerSourceMap } from "../../src/closure/index.js";

/** Line 1 of the compiled code is line 10 of the source, line 10 is line 20. */
const mappings = `AASA${";".repeat(9)}AAUA`;

test("code under its source's own name is mapped once, however often a stack passes through", () => {
  registerSourceMap("file:///app/main.ts", { version: 3, names: [], sources: ["main.ts"], mappings });
  const stack = "Error: x\n    at f (file:///app/main.ts:1:1)\n    at file:///app/other.ts:1:1";
  const mapped = mapStack(stack);
  expect(mapped).toBe("Error: x\n    at f (/app/main.ts:10:1)\n    at file:///app/other.ts:1:1");
  expect(mapStack(mapped)).toBe(mapped);
});

test("a built file is mapped by path and by URL", () => {
  registerSourceMap("file:///app/dist/main.js", { version: 3, names: [], sources: ["../main2.ts"], mappings });
  expect(mapStack("    at /app/dist/main.js:1:1")).toBe("    at /app/main2.ts:10:1");
  expect(mapStack("    at file:///app/dist/main.js:10:1")).toBe("    at /app/main2.ts:20:1");
});
