// The shell of somebody who follows a page: commands that run to their end, and terminals in which something keeps running.
// What a terminal prints is waited for as text, each time from where the last one ended. Everything is killed at the end.

import { type ChildProcess, spawn } from "node:child_process";

/** For commands that end, and for a text that a terminal shall print. */
const DEADLINE_MS = 60_000;
/** Terminals are closed by their test; this is for one that forgets. */
const TERMINAL_MS = 180_000;

export class Terminals {
  readonly #open = new Map<string, Terminal>();

  constructor(
    private readonly cwd: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Runs commands to their end and gives what they printed. Rejects when one fails, or after 60 s. */
  async run(commands: string): Promise<string> {
    const terminal = new Terminal(commands, this.cwd, this.env, DEADLINE_MS);
    const code = await terminal.ended;
    if (code === 0) return terminal.text;
    throw new Error(`ended with ${code}:\n${commands}\n${terminal.text}`);
  }

  start(name: string, commands: string): void {
    if (this.#open.has(name)) throw new Error(`terminal ${name} is in use`);
    this.#open.set(name, new Terminal(commands, this.cwd, this.env, TERMINAL_MS));
  }

  /** Resolves when the terminal has printed what fits. */
  async sees(name: string, text: RegExp): Promise<void> {
    const terminal = this.#open.get(name);
    if (terminal === undefined) throw new Error(`there is no terminal ${name}`);
    await terminal.sees(text);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((terminal) => terminal.kill()));
  }
}

class Terminal {
  text = "";
  readonly ended: Promise<number | string | null>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  /** Where in `text` the last awaited text ended. */
  #seen = 0;

  constructor(
    private readonly commands: string,
    cwd: string,
    env: NodeJS.ProcessEnv,
    lifetimeMs: number,
  ) {
    // A process group of its own: npx, the shell and what they start are ended together.
    const child = spawn("bash", ["-euo", "pipefail", "-c", commands], { cwd, env, detached: true });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.text += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    const timer = setTimeout(() => this.#signal(), lifetimeMs);
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        resolve(code ?? signal);
      });
    });
  }

  sees(text: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        this.#watchers.delete(look);
        clearTimeout(timer);
        settle();
      };
      const look = () => {
        const found = text.exec(this.text.slice(this.#seen));
        if (found === null) return;
        this.#seen += found.index + found[0].length;
        done(resolve);
      };
      const missing = () => reject(new Error(`not seen: ${text}\n$ ${this.commands}\n${this.text}`));
      const timer = setTimeout(() => done(missing), DEADLINE_MS);
      this.#watchers.add(look);
      void this.ended.then(() => {
        look();
        if (this.#watchers.has(look)) done(missing);
      });
      look();
    });
  }

  async kill(): Promise<void> {
    this.#signal();
    await this.ended;
  }

  #signal(): void {
    try {
      process.kill(-(this.#child.pid as number), "SIGKILL");
    } catch (error) {
      // All of it has ended.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
