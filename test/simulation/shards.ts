// Divides seeds over processes, one a core: every seed is a world of its own, and what it does is the same in whichever process
// it runs. A process that ends before its seeds do is a failure of the whole run.

import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import type { runSeeds as runSeedsHere, SeedsResult } from "./run-seeds.js";
import type { SimulationResult } from "./simulation.js";

/** Seeds that a process takes at a time: a few seconds of work, so that all end together. */
export const CHUNK = 100;

export interface ShardResult extends SeedsResult {
  /** Microseconds of processor time. */
  readonly cpuMicros: number;
  /** Runs in which something did not hold, without their traces. */
  readonly broken: readonly SimulationResult[];
}

/** Runs the seeds in this process. */
export async function runShard(runSeeds: typeof runSeedsHere, seeds: readonly number[]): Promise<ShardResult> {
  const before = process.cpuUsage();
  const broken: SimulationResult[] = [];
  const result = await runSeeds({
    seeds,
    onRun: (one) => {
      if (one.problems.length > 0) broken.push({ ...one, trace: [] });
      return true;
    },
  });
  const { user, system } = process.cpuUsage(before);
  return { ...result, cpuMicros: user + system, broken };
}

/** `script`: the program that calls `serveShards` when it is started with `--shard`. */
export async function runShards(script: string, seeds: readonly number[]): Promise<ShardResult> {
  const chunks: (readonly number[])[] = [];
  for (let at = 0; at < seeds.length; at += CHUNK) chunks.push(seeds.slice(at, at + CHUNK));
  const processes = Math.min(availableParallelism(), chunks.length);
  const results: ShardResult[] = [];
  await Promise.all(Array.from({ length: processes }, () => runOne(script, chunks, results)));
  return results.reduce(sum);
}

/** Gives one process chunk after chunk. */
function runOne(script: string, chunks: (readonly number[])[], results: ShardResult[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(script, ["--shard"], { serialization: "advanced" });
    let current: readonly number[] | undefined;
    const next = () => {
      current = chunks.shift();
      if (current === undefined) child.disconnect();
      else child.send(current);
    };
    child.on("message", (result) => {
      results.push(result as ShardResult);
      next();
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (current === undefined) resolve();
      else reject(new Error(`the process that ran seeds ${current[0]} to ${current.at(-1)} ended (${signal ?? code})`));
    });
    next();
  });
}

/** Runs what the parent sends, until it has no more. */
export function serveShards(runSeeds: typeof runSeedsHere): void {
  process.on("message", (seeds) => {
    runShard(runSeeds, seeds as readonly number[]).then(
      (result) => process.send?.(result),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

function sum(one: ShardResult, other: ShardResult): ShardResult {
  return {
    jobs: one.jobs + other.jobs,
    faults: one.faults + other.faults,
    steps: one.steps + other.steps,
    copies: one.copies + other.copies,
    grouped: one.grouped + other.grouped,
    cpuMicros: one.cpuMicros + other.cpuMicros,
    failed: [...one.failed, ...other.failed].sort((a, b) => a - b),
    broken: [...one.broken, ...other.broken],
  };
}
