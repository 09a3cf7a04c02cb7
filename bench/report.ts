// Measurements as a table for people and as JSON, and whether the engines agree.

import Table from "cli-table3";
import type { Value } from "./workloads/workload.js";

export interface Measurement {
  readonly engine: string;
  readonly first: number;
  readonly warm: number | null;
  /** Processor seconds of the run that counts, of all the engine's processes and threads; null: not known. */
  readonly cpu: number | null;
  /** Greatest sum of the process tree's resident memory. */
  readonly peakBytes: number | null;
  readonly shuffleBytes: number | null;
  readonly value: Value;
  readonly notes: string;
  /** rss only. */
  readonly idleWorkerBytes?: number;
}

export interface WorkloadReport {
  readonly workload: string;
  readonly title: string;
  /** 1 = what the title says. */
  readonly size: number;
  readonly inputBytes: number;
  readonly measurements: readonly Measurement[];
  /** Empty: every value agrees. */
  readonly disagreements: readonly string[];
}

const TOLERANCE = 1e-9;
const BASELINE = "spark local[2]";

/** What differs between two answers, in words; empty when nothing does. Measured fields are not compared. */
export function compareValues(a: Value, b: Value): string[] {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((field) => !isMeasured(field));
  return fields.flatMap((field) => {
    const [left, right] = [a[field], b[field]];
    if (left === right) return [];
    if (typeof left === "number" && typeof right === "number") {
      if (Math.abs(left - right) <= TOLERANCE * Math.max(Math.abs(left), Math.abs(right))) return [];
    }
    return [`${field}: ${left} against ${right}`];
  });
}

/** Whether a field of an answer is a time, an amount of memory or a ratio: shown, not compared. */
export function isMeasured(field: string): boolean {
  return /(Ms|MB|Ratio)$/.test(field);
}

export function formatReport({
  workload,
  title,
  size,
  inputBytes,
  measurements,
  disagreements,
}: WorkloadReport): string {
  const head = ["engine", "first s", "warm s", "cpu s", "MB/s", "peak RSS MB", "shuffle MB", `warm / ${BASELINE}`, ""];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  const baseline = measurements.find(({ engine }) => engine === BASELINE);
  const reference = baseline?.warm ?? baseline?.first;
  for (const { engine, first, warm, cpu, peakBytes, shuffleBytes, notes } of measurements) {
    const best = warm ?? first;
    table.push([
      engine,
      seconds(first),
      seconds(warm),
      seconds(cpu),
      inputBytes === 0 ? "" : (inputBytes / 1e6 / best).toFixed(0),
      megabytes(peakBytes),
      megabytes(shuffleBytes),
      reference === undefined ? "" : (best / reference).toFixed(2),
      notes,
    ]);
  }
  const verdict = disagreements.length > 0 ? `VALUES DIFFER: ${disagreements.join("; ")}` : agreement(measurements);
  const input = inputBytes === 0 ? "" : `, ${(inputBytes / 1e6).toFixed(1)} MB in`;
  const scale = size === 1 ? "" : ` x ${size}`;
  return `${workload}: ${title}${scale}${input}\n${table.toString()}\n${verdict}\n`;
}

function agreement(measurements: readonly Measurement[]): string {
  const answers = measurements.filter(({ value }) => Object.keys(value).length > 0).length;
  return answers < 2 ? "no two answers to compare" : `${answers} answers agree`;
}

function seconds(value: number | null): string {
  return value === null ? "" : value.toFixed(value < 1 ? 3 : 2);
}

function megabytes(bytes: number | null): string {
  return bytes === null ? "" : (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);
}
