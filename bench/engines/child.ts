// The process that does the timed work: `node dist/bench.js --child '<request>'`. One engine, one workload; the answer is the
// last line of stdout, as JSON, because user code and engines may print before it.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { commandLine, cpuSeconds, descendants, residentBytes } from "../process-tree.js";
import { workloads } from "../workloads/index.js";
import type { Value } from "../workloads/workload.js";
import { warmUp } from "./warm-up.js";

export interface ChildRequest {
  readonly workload: string;
  /** A master URL, or "plain" for the loop in one thread. */
  readonly engine: string;
  readonly input: string;
  /** The second input file; "" for workloads of one. */
  readonly second: string;
  /** A directory of its own; removed by the parent. */
  readonly scratch: string;
  readonly size: number;
  /** Warm runs; the best one counts. */
  readonly repeat: number;
}

export interface ChildAnswer {
  /** Seconds of the first run in a fresh session, opening not included. */
  readonly first: number;
  /** Seconds of the best run after 20 jobs of other shapes in the same session; null for the plain loop. */
  readonly warm: number | null;
  /** Processor seconds of all its processes in the run that counts: the best warm one, or the only one; null: not known. */
  readonly cpu: number | null;
  /** Of the first run; null where there is no shuffle to speak of. */
  readonly shuffleBytes: number | null;
  readonly value: Value;
  /** Of the best warm run, where it shows something (jobs). */
  readonly warmValue: Value | null;
  /** rss only. */
  readonly idleWorkerBytes?: number;
}

export async function runChild(request: ChildRequest): Promise<void> {
  const answer =
    request.engine === "plain"
      ? runPlain(request)
      : request.workload === "rss"
        ? idleWorker(request)
        : runOurs(request);
  process.stdout.write(`\n${JSON.stringify(await answer)}\n`);
}

async function runPlain({ workload, input, second, scratch, size }: ChildRequest): Promise<ChildAnswer> {
  const started = performance.now();
  const used = cpuSeconds(process.pid);
  const check = workloads[workload]!.plain!({ size, input, second, out: join(scratch, "plain") });
  const first = secondsSince(started);
  return { first, warm: null, cpu: cpuSince(used), shuffleBytes: null, value: await check(), warmValue: null };
}

async function runOurs({ workload, engine, input, second, scratch, size, repeat }: ChildRequest): Promise<ChildAnswer> {
  mkdirSync(scratch, { recursive: true });
  const { Session } = await import("millrace");
  const session = await Session.open({ master: engine, appName: `bench ${workload}` });
  let shuffleBytes = 0;
  session.onJobEnd(({ summary }) => (shuffleBytes += summary?.shuffleBytes ?? 0));
  const run = async (name: string) => {
    const out = join(scratch, name);
    const started = performance.now();
    const used = cpuSeconds(process.pid);
    const check = await workloads[workload]!.run(session, { size, input, second, out });
    const seconds = secondsSince(started);
    const cpu = cpuSince(used);
    const value = await check();
    rmSync(out, { recursive: true, force: true });
    return { seconds, cpu, value };
  };
  try {
    const first = await run("first");
    const firstShuffle = shuffleBytes;
    await warmUp(session);
    const warm = [];
    for (let turn = 0; turn < repeat; turn++) warm.push(await run(`warm-${turn}`));
    const best = warm.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    return {
      first: first.seconds,
      warm: best.seconds,
      cpu: best.cpu,
      shuffleBytes: firstShuffle,
      value: first.value,
      warmValue: best.value,
    };
  } finally {
    await session.stop();
  }
}

/** Resident memory of a worker process with one slot that has run one small job and then nothing. */
async function idleWorker({ engine }: ChildRequest): Promise<ChildAnswer> {
  const started = performance.now();
  const { Session } = await import("millrace");
  const session = await Session.open({ master: engine, appName: "bench rss" });
  try {
    const sum = await session.range(1_000).reduce((a, b) => a + b);
    const seconds = secondsSince(started);
    // Settled: what a job leaves for the collector is not idle memory.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const workers = descendants(process.pid).filter((pid) => commandLine(pid).includes("worker.js"));
    if (workers.length === 0) throw new Error("found no worker process below this one");
    const idleWorkerBytes = Math.max(...workers.map(residentBytes));
    return {
      first: seconds,
      warm: null,
      cpu: null,
      shuffleBytes: null,
      value: { sum },
      warmValue: null,
      idleWorkerBytes,
    };
  } finally {
    await session.stop();
  }
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1e3;
}

function cpuSince(used: number | null): number | null {
  const now = cpuSeconds(process.pid);
  return used === null || now === null ? null : now - used;
}
