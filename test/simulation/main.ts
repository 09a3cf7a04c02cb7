// `npm run simulate -- --seeds N [--from K]`: runs N seeds, prints how many jobs a second and every failure with its seed and
// the end of its trace; a single seed (--seeds 1 --from K) prints the whole trace. `--mutants` shows that the simulation finds
// bugs: each known one is put into the sources in turn and must fail a seed. Exit code 1 when something did not hold.

import { parseArgs } from "node:util";
import { huntMutants } from "./mutants.js";
import { runSeeds } from "./run-seeds.js";
import { Simulation } from "./simulation.js";

/** Failures told in full; the rest are counted. */
const SHOWN = 3;
const TRACE_SHOWN = 120;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "1" },
    mutants: { type: "boolean", default: false },
  },
});
const seeds = positive("seeds", values.seeds ?? (values.mutants ? "2000" : "200"));
const from = positive("from", values.from);

if (values.mutants) {
  if (!(await huntMutants(from, seeds, console.log))) process.exitCode = 1;
} else {
  simulate();
}

function simulate(): void {
  const started = performance.now();
  let told = 0;
  const { jobs, faults, copies, exclusions, failed } = runSeeds(from, seeds, (result) => {
    if (++told > SHOWN) return true;
    const { seed, problems } = result;
    const text = problems.slice(0, 5).join("\n  ");
    console.log(`seed ${seed} failed:\n  ${text}\n  faults: ${result.faults.join("; ")}`);
    const { trace } = new Simulation(seed, true).run();
    console.log(trace.slice(seeds === 1 ? 0 : -TRACE_SHOWN).join("\n"));
    console.log(`replay: npm run simulate -- --seeds 1 --from ${seed}`);
    return true;
  });
  const seconds = (performance.now() - started) / 1000;
  const rate = Math.round(jobs / seconds);
  console.log(
    `${seeds} seeds, ${jobs} jobs (${rate} jobs/s), ${faults} faults injected, ${copies} second attempts, ${exclusions} exclusions, ${failed.length} failed`,
  );
  if (failed.length === 0) return;
  console.log(`failed seeds: ${failed.slice(0, 50).join(" ")}`);
  process.exitCode = 1;
}

function positive(name: string, text: string): number {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  console.error(`--${name} takes a whole number above 0, not ${JSON.stringify(text)}`);
  process.exit(2);
}
