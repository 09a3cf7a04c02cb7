// Starts and ends the worker processes of a local cluster. A child reads its configuration, with the secret, from its stdin
// as one line of JSON (so it stands in no process list and no environment) and ends when that pipe closes: whatever becomes
// of this process, its children go too.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { MillraceError } from "../../core/errors.js";
import type { WorkerLaunch } from "../../protocol/launch.js";

/** How long a child may take to leave by itself before it is killed. */
const STOP_TIMEOUT_MS = 5_000;

export class WorkerProcesses {
  readonly #children: ChildProcess[] = [];
  #stopping = false;

  constructor(
    private readonly entry: string,
    /** A child ended although nobody asked it to. */
    private readonly onExit: (workerId: string, code: number | null, signal: NodeJS.Signals | null) => void,
  ) {}

  get pids(): number[] {
    return this.#children.flatMap((child) => (child.pid === undefined ? [] : [child.pid]));
  }

  start(config: WorkerLaunch): void {
    const { MILLRACE_SECRET: _secret, ...env } = process.env;
    const child = spawn(process.execPath, [fileURLToPath(this.entry), "--config-on-stdin"], {
      stdio: ["pipe", "ignore", "inherit"],
      env,
      // Not of the terminal's foreground group: Ctrl-C is the driver's to judge (millrace shell cancels a job by it).
      detached: true,
    });
    this.#children.push(child);
    child.on("error", (error) => {
      throw new MillraceError(
        "WORKER_LOST",
        `the worker process ${config.workerId} could not be started: ${error.message}`,
        { cause: error },
      );
    });
    // A child that is gone breaks the pipe; its exit event is what is reported.
    child.stdin?.on("error", () => undefined);
    child.stdin?.write(`${JSON.stringify(config)}\n`);
    child.on("exit", (code, signal) => {
      this.#children.splice(this.#children.indexOf(child), 1);
      if (!this.#stopping) this.onExit(config.workerId, code, signal);
    });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
  }

  /** From now on a child that ends is not reported. */
  expectExits(): void {
    this.#stopping = true;
  }

  /** Closes every child's pipe, waits, and kills what has not left in time. */
  async stop(): Promise<void> {
    this.expectExits();
    await Promise.all(
      [...this.#children].map(async (child) => {
        const exited = once(child, "exit");
        child.stdin?.end();
        const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
        await exited;
        clearTimeout(timer);
      }),
    );
  }
}
