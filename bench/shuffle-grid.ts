// A shuffle of n x n blocks where a process may open few files: whether it completes with the right answer, and for each process
// of the cluster the most descriptors it had and its peak of resident memory. With and without local reads.
// Run: npm run build && npx tsx bench/shuffle-grid.ts [n] [open files]. Linux only. Ends with 1 when an answer is wrong or a
// process came to the limit.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine, descendants } from "./process-tree.js";

const ROWS_A_BLOCK = 10;
const SAMPLE_MS = 100;

interface Seen {
  readonly name: string;
  descriptors: number;
  peakBytes: number;
}

export interface GridRun {
  readonly seconds: number;
  readonly keys: number;
  readonly wrong: number;
  readonly stderr: string;
  readonly processes: readonly Seen[];
}

const index = new URL("../dist/index.js", import.meta.url).href;

/** On local-cluster[2,1,512m], in a process tree of which no process may open more than `openFiles` files. */
export async function shuffleGrid(n: number, openFiles: number, localReads: boolean): Promise<GridRun> {
  const localDir = mkdtempSync(join(tmpdir(), "millrace-grid-"));
  const program = `
    import { Session } from ${JSON.stringify(index)};
    const session = await Session.open({ master: "local-cluster[2,1,512m]", "eventLog.enabled": false,
      localDir: ${JSON.stringify(localDir)}, "shuffle.localReads": ${localReads} });
    const rows = session.range(0, ${n * n * ROWS_A_BLOCK}, 1, ${n}).map((i) => [i % ${n}, 1]);
    const counts = await rows.groupByKey(${n}).mapValues((all) => [...all].length).collect();
    await session.stop();
    const wrong = counts.filter(([, count]) => count !== ${n * ROWS_A_BLOCK}).length;
    console.log(JSON.stringify({ keys: counts.length, wrong }));`;
  const started = performance.now();
  const script = `ulimit -n ${openFiles}; exec "$0" --input-type=module -`;
  const child = spawn("bash", ["-c", script, process.execPath], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(program);
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) child[stream].on("data", (text) => (output[stream] += text));
  const seen = new Map<number, Seen>();
  const timer = setInterval(() => look(child.pid as number, seen), SAMPLE_MS);
  try {
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`the program ended with ${code}: ${output.stderr}`);
    const { keys, wrong } = JSON.parse(output.stdout) as { keys: number; wrong: number };
    const seconds = (performance.now() - started) / 1000;
    return { seconds, keys, wrong, stderr: output.stderr, processes: [...seen.values()] };
  } finally {
    clearInterval(timer);
    child.kill("SIGKILL");
    rmSync(localDir, { recursive: true, force: true });
  }
}

function look(root: number, seen: Map<number, Seen>): void {
  for (const pid of [root, ...descendants(root)]) {
    let descriptors: number;
    let peakBytes: number;
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`).length;
      peakBytes = 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0);
    } catch {
      // It has just ended.
      continue;
    }
    const known = seen.get(pid) ?? { name: nameOf(root, pid), descriptors: 0, peakBytes: 0 };
    known.descriptors = Math.max(known.descriptors, descriptors);
    known.peakBytes = Math.max(known.peakBytes, peakBytes);
    seen.set(pid, known);
  }
}

function nameOf(root: number, pid: number): string {
  if (pid === root) return `driver ${pid}`;
  return commandLine(pid).includes("worker") ? `worker ${pid}` : `other ${pid}`;
}

async function main(n: number, openFiles: number): Promise<void> {
  for (const localReads of [true, false]) {
    const run = await shuffleGrid(n, openFiles, localReads);
    const right = run.keys === n && run.wrong === 0;
    console.log(
      `${n} x ${n}, ulimit -n ${openFiles}, shuffle.localReads=${localReads}: ${run.seconds.toFixed(1)} s, ${right ? "right" : "WRONG"}`,
    );
    for (const { name, descriptors, peakBytes } of run.processes)
      console.log(`  ${name}: at most ${descriptors} descriptors, peak ${(peakBytes / 1e6).toFixed(0)} MB`);
    if (run.stderr !== "") console.log(run.stderr);
    if (!right || run.processes.some(({ descriptors }) => descriptors >= openFiles)) process.exitCode = 1;
  }
}

if (process.argv[1]?.endsWith("shuffle-grid.ts"))
  await main(Number(process.argv[2] ?? 1_000), Number(process.argv[3] ?? 256));
