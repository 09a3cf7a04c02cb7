// Measures one workload: every engine in a process of its own, one after the other, then compares the answers.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type InputKind, inputFile } from "./data.js";
import type { ChildAnswer, ChildRequest } from "./engines/child.js";
import type { Peer } from "./engines/peers.js";
import { measureStarts, measureStartup } from "./engines/process-workloads.js";
import { type ProcessSpec, runProcess } from "./engines/run-process.js";
import { compareValues, isMeasured, type Measurement, type WorkloadReport } from "./report.js";
import { workloads } from "./workloads/index.js";
import { checkSorted } from "./workloads/sort.js";
import type { Value } from "./workloads/workload.js";

export interface Setting {
  /** The project. */
  readonly root: string;
  /** The bundle that also is the child's program. */
  readonly self: string;
  /** Where input files are kept. */
  readonly data: string;
  readonly size: number;
  readonly repeat: number;
  readonly masters: readonly string[];
  readonly peers: readonly Peer[];
  readonly plain: boolean;
  readonly scratch: string;
  /** Ends what runs and starts nothing more. */
  readonly signal: AbortSignal;
}

const STARTUP_MASTERS = ["local[2]", "local-cluster[2,1,1g]"];
const RSS_MASTERS = ["local-cluster[1,1,512m]"];
/** The plain sort holds all lines: 5 M strings are above Node's default heap. */
const PLAIN_HEAP_MB = 12_000;

/** One workload on every engine in turn. What fails is added to `failures`, and the others go on. */
export async function measure(name: string, setting: Setting, failures: string[]): Promise<WorkloadReport> {
  const { root, data, size, repeat, scratch, peers, signal } = setting;
  const workload = workloads[name];
  const file = (kind: InputKind | null | undefined) => (kind ? inputFile(data, kind, size) : { path: "", bytes: 0 });
  const input = file(workload?.input);
  const second = file(workload?.second);
  const measurements: Measurement[] = [];
  const attempt = async (engine: string, work: (request: ChildRequest) => Promise<Measurement>) => {
    if (signal.aborted) return;
    const own = join(scratch, `${name}-${measurements.length}-${failures.length}`);
    mkdirSync(own);
    try {
      const files = { input: input.path, second: second.path };
      measurements.push(await work({ workload: name, engine, ...files, scratch: own, size, repeat }));
    } catch (error) {
      failures.push(`${name} on ${engine}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  };
  if (name === "startup") {
    for (const master of STARTUP_MASTERS)
      await attempt(master, ({ scratch }) => measureStartup(root, master, scratch, repeat, signal));
  } else {
    for (const master of name === "rss" ? RSS_MASTERS : setting.masters)
      await attempt(master, (request) => measureChild(request, setting));
  }
  if (setting.plain && workload?.plain) await attempt("plain", (request) => measureChild(request, setting));
  for (const peer of peers.filter((one) => one.workloads.includes(name)))
    await attempt(peer.name, (request) => measurePeer(peer.name, peer.command(request), request, signal));
  const title =
    workload?.title ?? (name === "startup" ? "a trivial program, whole process" : "an idle worker with one slot");
  return {
    workload: name,
    title,
    // Whole processes are not scaled.
    size: workload === undefined ? 1 : size,
    inputBytes: input.bytes + second.bytes,
    measurements,
    disagreements: disagreements(measurements),
  };
}

async function measureChild(request: ChildRequest, { self, signal }: Setting): Promise<Measurement> {
  const heap = request.engine === "plain" ? [`--max-old-space-size=${PLAIN_HEAP_MB}`] : [];
  const args = [...heap, self, "--child", JSON.stringify(request)];
  const { lastLine, peakBytes } = await runProcess({ command: process.execPath, args }, signal);
  const answer = JSON.parse(lastLine) as ChildAnswer;
  const { first, warm, cpu, shuffleBytes, value, warmValue, idleWorkerBytes } = answer;
  const differing = warmValue === null ? [] : compareValues(value, warmValue);
  if (differing.length > 0) throw new Error(`the warm run's answer is not the first one's: ${differing.join("; ")}`);
  const notes =
    idleWorkerBytes === undefined
      ? timings(warmValue ?? value)
      : `idle worker ${(idleWorkerBytes / 1e6).toFixed(0)} MB`;
  const idle = idleWorkerBytes === undefined ? {} : { idleWorkerBytes };
  return { engine: request.engine, first, warm, cpu, peakBytes, shuffleBytes, value, notes, ...idle };
}

async function measurePeer(
  name: string,
  spec: ProcessSpec,
  request: ChildRequest,
  signal: AbortSignal,
): Promise<Measurement> {
  if (request.workload === "startup") return measureStarts(name, spec, request.repeat, signal);
  const result = await runProcess(spec, signal);
  // GNU sort prints nothing: its whole process is the work.
  const answer = result.lastLine === "" ? null : (JSON.parse(result.lastLine) as ChildAnswer);
  const value = request.workload === "sort" ? checkSorted(join(request.scratch, "first")) : answer!.value;
  return {
    engine: name,
    first: answer?.first ?? result.seconds,
    warm: answer?.warm ?? null,
    cpu: answer?.cpu ?? null,
    peakBytes: result.peakBytes,
    shuffleBytes: answer?.shuffleBytes ?? null,
    value,
    notes: timings(value),
  };
}

/** The fields that are shown and not compared: mean 4.20 ms, peak 512 MB, join ratio 1.10. */
function timings(value: Value): string {
  const units: Readonly<Record<string, string>> = { Ms: " ms", MB: " MB" };
  return Object.entries(value)
    .filter(([field]) => isMeasured(field))
    .map(([field, measured]) => {
      const unit = units[field.slice(-2)];
      const figure = Number(measured).toFixed(Number(measured) < 100 ? 2 : 0);
      return unit === undefined
        ? `${field.slice(0, -"Ratio".length)} ratio ${figure}`
        : `${field.slice(0, -2)} ${figure}${unit}`;
    })
    .join(", ");
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
