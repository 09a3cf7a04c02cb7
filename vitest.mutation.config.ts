// For `npm run mutation`: the tests that drive the master's pure machines, in one thread, without the compiler.

import { defineConfig } from "vitest/config";

const machines = [
  "decommission",
  "exclusion",
  "indeterminacy",
  "locality",
  "machine",
  "queue-ahead",
  "recovery",
  "result-window",
  "short-of-disk",
  "skew",
  "speculation",
  "storage",
  "task-assigner",
];

export default defineConfig({
  test: {
    include: machines.map((name) => `test/master/${name}.test.ts`),
    testTimeout: 20_000,
    pool: "threads",
  },
});
