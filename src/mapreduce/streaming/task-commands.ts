// The commands of a task: started in a working directory of the task's own, with the job's files in it, heard on stderr, and
// read line by line. The directory is removed with the task.

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RunningTask } from "../../plan/handles.js";
import { runCommand } from "../../rdd/operations/child-command.js";
import { LineCutter } from "../../rdd/operations/line-cutter.js";
import type { Broadcast } from "../../session/broadcast.js";
import type { DriverTaskHandle } from "../../session/task-handle.js";
import { type CounterTotals, TaskCounters } from "../counters.js";
import { type JobIdentity, taskEnvironment } from "./environment.js";
import { inPieces } from "./pairs.js";
import { hearErrorLine } from "./reporter.js";
import { placeFiles, type ShippedFile } from "./shipped-files.js";

/** What every task of the job shares. */
export interface TaskSetup {
  readonly identity: JobIdentity;
  readonly settings: Readonly<Record<string, string>>;
  /** -cmdenv. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: Broadcast<readonly ShippedFile[]>;
  readonly counters: CounterTotals;
  readonly task: DriverTaskHandle;
  readonly timeoutMs: number | null;
  readonly failsByCode: boolean;
  readonly reporterPrefix: string;
}

export class TaskCommands {
  readonly counters: TaskCounters;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #task: RunningTask;

  constructor(
    private readonly setup: TaskSetup,
    kind: "map" | "reduce",
    private readonly signal: AbortSignal,
  ) {
    this.#task = setup.task.current;
    this.counters = new TaskCounters(setup.counters);
    this.#environment = {
      ...taskEnvironment(setup.identity, setup.settings, kind, this.#task),
      ...setup.env,
    };
    placeFiles(this.#task.scratch, setup.files.value);
  }

  /** Where in its file the task's input begins, in bytes. */
  get startOfInput(): number {
    const [split] = this.#task.splits;
    return split?.kind === "file" ? split.start : 0;
  }

  /** The lines that the command prints, in arrays. */
  async *lines(argv: readonly string[], input: Iterable<string>): AsyncGenerator<string[], void, void> {
    const { timeoutMs, failsByCode, reporterPrefix } = this.setup;
    const cutter = new LineCutter();
    const command = {
      argv: this.#placed(argv),
      env: this.#environment,
      cwd: this.#task.scratch,
      idleTimeoutMs: timeoutMs,
      failsByCode,
      onErrorLine: (line: string) => hearErrorLine(line, reporterPrefix, this.counters),
    };
    for await (const piece of runCommand(command, inPieces(input), this.signal)) {
      const lines = cutter.push(piece.toString("latin1"));
      if (lines.length > 0) yield lines;
    }
    const last = cutter.end();
    if (last.length > 0) yield last;
  }

  close(): void {
    rmSync(this.#task.scratch, { recursive: true, force: true });
  }

  /** A shipped file goes before PATH. */
  #placed(argv: readonly string[]): readonly string[] {
    const [program, ...rest] = argv as [string, ...string[]];
    if (program.includes("/")) return argv;
    const own = join(this.#task.scratch, program);
    return existsSync(own) ? [own, ...rest] : argv;
  }
}
