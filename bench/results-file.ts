// The JSON that a run of the bench leaves: its figures, and where and when they were measured.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import type { WorkloadReport } from "./report.js";

export interface BenchResults {
  /** ISO 8601. */
  readonly time: string;
  /** 1 = full. */
  readonly size: number;
  /** Processes that wanted a core in the minute before the run; 0 on Windows, which does not count them. */
  readonly load: number;
  readonly machine: {
    readonly cpus: number;
    readonly model: string | undefined;
    readonly memoryBytes: number;
    /** v20.19.0 */
    readonly node: string;
  };
  readonly reports: readonly WorkloadReport[];
}

export function resultsOf(size: number, load: number, reports: readonly WorkloadReport[]): BenchResults {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem(), node: process.version };
  return { time: new Date().toISOString(), size, load, machine, reports };
}

export function writeResults(path: string, results: BenchResults): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
}

/** Throws when answers differed in it: no figures from such a run. */
export function readResults(path: string): BenchResults {
  const results = JSON.parse(readFileSync(path, "utf8")) as BenchResults;
  const wrong = results.reports.filter(({ disagreements }) => disagreements.length > 0).map((one) => one.workload);
  if (wrong.length > 0) throw new Error(`${path}: answers differ in ${wrong.join(", ")}: no figures from this run`);
  return results;
}

/** 2 cores (Xeon), 24 GB, Node 20.20.2, 2026-11-26, at 0.1 of the sizes named */
export function describeResults({ machine, time, size }: BenchResults): string {
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(0)} GB`;
  const scale = size === 1 ? "" : `, at ${size} of the sizes named`;
  const model = machine.model ?? "unknown model";
  return `${machine.cpus} cores (${model}), ${memory}, Node ${machine.node.slice(1)}, ${time.slice(0, 10)}${scale}`;
}

/** That the machine had other work as well, "" if it had not. */
export function describeLoad({ machine, load }: BenchResults): string {
  // The build just before counts for a while.
  return load > 0.75 * machine.cpus ? `while other programs kept the machine busy (load ${load.toFixed(0)})` : "";
}
