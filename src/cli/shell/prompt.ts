// The prompt on a terminal: Node's REPL for editing, history, several lines and its dot-commands, with an evaluation, a way to
// show results and a Ctrl-C of its own. One line runs at a time; meanwhile the input is held.
//
//   idle --a whole line--> running --its value, its error--> idle
//                          running --Ctrl-C--> its jobs are cancelled; with none running, the line is left alone --> idle

import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type REPLServer, Recoverable, type ReplOptions, start } from "node:repl";
import type { WriteStream } from "node:tty";
import { inspect } from "node:util";
import { isMillraceError } from "../../core/errors.js";
import { formatError } from "../report-error.js";
import { IncompleteLine } from "./compile-line.js";
import { type Evaluator, showUserLines } from "./evaluator.js";
import type { PromptInput } from "./prompt-input.js";

const HISTORY_LINES = 1_000;

export interface PromptParts {
  readonly evaluator: Evaluator;
  readonly input: PromptInput;
  readonly output: WriteStream;
  readonly historyFile: string;
  /** Rows of a table, which `.rows` changes. */
  readonly rows: number;
  show(value: unknown, rows: number): Promise<string | null>;
  complete(text: string, commands: readonly string[]): [string[], string];
  /** Cancels what runs for this process; gives how many jobs there were. */
  cancelJobs(reason: string): number;
}

/** A line that Ctrl-C left alone. */
class Left extends Error {}

export class Prompt {
  readonly #parts: PromptParts;
  readonly #repl: REPLServer;
  /** What Node does at Ctrl-C, which ends the prompt when nothing stands there. */
  readonly #clearLine: () => void;
  #rows: number;
  /** Leaves the line that runs; null while none does. */
  #leave: (() => void) | null = null;
  #incomplete = false;

  constructor(parts: PromptParts) {
    this.#parts = parts;
    this.#rows = parts.rows;
    this.#repl = start({
      prompt: "> ",
      input: parts.input,
      output: parts.output,
      terminal: parts.output.isTTY,
      eval: (text, _context, _file, done) => this.#line(text, done),
      completer: (text: string) => parts.complete(text, Object.keys(this.#repl.commands)),
      ignoreUndefined: true,
      preview: false,
      // Of what fails between lines: a timer's callback.
      writer: (error: unknown) => formatFailure(error, this.#colors),
      historySize: HISTORY_LINES,
    } as ReplOptions);
    const [clear] = this.#repl.listeners("SIGINT");
    this.#clearLine = clear as () => void;
    this.#repl.removeAllListeners("SIGINT");
    this.#repl.on("SIGINT", () => this.#interrupt());
    this.#defineCommands();
    this.#keepHistory();
  }

  get running(): boolean {
    return this.#leave !== null;
  }

  /** Resolves when the user ends the shell. */
  async ended(): Promise<void> {
    const interrupt = () => this.#interrupt();
    const rejected = (reason: unknown) => this.#tell(formatFailure(reason, this.#colors));
    process.on("SIGINT", interrupt);
    process.on("unhandledRejection", rejected);
    try {
      await new Promise<void>((resolve) => this.#repl.once("exit", resolve));
    } finally {
      process.off("SIGINT", interrupt);
      process.off("unhandledRejection", rejected);
    }
  }

  get #colors(): boolean {
    return this.#repl.useColors;
  }

  #line(text: string, done: (error: Error | null, result: unknown) => void): void {
    this.#incomplete = false;
    let run: () => Promise<unknown>;
    try {
      if (text.trim() === "") return done(null, undefined);
      run = this.#parts.evaluator.compile(text);
    } catch (error) {
      if (error instanceof IncompleteLine) {
        this.#incomplete = true;
        return done(new Recoverable(error), undefined);
      }
      this.#write(formatFailure(error, this.#colors));
      return done(null, undefined);
    }
    void this.#run(run).then(() => done(null, undefined));
  }

  async #run(run: () => Promise<unknown>): Promise<void> {
    const { evaluator, input, show } = this.#parts;
    const left = new Promise<never>((_resolve, reject) => {
      this.#leave = () => reject(new Left("interrupted; what the line has begun may go on"));
    });
    input.hold();
    // Nothing else may keep the process, while the input is held: a line may wait for what never comes, and be left by Ctrl-C.
    const alive = setInterval(() => undefined, 2 ** 30);
    try {
      const work = run().then(async (value) => {
        if (value !== undefined) evaluator.variables.set("_", value);
        return show(value, this.#rows);
      });
      // Only a line that was left fails without anybody to hear of it.
      work.catch(() => undefined);
      const shown = await Promise.race([work, left]);
      if (shown !== null) this.#write(shown);
    } catch (error) {
      this.#write(formatFailure(error, this.#colors));
    } finally {
      this.#leave = null;
      clearInterval(alive);
      input.release();
    }
  }

  #interrupt(): void {
    if (this.#leave !== null) {
      if (this.#parts.cancelJobs("Ctrl-C at the prompt") === 0) this.#leave();
    } else if (this.#incomplete || this.#repl.line !== "" || this.#repl.editorMode) {
      this.#incomplete = false;
      this.#clearLine();
    } else this.#tell("(Ctrl-D or .exit ends the shell)");
  }

  /** Between lines. */
  #tell(text: string): void {
    if (this.running) return this.#write(text);
    this.#write(`\n${text}`);
    this.#repl.displayPrompt(true);
  }

  #write(text: string): void {
    this.#parts.output.write(`${text}\n`);
  }

  #keepHistory(): void {
    const { historyFile } = this.#parts;
    try {
      mkdirSync(dirname(historyFile), { recursive: true, mode: 0o700 });
      // Node makes it with this mode; it may be there already.
      if (existsSync(historyFile)) chmodSync(historyFile, 0o600);
    } catch (error) {
      this.#tell(`the history is not kept: ${(error as Error).message}`);
      return;
    }
    this.#repl.setupHistory(historyFile, (error) => {
      if (error) this.#tell(`the history is not kept: ${error.message}`);
    });
  }

  #defineCommands(): void {
    const repl = this.#repl;
    repl.defineCommand("rows", {
      help: "How many rows a table shows: .rows 50",
      action: (text) => {
        if (/^[1-9]\d{0,5}$/.test(text.trim())) this.#rows = Number(text);
        else if (text.trim() !== "") this.#write(`.rows ${text}: expected a number of rows from 1 to 999999`);
        this.#write(`${this.#rows} rows`);
        repl.displayPrompt();
      },
    });
    repl.defineCommand("clear", {
      help: "Forget every variable; the session stays",
      action: () => {
        this.#parts.evaluator.variables.clear();
        repl.clearBufferedCommand();
        repl.displayPrompt();
      },
    });
    repl.defineCommand("help", {
      help: "This text",
      action: () => {
        const names = Object.keys(repl.commands).sort();
        const width = Math.max(...names.map((name) => name.length));
        const commands = names.map((name) => `.${name.padEnd(width)}  ${repl.commands[name]?.help ?? ""}`);
        this.#write(`${HELP}\n${commands.join("\n")}`);
        repl.displayPrompt();
      },
    });
  }
}

const HELP = `TypeScript, with top-level await and import. \`session\` (or \`sc\`) is an open Session, \`_\` the value of the last line.
A promise that a line gives is awaited; arrays of pairs or objects are shown as tables; an RDD is shown without a job.

  const words = session.textFile("README.md").flatMap((line) => line.split(/\\s+/))
  words.map((word) => [word, 1] as const).reduceByKey((a, b) => a + b).top(10, ([, n]) => n)

Tab completes, Ctrl-R searches the history, Ctrl-C cancels the jobs of the line that runs, Ctrl-D ends the shell.
`;

/** What went wrong, with millrace's code and what to do, or with the user's own stack. */
export function formatFailure(error: unknown, colors: boolean): string {
  if (isMillraceError(error)) return formatError(error);
  if (error instanceof Left) return error.message;
  if ((error as NodeJS.ErrnoException | null)?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED") return "interrupted";
  showUserLines(error);
  return error instanceof Error ? inspect(error, { colors }) : `thrown: ${inspect(error, { colors })}`;
}
