// What `millrace run --summary` tells when the program has ended: the jobs of all its sessions added up, as a short block or as
// one line of JSON, on stderr, so that the program's own output stays alone.

import { formatBytes, formatDuration } from "../core/sizes.js";
import { addMetrics, type MutableMetrics, noMetrics, type TaskMetrics } from "../core/task-metrics.js";
import type { NamedValue } from "../core/user-metrics.js";
import type { JobEnd } from "../session/job-client.js";
import { formatNamedValue } from "./named-values.js";
import { formatCount } from "./progress-bar.js";

export interface RunTotals {
  readonly elapsedMs: number;
  readonly jobs: number;
  readonly failedJobs: number;
  readonly stages: number;
  readonly tasks: number;
  readonly failedAttempts: number;
  readonly metrics: TaskMetrics;
  /** Most that the driver's process held, its slots included where they are its own, bytes. */
  readonly peakRssBytes: number;
  /** As of the last job that used each; of several sessions all. */
  readonly accumulators: readonly NamedValue[];
}

export class RunSummary {
  readonly #startedMs = performance.now();
  readonly #metrics: MutableMetrics = { ...noMetrics };
  readonly #counts = { jobs: 0, failedJobs: 0, stages: 0, tasks: 0, failedAttempts: 0 };
  /** By session and id. */
  readonly #accumulators = new Map<string, () => NamedValue>();

  /** `session`: a number of the command's own. `currentValue`: what an accumulator of the session comes to now. */
  add(session: number, { error, summary }: JobEnd, currentValue: (value: NamedValue) => NamedValue): void {
    const counts = this.#counts;
    counts.jobs++;
    if (error !== null) counts.failedJobs++;
    if (summary === null) return;
    counts.stages += summary.stages;
    counts.tasks += summary.tasks;
    counts.failedAttempts += summary.failedAttempts;
    addMetrics(this.#metrics, summary.metrics);
    for (const value of summary.accumulators)
      this.#accumulators.set(`${session} ${value.id}`, () => currentValue(value));
  }

  totals(): RunTotals {
    return {
      elapsedMs: performance.now() - this.#startedMs,
      ...this.#counts,
      metrics: { ...this.#metrics },
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      accumulators: [...this.#accumulators.values()].map((value) => value()),
    };
  }
}

export function formatTotals(totals: RunTotals): string {
  const { metrics, jobs, failedJobs, stages, tasks, failedAttempts } = totals;
  const failed = [
    ...(failedJobs > 0 ? [`${failedJobs} jobs failed`] : []),
    ...(failedAttempts > 0 ? [`${failedAttempts} attempts failed`] : []),
  ];
  const lines = [
    `${jobs} jobs, ${stages} stages, ${formatCount(tasks)} tasks in ${formatDuration(totals.elapsedMs)}${failed.length === 0 ? "" : `; ${failed.join(", ")}`}`,
    `read ${formatCount(metrics.inputRecords)} records, ${formatBytes(metrics.inputBytes)}; wrote ${formatCount(metrics.outputRecords)} records, ${formatBytes(metrics.outputBytes)}; shuffled ${formatCount(metrics.shuffleWriteRecords)} records, ${formatBytes(metrics.shuffleWriteBytes)}; results ${formatBytes(metrics.resultSize)}`,
    `tasks ran ${formatDuration(metrics.executorRunTime)}: cpu ${formatDuration(metrics.executorCpuTime)}, gc ${formatDuration(metrics.gcTime)}, waited ${formatDuration(metrics.shuffleFetchWaitTime)} for blocks`,
    `spilled ${formatBytes(metrics.diskBytesSpilled)}; most that a task had reserved ${formatBytes(metrics.peakExecutionMemory)}, that this process held ${formatBytes(totals.peakRssBytes)}`,
    ...totals.accumulators.map(formatNamedValue),
  ];
  return `millrace: ${lines.join("\n  ")}\n`;
}
