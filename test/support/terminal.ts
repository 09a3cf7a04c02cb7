// A program on a terminal, as a user sits before it: Python's pty module makes the terminal, for Node has none. What it writes
// is seen without escape sequences, and from where one looked last.

import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export const hasTerminal = spawnSync("python3", ["-c", "import pty"]).status === 0;

const RELAY = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
const DEADLINE_MS = 30_000;

/** `command` on a terminal of 40 rows; what is written to its stdin is typed. */
export function spawnOnTerminal(
  command: readonly string[],
  { columns = 120, ...options }: Pick<SpawnOptions, "cwd" | "env" | "timeout"> & { readonly columns?: number } = {},
) {
  // Size first: a new terminal has none.
  const sized = `stty rows 40 cols ${columns}; exec "$0" "$@"`;
  return spawn("python3", ["-c", RELAY, "sh", "-c", sized, ...command], {
    ...options,
    env: { ...process.env, TERM: "xterm", ...options.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
}

export class Terminal implements AsyncDisposable {
  readonly #child;
  readonly #ended: Promise<unknown[]>;
  #shown = "";
  #wake: () => void = () => undefined;

  constructor(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    this.#child = spawnOnTerminal(command, { cwd, env });
    this.#ended = once(this.#child, "close");
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#shown += text;
      this.#wake();
    });
    void this.#ended.then(() => this.#wake());
  }

  /** Types; each character of its own, as keys are. */
  type(text: string): void {
    for (const key of text) this.#child.stdin.write(key);
  }

  /** At once, as pasted text comes. */
  paste(text: string): void {
    this.#child.stdin.write(text);
  }

  /** What was shown since the last call up to the end of the pattern. Rejects after 30 s, and when the program ends before. */
  async saw(pattern: RegExp): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, DEADLINE_MS);
    try {
      return await this.#take(pattern, () => late);
    } finally {
      clearTimeout(timer);
    }
  }

  async #take(pattern: RegExp, late: () => boolean): Promise<string> {
    for (;;) {
      const text = plain(this.#shown);
      const found = pattern.exec(text);
      if (found !== null) {
        this.#shown = text.slice(found.index + found[0].length);
        return text.slice(0, found.index + found[0].length);
      }
      const { exitCode } = this.#child;
      if (late() || exitCode !== null) {
        const why = exitCode === null ? "" : ` (it ended with ${exitCode})`;
        throw new Error(`${pattern} was not seen${why}: ${JSON.stringify(text)}`);
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Types a line and gives what is shown up to the next prompt. */
  async line(text: string): Promise<string> {
    this.type(`${text}\r`);
    await this.saw(/\n/);
    return this.saw(PROMPT);
  }

  /** The exit code, once the program has ended by itself. Rejects after 30 s. */
  async ended(): Promise<number> {
    const late = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error(`it has not ended: ${plain(this.#shown)}`)), DEADLINE_MS).unref();
    });
    const [code] = await Promise.race([this.#ended, late]);
    return code as number;
  }

  /** Closing the terminal hangs the program up. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Of the shell, where it waits for a line. */
export const PROMPT = /(?:^|\n)> $/;

function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of a terminal
  return text.replace(/\u001b\[[\d;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}
