// Starts one process of the bench, samples the memory of its tree and reads its answer: the last line of its stdout.

import { spawn } from "node:child_process";
import { sampleMemory } from "../process-tree.js";

/** A workload that takes longer than this is stuck. */
const DEADLINE_MS = 30 * 60_000;
const STDERR_KEPT = 4_000;

export interface ProcessResult {
  readonly seconds: number;
  readonly peakBytes: number | null;
  /** Last non-empty line of stdout. */
  readonly lastLine: string;
}

export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Throws with the end of stderr when the process does not end with 0 within 30 minutes, or when `signal` is aborted. */
export function runProcess({ command, args, cwd, env }: ProcessSpec, signal: AbortSignal): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      signal,
    });
    const memory = child.pid === undefined ? null : sampleMemory(child.pid);
    const deadline = setTimeout(() => child.kill("SIGTERM"), DEADLINE_MS);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-STDERR_KEPT)));
    const end = () => {
      clearTimeout(deadline);
      return memory?.stop() ?? null;
    };
    child.on("error", (error) => {
      end();
      reject(error);
    });
    child.on("close", (code, killedBy) => {
      const peakBytes = end();
      const seconds = (performance.now() - started) / 1e3;
      if (code === 0) resolve({ seconds, peakBytes, lastLine: stdout.trimEnd().split("\n").at(-1) ?? "" });
      else reject(new Error(`${command} ${args.join(" ").slice(0, 300)} ended with ${code ?? killedBy}:\n${stderr}`));
    });
  });
}
