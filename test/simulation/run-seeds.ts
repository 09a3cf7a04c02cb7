// Runs a range of seeds. Bundled with the sources that it runs (bundle.ts), also with seeded bugs in them (mutants.ts).

import { Simulation, type SimulationResult } from "./simulation.js";

export interface SeedsResult {
  readonly jobs: number;
  readonly faults: number;
  readonly steps: number;
  readonly copies: number;
  readonly grouped: number;
  readonly failed: readonly number[];
}

export interface SeedsOptions {
  readonly seeds: Iterable<number>;
  readonly tracing?: boolean;
  /** Sees each run; false from it ends the series. */
  readonly onRun: (result: SimulationResult) => boolean;
}

export async function runSeeds({ seeds, tracing = false, onRun }: SeedsOptions): Promise<SeedsResult> {
  const failed: number[] = [];
  let jobs = 0;
  let faults = 0;
  let steps = 0;
  let copies = 0;
  let grouped = 0;
  let running: Simulation | null = null;
  const rejected = (error: unknown) => running?.rejected(error);
  process.on("unhandledRejection", rejected);
  try {
    for (const seed of seeds) {
      running = new Simulation(seed, tracing);
      const result = await running.run();
      jobs += result.jobs;
      faults += result.faults.length;
      steps += result.steps;
      copies += result.copies;
      grouped += result.grouped;
      if (result.problems.length > 0) failed.push(seed);
      if (!onRun(result)) break;
    }
  } finally {
    process.off("unhandledRejection", rejected);
  }
  return { jobs, faults, steps, copies, grouped, failed };
}

export function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
