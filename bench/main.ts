// The bench: millrace, a plain loop in one thread and installed peers on the same seeded files, each in processes of its own,
// their answers compared. Ends with 1 when an engine fails or answers differ.
//
//   npm run bench -- wordcount sort --peers spark
//   npm run bench -- --size small
//   npm run bench -- --growth --size 0.0625 --repeat 3

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { formatAgainst, measureAgainst, type PairedRow } from "./against.js";
import { chartOf } from "./chart.js";
import { type ChildRequest, runChild } from "./engines/child.js";
import { type Peer, peersOf } from "./engines/peers.js";
import { formatGrowth, GROWTH_WORKLOADS, type GrowthRow, growsWell, measureGrowth } from "./growth.js";
import { measure } from "./measure.js";
import { measureRecovery } from "./recovery.js";
import { formatReport, type WorkloadReport } from "./report.js";
import { resultsOf, writeResults } from "./results-file.js";
import { workloadNames } from "./workloads/index.js";

const SIZES: Readonly<Record<string, number>> = { tiny: 0.005, small: 0.02, medium: 0.1, full: 1 };
const DEFAULT_MASTERS = ["local[2]", "local-cluster[2,1,2g]"];

interface Flags {
  readonly size: string;
  readonly peers: string;
  readonly masters: string;
  readonly repeat: string;
  readonly plain: boolean;
  readonly against?: string;
  readonly json?: string;
  readonly recovery?: boolean;
  readonly growth?: boolean;
  readonly chart?: string;
}

const self = fileURLToPath(import.meta.url);

if (process.argv[2] === "--child") await runChild(JSON.parse(process.argv[3]!) as ChildRequest);
else await command().parseAsync();

function command(): Command {
  return new Command("bench")
    .description("Run workloads on millrace, a plain loop in one thread and peers, and compare times and answers.")
    .argument("[workload...]", `of ${workloadNames.join(", ")} (default: all)`)
    .option("--size <size>", `${Object.keys(SIZES).join(", ")} or a factor of full`, "small")
    .option("--peers <names>", "comma-separated: spark (run bench/peers/setup.sh first), python, duckdb, gnusort", "")
    .option("--masters <urls>", "separated by ;", DEFAULT_MASTERS.join(";"))
    .option("--repeat <n>", "warm runs, of which the best counts; with --against: pairs", "1")
    .option("--no-plain", "without the plain loop")
    .option("--against <checkout>", "another built checkout of millrace: pairs of runs, and their ratios")
    .option(
      "--recovery",
      "the recovery figure instead: a sort of which one of three workers is killed midway; --repeat pairs",
    )
    .option(
      "--growth",
      `the growth figures instead: workloads (default: ${GROWTH_WORKLOADS.join(", ")}) at 1, 4 and 16 times --size`,
    )
    .option("--chart <file>", "an SVG of the figures as bars")
    .option("--json <file>", "where the figures go (default: bench/results/<time>.json)")
    .action(main);
}

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const root = dirname(dirname(self));
  const unknown = names.find((name) => !workloadNames.includes(name));
  if (unknown !== undefined) throw new Error(`no workload is called ${unknown}; there are ${workloadNames.join(", ")}`);
  const size = SIZES[flags.size] ?? Number(flags.size);
  if (!(size > 0 && size <= 16))
    throw new Error(`--size ${flags.size}: expected ${Object.keys(SIZES).join(", ")} or a factor`);
  const repeat = Number(flags.repeat);
  if (!Number.isInteger(repeat) || repeat < 1) throw new Error(`--repeat ${flags.repeat}: expected a count from 1`);
  mkdirSync(join(root, "bench/data"), { recursive: true });
  if (flags.recovery === true) {
    const { Session } = await import("millrace");
    if (!(await measureRecovery({ root, size, pairs: repeat, Session }))) process.exitCode = 1;
    return;
  }
  const scratch = mkdtempSync(join(root, "bench/data/.run-"));
  const masters = flags.masters.split(";").filter(Boolean);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
  const peers = choosePeers(root, flags.peers);
  const data = join(root, "bench/data");
  const setting = { root, self, data, size, repeat, masters, peers, plain: flags.plain, scratch, signal: stop.signal };
  const [load] = loadavg();
  const reports: WorkloadReport[] = [];
  const failures: string[] = [];
  let paired: PairedRow[] = [];
  let grown: GrowthRow[] = [];
  try {
    if (flags.growth === true) {
      grown = await measureGrowth(names.length > 0 ? names : GROWTH_WORKLOADS, setting, failures);
      console.log(formatGrowth(grown, size));
      return;
    }
    if (flags.against !== undefined) {
      paired = await measureAgainst(flags.against, names.length > 0 ? names : workloadNames, setting, failures);
      console.log(formatAgainst(paired));
      return;
    }
    for (const name of names.length > 0 ? names : workloadNames) {
      if (stop.signal.aborted) break;
      const report = await measure(name, setting, failures);
      reports.push(report);
      console.log(formatReport(report));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    for (const failure of failures) console.error(`bench: ${failure}`);
    const differing = [...reports.flatMap((one) => one.disagreements), ...paired.flatMap((one) => one.differences)];
    if (failures.length > 0 || differing.length > 0 || !grown.every(growsWell)) process.exitCode = 1;
  }
  const results = resultsOf(size, load!, reports);
  const json = flags.json ?? join(root, "bench/results", `${results.time.replaceAll(":", "-")}.json`);
  writeResults(json, results);
  console.log(`figures: ${json}`);
  if (flags.chart !== undefined) writeFileSync(flags.chart, chartOf(results));
}

function choosePeers(root: string, names: string): Peer[] {
  const known = peersOf(root);
  return names
    .split(",")
    .filter(Boolean)
    .flatMap((name) => {
      const peer = known[name];
      if (peer === undefined) throw new Error(`no peer is called ${name}; there are ${Object.keys(known).join(", ")}`);
      const missing = peer.missing();
      if (missing === null) return [peer];
      console.error(`bench: ${name} is left out: ${missing}`);
      return [];
    });
}
