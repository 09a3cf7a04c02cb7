// The bench: millrace, a plain loop in one thread and installed peers on the same seeded files, each in processes of its own,
// their answers compared. Ends with 1 when an engine fails or answers differ.
//
//   npm run bench -- wordcount sort --peers spark
//   npm run bench -- --size small

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { inputFile } from "./data.js";
import { type ChildAnswer, type ChildRequest, runChild } from "./engines/child.js";
import { type Peer, peersOf } from "./engines/peers.js";
import { measureStarts, measureStartup } from "./engines/process-workloads.js";
import { type ProcessSpec, runProcess } from "./engines/run-process.js";
import { compareValues, formatReport, type Measurement, type WorkloadReport } from "./report.js";
import { workloadNames, workloads } from "./workloads/index.js";
import { checkSorted } from "./workloads/sort.js";
import type { Value } from "./workloads/workload.js";

const SIZES: Readonly<Record<string, number>> = { tiny: 0.005, small: 0.02, medium: 0.1, full: 1 };
const DEFAULT_MASTERS = ["local[2]", "local-cluster[2,1,2g]"];
const STARTUP_MASTERS = ["local[2]", "local-cluster[2,1,1g]"];
const RSS_MASTERS = ["local-cluster[1,1,512m]"];
/** The plain sort holds all lines: 5 M strings are above Node's default heap. */
const PLAIN_HEAP_MB = 12_000;

interface Flags {
  readonly size: string;
  readonly peers: string;
  readonly masters: string;
  readonly repeat: string;
  readonly plain: boolean;
  readonly json?: string;
}

interface Setting {
  readonly root: string;
  readonly size: number;
  readonly repeat: number;
  readonly masters: readonly string[];
  readonly peers: readonly Peer[];
  readonly plain: boolean;
  readonly scratch: string;
}

const self = fileURLToPath(import.meta.url);

if (process.argv[2] === "--child") await runChild(JSON.parse(process.argv[3]!) as ChildRequest);
else await command().parseAsync();

function command(): Command {
  return new Command("bench")
    .description("Run workloads on millrace, a plain loop in one thread and peers, and compare times and answers.")
    .argument("[workload...]", `of ${workloadNames.join(", ")} (default: all)`)
    .option("--size <size>", `${Object.keys(SIZES).join(", ")} or a factor of full`, "small")
    .option("--peers <names>", "comma-separated: spark (run bench/peers/setup.sh first), python, gnusort", "")
    .option("--masters <urls>", "separated by ;", DEFAULT_MASTERS.join(";"))
    .option("--repeat <n>", "warm runs, of which the best counts", "1")
    .option("--no-plain", "without the plain loop")
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
  const scratch = mkdtempSync(join(root, "bench/data/.run-"));
  const masters = flags.masters.split(";").filter(Boolean);
  const setting = { root, size, repeat, masters, peers: choosePeers(root, flags.peers), plain: flags.plain, scratch };
  const reports: WorkloadReport[] = [];
  const failures: string[] = [];
  try {
    for (const name of names.length > 0 ? names : workloadNames) {
      const report = await measure(name, setting, failures);
      reports.push(report);
      console.log(formatReport(report));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  writeJson(
    flags.json ?? join(root, "bench/results", `${new Date().toISOString().replaceAll(":", "-")}.json`),
    size,
    reports,
  );
  for (const failure of failures) console.error(`bench: ${failure}`);
  if (failures.length > 0 || reports.some(({ disagreements }) => disagreements.length > 0)) process.exitCode = 1;
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

async function measure(name: string, setting: Setting, failures: string[]): Promise<WorkloadReport> {
  const { root, size, repeat, scratch, peers } = setting;
  const workload = workloads[name];
  const input = workload?.input ? inputFile(join(root, "bench/data"), workload.input, size) : { path: "", bytes: 0 };
  const measurements: Measurement[] = [];
  const attempt = async (engine: string, work: (request: ChildRequest) => Promise<Measurement | null>) => {
    const own = join(scratch, `${name}-${measurements.length}-${failures.length}`);
    mkdirSync(own);
    try {
      const measurement = await work({ workload: name, engine, input: input.path, scratch: own, size, repeat });
      if (measurement !== null) measurements.push(measurement);
    } catch (error) {
      failures.push(`${name} on ${engine}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  };
  if (name === "startup") {
    for (const master of STARTUP_MASTERS)
      await attempt(master, ({ scratch }) => measureStartup(root, master, scratch, repeat));
  } else {
    for (const master of name === "rss" ? RSS_MASTERS : setting.masters)
      await attempt(master, (request) => measureChild(request));
  }
  if (setting.plain && workload?.plain) await attempt("plain", (request) => measureChild(request));
  for (const peer of peers) {
    await attempt(peer.name, async (request) => {
      const spec = peer.command(request);
      return spec === null ? null : measurePeer(peer.name, spec, request);
    });
  }
  const title =
    workload?.title ?? (name === "startup" ? "a trivial program, whole process" : "an idle worker with one slot");
  return {
    workload: name,
    title,
    size,
    inputBytes: input.bytes,
    measurements,
    disagreements: disagreements(measurements),
  };
}

async function measureChild(request: ChildRequest): Promise<Measurement> {
  const heap = request.engine === "plain" ? [`--max-old-space-size=${PLAIN_HEAP_MB}`] : [];
  const args = [...heap, self, "--child", JSON.stringify(request)];
  const { lastLine, peakBytes } = await runProcess({ command: process.execPath, args });
  const answer = JSON.parse(lastLine) as ChildAnswer;
  const { first, warm, shuffleBytes, value, warmValue, idleWorkerBytes } = answer;
  const differing = warmValue === null ? [] : compareValues(value, warmValue);
  if (differing.length > 0) throw new Error(`the warm run's answer is not the first one's: ${differing.join("; ")}`);
  const notes =
    idleWorkerBytes === undefined
      ? timings(warmValue ?? value)
      : `idle worker ${(idleWorkerBytes / 1e6).toFixed(0)} MB`;
  return { engine: request.engine, first, warm, peakBytes, shuffleBytes, value, notes };
}

async function measurePeer(name: string, spec: ProcessSpec, request: ChildRequest): Promise<Measurement> {
  if (request.workload === "startup") return measureStarts(name, spec, request.repeat);
  const result = await runProcess(spec);
  // GNU sort prints nothing: its whole process is the work.
  const answer = result.lastLine === "" ? null : (JSON.parse(result.lastLine) as ChildAnswer);
  const value = request.workload === "sort" ? checkSorted(join(request.scratch, "first")) : answer!.value;
  return {
    engine: name,
    first: answer?.first ?? result.seconds,
    warm: answer?.warm ?? null,
    peakBytes: result.peakBytes,
    shuffleBytes: answer?.shuffleBytes ?? null,
    value,
    notes: timings(value),
  };
}

/** The fields that are shown and not compared: meanMs 4.20. */
function timings(value: Value): string {
  const shown = Object.entries(value).filter(([field]) => field.endsWith("Ms"));
  return shown.map(([field, ms]) => `${field.slice(0, -2)} ${Number(ms).toFixed(2)} ms`).join(", ");
}

function disagreements(measurements: readonly Measurement[]): string[] {
  const [reference, ...others] = measurements;
  if (reference === undefined) return [];
  const unsorted = measurements.filter(({ value }) => "ordered" in value && value.ordered !== "yes");
  return [
    ...unsorted.map(({ engine, value }) => `${engine} is not in order: ${value.ordered}`),
    ...others.flatMap(({ engine, value }) =>
      compareValues(reference.value, value).map((difference) => `${reference.engine} and ${engine}: ${difference}`),
    ),
  ];
}

function writeJson(path: string, size: number, reports: readonly WorkloadReport[]): void {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem(), node: process.version };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ time: new Date().toISOString(), size, machine, reports }, null, 2)}\n`);
  console.log(`figures: ${path}`);
}
