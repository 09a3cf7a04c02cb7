// Whether time grows with the data and no faster: workloads at one, four and sixteen times a size, and the ratios of their warm
// times. What a job costs whatever its data counts in the small run as in the large one, so a ratio under 16 is usual and says
// little; one that is over 18 says that something grows faster than the data.

import Table from "cli-table3";
import { measure, type Setting } from "./measure.js";
import type { Measurement } from "./report.js";

export const GROWTH_WORKLOADS = ["wordcount", "sort", "join"] as const;

const FACTORS = [1, 4, 16] as const;
/** Of the time at sixteen times the data to that at once. */
const MOST = 18;

export interface GrowthRow {
  readonly workload: string;
  readonly master: string;
  /** Warm seconds at 1, 4 and 16 times the size. */
  readonly seconds: readonly number[];
  /** The processor time of the same runs; null where it is not known. */
  readonly cpu: readonly (number | null)[];
}

/** Rows of what was measured to the end; the rest stands in `failures`. `setting.size` is the smallest of the three. */
export async function measureGrowth(
  names: readonly string[],
  setting: Setting,
  failures: string[],
): Promise<GrowthRow[]> {
  const rows: GrowthRow[] = [];
  for (const name of names) {
    const byMaster = new Map<string, Measurement[]>();
    for (const factor of FACTORS) {
      if (setting.signal.aborted) return rows;
      const scaled = { ...setting, size: setting.size * factor, plain: false, peers: [] };
      const { measurements, disagreements } = await measure(name, scaled, failures);
      failures.push(...disagreements.map((difference) => `${name} at ${scaled.size}: ${difference}`));
      for (const one of measurements) byMaster.set(one.engine, [...(byMaster.get(one.engine) ?? []), one]);
    }
    for (const [master, runs] of byMaster) {
      if (runs.length < FACTORS.length) continue;
      const seconds = runs.map(({ warm, first }) => warm ?? first);
      rows.push({ workload: name, master, seconds, cpu: runs.map(({ cpu }) => cpu) });
    }
  }
  return rows;
}

/** 16 times the data within 18 times the time. */
export function growsWell({ seconds }: GrowthRow): boolean {
  return seconds.at(-1)! <= MOST * seconds[0]!;
}

export function formatGrowth(rows: readonly GrowthRow[], size: number): string {
  const head = [
    "work",
    "master",
    ...FACTORS.map((factor) => `${factor} x ${size}`),
    "4 x / 1 x",
    "16 x / 1 x",
    "its cpu",
    "",
  ];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const row of rows) {
    const { workload, master, seconds } = row;
    const ratios = seconds.slice(1).map((one) => (one / seconds[0]!).toFixed(1));
    const verdict = growsWell(row) ? "ok" : `more than ${MOST}`;
    const [once, , most] = row.cpu;
    const cpu = once && most ? (most / once).toFixed(1) : "";
    table.push([workload, master, ...seconds.map((one) => `${one.toFixed(2)} s`), ...ratios, cpu, verdict]);
  }
  return table.toString();
}
