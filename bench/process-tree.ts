// Memory of a process and all its descendants, sampled from /proc (Linux; elsewhere nothing is measured and null is given), and
// the processor time that they have used.
// RSS counts a shared page once in each process that has touched it, so the sum of a tree is an upper bound.

import { readdirSync, readFileSync } from "node:fs";

const SAMPLE_MS = 100;
const PAGE_BYTES = 4096;
/** Of the times in /proc/<pid>/stat: the same on every Linux. */
const TICKS_A_SECOND = 100;

export interface MemorySampler {
  /** Ends the sampling; the greatest sum seen in bytes. */
  stop(): number | null;
}

export function sampleMemory(pid: number): MemorySampler {
  let peak = 0;
  const sample = () => {
    const sum = [pid, ...descendants(pid)].reduce((total, member) => total + residentBytes(member), 0);
    peak = Math.max(peak, sum);
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      return peak > 0 ? peak : null;
    },
  };
}

/** Every living descendant. A process that ends meanwhile is left out. */
export function descendants(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
      children.push(...text.split(" ").filter(Boolean).map(Number));
    }
  } catch {
    return [];
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** 0 for a process that is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

/** Seconds of processor time of a process and its living descendants so far, user and system; null where there is no /proc. */
export function cpuSeconds(pid: number): number | null {
  const own = ticksOf(pid);
  if (own === null) return null;
  return descendants(pid).reduce((total, member) => total + (ticksOf(member) ?? 0), own) / TICKS_A_SECOND;
}

function ticksOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in brackets, which may hold blanks; utime and stime are the 14th and 15th.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return null;
  }
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
