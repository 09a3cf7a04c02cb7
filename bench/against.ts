// This build against another one of millrace (a checkout with its own dist/), pair by pair: A B, B A, A B, ..., so that a
// machine whose speed drifts drifts for both. What counts is the median of the pairs' ratios.
//
//   npm run bench -- --against ../before --repeat 5 --size full wordcount sort

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import Table from "cli-table3";
import { measure, type Setting } from "./measure.js";
import { compareValues, type Measurement, type WorkloadReport } from "./report.js";

export interface PairedRow {
  readonly workload: string;
  readonly master: string;
  /** Seconds (rss: bytes) of this build and of the other one, by pair. */
  readonly pairs: readonly (readonly [number, number])[];
  /** Where the two builds' answers differ. */
  readonly differences: readonly string[];
}

/** Throws when the other checkout has no built bench. */
export async function measureAgainst(
  other: string,
  names: readonly string[],
  setting: Setting,
  failures: string[],
): Promise<PairedRow[]> {
  const root = resolve(other);
  const self = join(root, "dist/bench.js");
  if (!existsSync(self))
    throw new Error(`--against ${other}: expected a built checkout, but ${self} is not there; run npm ci in it`);
  const builds = [setting, { ...setting, root, self }].map((one) => ({ ...one, repeat: 1, plain: false, peers: [] }));
  const rows: PairedRow[] = [];
  for (const name of names) {
    const runs: [WorkloadReport, WorkloadReport][] = [];
    for (let pair = 0; pair < setting.repeat && !setting.signal.aborted; pair++) {
      const order = pair % 2 === 0 ? [0, 1] : [1, 0];
      const reports: WorkloadReport[] = [];
      for (const at of order) reports[at] = await measure(name, builds[at]!, failures);
      runs.push([reports[0]!, reports[1]!]);
    }
    for (const { engine } of runs[0]?.[0].measurements ?? []) {
      const row = rowOf(name, engine, runs);
      rows.push(row);
      console.log(formatRow(row));
    }
  }
  return rows;
}

/** The middle one; of an even count the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function formatAgainst(rows: readonly PairedRow[]): string {
  const head = ["work", "master", "pairs", "this, median", "other, median", "ratio, median", "min", "max"];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { workload, master, pairs } of rows) {
    const ratios = pairs.map(([a, b]) => a / b);
    table.push([
      workload,
      master,
      pairs.length,
      figure(median(pairs.map(([a]) => a))),
      figure(median(pairs.map(([, b]) => b))),
      median(ratios).toFixed(3),
      Math.min(...ratios).toFixed(3),
      Math.max(...ratios).toFixed(3),
    ]);
  }
  return table.toString();
}

function rowOf(workload: string, master: string, runs: readonly (readonly [WorkloadReport, WorkloadReport])[]) {
  const pairs: (readonly [number, number])[] = [];
  const differences: string[] = [];
  for (const [ours, theirs] of runs) {
    const a = ours.measurements.find(({ engine }) => engine === master);
    const b = theirs.measurements.find(({ engine }) => engine === master);
    // One that failed stands among the failures.
    if (a === undefined || b === undefined) continue;
    pairs.push([cost(a), cost(b)]);
    differences.push(...compareValues(a.value, b.value));
  }
  return { workload, master, pairs, differences };
}

/** Warm seconds; the memory of an idle worker where that is the point. */
function cost({ warm, first, idleWorkerBytes }: Measurement): number {
  return idleWorkerBytes ?? warm ?? first;
}

function formatRow({ workload, master, pairs }: PairedRow): string {
  const ratios = pairs.map(([a, b]) => (a / b).toFixed(3)).join(" ");
  return `${workload} on ${master}: ${ratios}`;
}

function figure(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(0)} MB` : `${value.toFixed(3)} s`;
}
