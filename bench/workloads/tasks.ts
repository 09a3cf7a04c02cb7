// 10,000 and 100,000 tasks that do nothing: what a task costs to schedule, launch and report, and whether it stays the same.
// In a local cluster the process that is measured is the driver's, which holds the master.

import { readFileSync } from "node:fs";
import { scaled, type Workload } from "./workload.js";

export const tasks: Workload = emptyTasks(10_000);
export const manyTasks: Workload = emptyTasks(100_000);

function emptyTasks(full: number): Workload {
  return {
    title: `${full.toLocaleString("en")} empty tasks`,
    input: null,
    async run(session, { size }) {
      const count = scaled(full, size);
      const started = performance.now();
      const records = await session.range(0, 0, 1, count).count();
      const taskMs = (performance.now() - started) / count;
      return () => ({ tasks: count, records, taskMs, peakMB: peakMegabytes() });
    },
    plain: null,
  };
}

/** Most that this process has held so far; 0 where there is no /proc. */
function peakMegabytes(): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) / 1024;
  } catch (error) {
    if (error instanceof Error) return 0;
    throw error;
  }
}
