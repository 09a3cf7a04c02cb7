// Runs a program of examples/ as its user does: `millrace run`, or `millrace example`, from dist, as a process of its own.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const DEADLINE_MS = 50_000;

export interface ExampleRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `master` null: the program's own choice. */
export function runExample(name: string, master: string | null, ...args: readonly string[]): Promise<ExampleRun> {
  return runProgram(join(root, "examples", name), master, ...args);
}

/** The same with a program that lies anywhere. */
export function runProgram(path: string, master: string | null, ...args: readonly string[]): Promise<ExampleRun> {
  const where = master === null ? [] : ["--master", master];
  return millrace(["run", ...where, path, ...args]);
}

/** `millrace ...args` in `cwd`. */
export function millrace(args: readonly string[], cwd = root): Promise<ExampleRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "dist/cli.js"), ...args], { cwd, timeout: DEADLINE_MS });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
