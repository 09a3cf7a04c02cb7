// How much of the machine this process may use: the smaller of what the machine has and what its cgroup allows, so that a
// container gets defaults that fit it. Reads a few small files once; what cannot be read counts as no limit.

import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";

export interface MachineLimits {
  /** Slots by default: at least 1. */
  readonly slots: number;
  /** What the machine or the cgroup allows all processes together. */
  readonly memoryBytes: number;
}

/** Text of a small file, or null. Given, so that tests need no cgroup. */
export type ReadText = (path: string) => string | null;

export function readMachineLimits(
  readText: ReadText = readFile,
  processors = availableParallelism(),
  machineBytes = totalmem(),
): MachineLimits {
  const quota = cpuQuota(readText);
  const limit = memoryLimit(readText);
  return {
    slots: Math.max(1, Math.min(processors, Math.ceil(quota ?? processors))),
    memoryBytes: Math.min(machineBytes, limit ?? machineBytes),
  };
}

/** Processors that the cgroup's quota comes to; null without one. */
function cpuQuota(readText: ReadText): number | null {
  const v2 = smallest(cgroupFiles(readText, "", "cpu.max"), (text) => {
    const [quota, period] = text.trim().split(/\s+/);
    return quota === "max" ? null : ratio(quota, period);
  });
  if (v2 !== null) return v2;
  return smallest(cgroupFiles(readText, "cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"), (quota, period) =>
    quota.trim().startsWith("-") ? null : ratio(quota, period),
  );
}

function memoryLimit(readText: ReadText): number | null {
  const parse = (text: string) => {
    const bytes = Number(text.trim());
    // "max", or version 1's way to say none: a number near 2^63.
    return Number.isFinite(bytes) && bytes > 0 && bytes < 2 ** 60 ? bytes : null;
  };
  return (
    smallest(cgroupFiles(readText, "", "memory.max"), parse) ??
    smallest(cgroupFiles(readText, "memory", "memory.limit_in_bytes"), parse)
  );
}

/** The named files' texts in this process's cgroup and all its parents: a limit above holds below. */
function* cgroupFiles(readText: ReadText, controller: string, ...names: readonly string[]): Generator<string[]> {
  const line = (readText("/proc/self/cgroup") ?? "")
    .split("\n")
    .map((text) => text.split(":"))
    .find(([, controllers]) =>
      controller === "" ? controllers === "" : controllers?.split(",").includes(controller) === true,
    );
  const root = join("/sys/fs/cgroup", controller);
  // In a container the path may be the host's and not exist here: then the root is the container's own.
  for (let path = line?.slice(2).join(":") || "/"; ; path = dirname(path)) {
    const texts = names.map((name) => readText(join(root, path, name)));
    if (texts.every((text) => text !== null)) yield texts as string[];
    if (path === "/" || path === ".") return;
  }
}

function smallest(files: Iterable<string[]>, parse: (...texts: string[]) => number | null): number | null {
  let found: number | null = null;
  for (const texts of files) {
    const value = parse(...texts);
    if (value !== null && (found === null || value < found)) found = value;
  }
  return found;
}

function ratio(quota: string | undefined, period: string | undefined): number | null {
  const value = Number(quota) / Number(period);
  return Number.isFinite(value) && value > 0 ? value : null;
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such file: another version of cgroups, or another system.
    return null;
  }
}
