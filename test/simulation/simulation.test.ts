// A few seeds of the simulation with every test run; thousands, and the mutants, by `npm run simulate`.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bundleSimulation } from "./bundle.js";
import { staleMutants } from "./mutants.js";
import { regressions } from "./regressions.js";
import { range } from "./run-seeds.js";
import type { SimulationResult } from "./simulation.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("a hundred seeds, and those that once failed, hold all invariants", { timeout: 240_000 }, async () => {
  const runSeeds = await bundleSimulation(root, "test");
  const problems: string[] = [];
  const { jobs, faults } = await runSeeds({
    seeds: [...regressions.map(({ seed }) => seed), ...range(1, 100)],
    onRun: ({ seed, problems: [first] }) => {
      if (first !== undefined) problems.push(`seed ${seed}: ${first}`);
      return true;
    },
  });
  expect(problems).toEqual([]);
  expect(jobs).toBeGreaterThan(100);
  expect(faults).toBeGreaterThan(50);
});

test("a seed has one story: in a process again, and in another process", { timeout: 120_000 }, async () => {
  const runSeeds = await bundleSimulation(root, "twice");
  const stories: SimulationResult[] = [];
  const seeds = range(11, 8);
  const onRun = (result: SimulationResult) => stories.push(result) > 0;
  await runSeeds({ seeds, tracing: true, onRun });
  // In another order: nothing of one run is left for the next.
  await runSeeds({ seeds: [...seeds].reverse(), tracing: true, onRun });
  const texts = stories.map(({ trace }) => trace.join("\n"));
  expect(texts[0]?.length).toBeGreaterThan(1_000);
  expect(texts.slice(seeds.length).reverse()).toEqual(texts.slice(0, seeds.length));
  const simulate = fileURLToPath(new URL("../../dist/simulate.js", import.meta.url));
  const args = [simulate, "--seeds", "1", "--from", String(seeds[0])];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
  expect(stdout).toContain(texts[0]);
});

test("every mutant changes something that is in the sources", () => {
  expect(staleMutants(root)).toEqual([]);
});
