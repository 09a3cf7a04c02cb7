// Runs a range of seeds. Apart from main.ts, because the mutants (mutants.ts) run it over sources with a seeded bug.

import { Simulation, type SimulationResult } from "./simulation.js";

export interface SeedsResult {
  readonly jobs: number;
  readonly faults: number;
  readonly copies: number;
  readonly exclusions: number;
  readonly failed: readonly number[];
}

/** `onFailure` sees each failed run; false from it ends the series. */
export function runSeeds(from: number, seeds: number, onFailure: (result: SimulationResult) => boolean): SeedsResult {
  const failed: number[] = [];
  let jobs = 0;
  let faults = 0;
  let copies = 0;
  let exclusions = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const result = new Simulation(seed, false).run();
    jobs += result.jobs;
    faults += result.faults.length;
    copies += result.copies;
    exclusions += result.exclusions;
    if (result.problems.length === 0) continue;
    failed.push(seed);
    if (!onFailure(result)) break;
  }
  return { jobs, faults, copies, exclusions, failed };
}
