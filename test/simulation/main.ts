// `npm run simulate`: runs seeds, prints how many jobs a second and every failure with its seed and the end of its trace; or
// shows that the simulation finds bugs, by putting known ones into the sources. HELP has the options.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleSimulation } from "./bundle.js";
import { huntMutants, huntOne } from "./mutants.js";
import { regressions } from "./regressions.js";
import { range } from "./run-seeds.js";
import { CHUNK, runShard, runShards, serveShards } from "./shards.js";
import type { SimulationResult } from "./simulation.js";

/** Failures told in full; the rest are counted. */
const SHOWN = 3;
const TRACE_SHOWN = 120;

const HELP = `Usage: npm run simulate -- [options]

Runs whole clusters on a virtual clock, network and disk that a seed disturbs, and holds every answer against a model.

  --seeds <n>    how many seeds to run (default: 200, with --mutants 2000); of a single one the whole trace is printed
  --from <seed>  the first seed (default: 1)
  --regressions  run the seeds of test/simulation/regressions.ts first
  --mutants      put each known bug into the sources in turn: some seed must find it
  --only <text>  of the mutants those whose names have the text in them (default: all)
  --mutant <n>   the one mutant of that number, in this process
  --help         print this

Examples:
  npm run simulate -- --seeds 2000
  npm run simulate -- --seeds 1 --from 4711
  npm run simulate -- --mutants --only speculation

The exit code is 1 when something did not hold, 2 when an argument cannot be read.`;

const values = readArguments();
const root = fileURLToPath(new URL("../", import.meta.url));
const script = fileURLToPath(import.meta.url);
const seeds = positive("seeds", values.seeds ?? (values.mutants ? "2000" : "200"));
const from = positive("from", values.from);

if (values.shard) {
  serveShards(await bundleSimulation(root, "seeds"));
} else if (values.mutant !== undefined) {
  const found = await huntOne(root, Number(values.mutant), from, seeds);
  console.log(found ?? `NOT FOUND in ${seeds} seeds`);
  if (found === null) process.exitCode = 1;
} else if (values.mutants) {
  const command = [process.execPath, script] as const;
  if (!(await huntMutants(command, { from, seeds, only: values.only }, console.log))) process.exitCode = 1;
} else {
  await simulate();
}

async function simulate(): Promise<void> {
  const kept = values.regressions ? regressions.map(({ seed }) => seed) : [];
  const started = performance.now();
  const all = [...kept, ...range(from, seeds)];
  const runSeeds = await bundleSimulation(root, "seeds");
  const { jobs, faults, steps, copies, grouped, failed, broken, cpuMicros } =
    all.length <= CHUNK ? await runShard(runSeeds, all) : await runShards(script, all);
  const seconds = (performance.now() - started) / 1000;
  for (const result of broken.slice(0, SHOWN)) await tell(runSeeds, result);
  if (seeds === 1 && broken.length === 0) await printTrace(runSeeds, from, Number.POSITIVE_INFINITY);
  const rate = Math.round(jobs / seconds);
  const own = Math.round(jobs / (cpuMicros / 1e6));
  const what = `${kept.length > 0 ? `${kept.length} kept seeds and ` : ""}${seeds} seeds from ${from}`;
  console.log(
    `${what}: ${jobs} jobs (${rate} jobs/s, ${own} a second of processor time), ${steps} steps, ${faults} faults injected, ${copies} second attempts, ${grouped} launched behind another, ${failed.length} failed`,
  );
  if (failed.length === 0) return;
  console.log(`failed seeds: ${failed.slice(0, 50).join(" ")}`);
  process.exitCode = 1;
}

type RunSeeds = Awaited<ReturnType<typeof bundleSimulation>>;

async function tell(runSeeds: RunSeeds, { seed, problems, faults }: SimulationResult): Promise<void> {
  console.log(`seed ${seed} failed:\n  ${problems.slice(0, 5).join("\n  ")}\n  faults: ${faults.join("; ")}`);
  await printTrace(runSeeds, seed, seeds === 1 ? Number.POSITIVE_INFINITY : TRACE_SHOWN);
  console.log(`replay: npm run simulate -- --seeds 1 --from ${seed}`);
}

async function printTrace(runSeeds: RunSeeds, seed: number, lines: number): Promise<void> {
  await runSeeds({
    seeds: [seed],
    tracing: true,
    onRun: ({ trace }) => {
      console.log(trace.slice(-Math.min(lines, trace.length)).join("\n"));
      return true;
    },
  });
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: "string" },
        from: { type: "string", default: "1" },
        mutants: { type: "boolean", default: false },
        mutant: { type: "string" },
        only: { type: "string", default: "" },
        regressions: { type: "boolean", default: false },
        /** Takes seeds from the process that started it. */
        shard: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (!values.help) return values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
  console.log(HELP);
  process.exit(0);
}

function positive(name: string, text: string): number {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  console.error(`--${name} takes a whole number above 0, not ${JSON.stringify(text)}`);
  process.exit(2);
}
