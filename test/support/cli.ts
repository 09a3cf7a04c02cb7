// The command line as users run it: dist/cli.js in a process of its own, with its own local directory and event logs.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../../", import.meta.url));
export const cliEntry = join(repository, "dist/cli.js");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when stdout or stderr has matched; rejects when the process ends before, or after 40 s. */
  saw(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
}

const DEADLINE_MS = 40_000;

/** Starts `node <args>`. It is killed after 50 s if it has not ended. */
export function startNode(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = repository): Running {
  const { MILLRACE_MASTER: _master, VITEST: _vitest, ...inherited } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...inherited, ...env },
    timeout: 50_000,
    killSignal: "SIGKILL",
  });
  return watched(child, `node ${args.join(" ")}`);
}

/** What a process that was spawned with pipes writes and how it ends; `name` for messages. */
export function watched(child: ChildProcess, name: string): Running {
  const output = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
      for (const watcher of watchers) watcher();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...output }));
  });
  const saw = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const give = (settle: () => void) => {
        watchers.delete(look);
        clearTimeout(timer);
        settle();
      };
      const look = () => {
        const found = pattern.exec(output.stdout) ?? pattern.exec(output.stderr);
        if (found !== null) give(() => resolve(found));
      };
      const missing = (why: string) => () =>
        reject(new Error(`${name}: ${why} before ${pattern} was seen: ${JSON.stringify(output)}`));
      const timer = setTimeout(() => give(missing("40 s went by")), DEADLINE_MS);
      watchers.add(look);
      void ended.then(() => {
        look();
        if (watchers.has(look)) give(missing("it ended"));
      });
      look();
    });
  return { child, pid: child.pid as number, saw, ended };
}

export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = repository): Running {
  return startNode([cliEntry, ...args], env, cwd);
}

/** Runs `node <args>` to its end. */
export function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return startNode(args, env).ended;
}

export function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = repository): Promise<Ended> {
  return startCli(args, env, cwd).ended;
}

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until `condition` holds. Rejects after 30 s, naming what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`after 30 s still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The directories that workers have in `localDir`. */
export function workerDirectories(localDir: string): string[] {
  return readdirSync(localDir).filter((name) => name.startsWith("millrace-"));
}
