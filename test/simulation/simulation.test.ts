// A few seeds of the simulation with every test run; thousands, and the mutants, by `npm run simulate`.

import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { staleMutants } from "./mutants.js";
import { runSeeds } from "./run-seeds.js";

test("a hundred seeds hold all invariants", { timeout: 120_000 }, () => {
  const problems: string[] = [];
  const { jobs, faults } = runSeeds(1, 100, (result) => {
    problems.push(`seed ${result.seed}: ${result.problems[0]}`);
    return true;
  });
  expect(problems).toEqual([]);
  expect(jobs).toBeGreaterThan(100);
  expect(faults).toBeGreaterThan(50);
});

test("every mutant changes something that is in the sources", () => {
  expect(staleMutants(fileURLToPath(new URL("../../", import.meta.url)))).toEqual([]);
});
