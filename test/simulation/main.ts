// `npm run simulate -- --seeds N [--from K]`: runs N seeds, prints how many jobs a second and every failure with its seed and
// the end of its trace; a single seed (--seeds 1 --from K) prints the whole trace. Exit code 1 when an invariant failed.

import { parseArgs } from "node:util";
import { Simulation } from "./simulation.js";

/** Failures told in full; the rest are counted. */
const SHOWN = 3;
const TRACE_SHOWN = 120;

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "200" }, from: { type: "string", default: "1" } },
});
const seeds = positive("seeds", values.seeds);
const from = positive("from", values.from);
const started = performance.now();
let jobs = 0;
let faults = 0;
const failed: number[] = [];

for (let seed = from; seed < from + seeds; seed++) {
  const result = new Simulation(seed, false).run();
  jobs += result.jobs;
  faults += result.faults.length;
  if (result.problems.length === 0) continue;
  failed.push(seed);
  if (failed.length > SHOWN) continue;
  console.log(
    `seed ${seed} failed:\n  ${result.problems.slice(0, 5).join("\n  ")}\n  faults: ${result.faults.join("; ")}`,
  );
  const { trace } = new Simulation(seed, true).run();
  console.log(trace.slice(seeds === 1 ? 0 : -TRACE_SHOWN).join("\n"));
  console.log(`replay: npm run simulate -- --seeds 1 --from ${seed}`);
}

const seconds = (performance.now() - started) / 1000;
console.log(
  `${seeds} seeds, ${jobs} jobs (${Math.round(jobs / seconds)} jobs/s), ${faults} faults injected, ${failed.length} failed`,
);
if (failed.length > 0) {
  console.log(`failed seeds: ${failed.slice(0, 50).join(" ")}`);
  process.exitCode = 1;
}

function positive(name: string, text: string): number {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  console.error(`--${name} takes a whole number above 0, not ${JSON.stringify(text)}`);
  process.exit(2);
}
