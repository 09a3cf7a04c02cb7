// `millrace shell`: a TypeScript prompt with an open session. On a terminal it asks for lines; with -e, or when its stdin is
// no terminal, it runs that text as one and prints what its last expression gives, so scripts can use it.

import { homedir } from "node:os";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { MillraceError } from "../../core/errors.js";
import { resolveOptions } from "../../core/options.js";
import { version } from "../../core/version.js";
import type { Session as OwnSession, RDD } from "../../index.js";
import { startSpareThread } from "../../session/service-thread/spare-thread.js";
import { type OpenedSession, onSessionOpened } from "../../session/session-hooks.js";
import type { ShellFlags } from "../flags.js";
import { requireOf } from "../load-program.js";
import { complete } from "../shell/complete.js";
import { Evaluator } from "../shell/evaluator.js";
import { Prompt } from "../shell/prompt.js";
import { PromptInput } from "../shell/prompt-input.js";
import { showValue } from "../shell/show.js";
import { Variables } from "../shell/variables.js";
import { applyFlags, showProgress, standInForProgram } from "./run.js";

/** Of this build, which is what `import "millrace"` gives at the prompt. */
interface OwnModule {
  readonly Session: typeof OwnSession;
  readonly RDD: typeof RDD;
}

const PIPE_WIDTH = 120;

export async function shell(flags: ShellFlags): Promise<void> {
  const rows = rowLimit(flags.rows);
  applyFlags(flags);
  const place = standInForProgram("shell", "millrace shell");
  // esbuild in a process of its own a call: one that stayed would be ended by the Ctrl-C that is meant for a line.
  process.env.ESBUILD_WORKER_THREADS = "0";
  startSpareThread(new URL("./service.js", import.meta.url));
  const own = (await import(new URL("./index.js", import.meta.url).href)) as OwnModule;
  const opened: OpenedSession[] = [];
  onSessionOpened((session) => opened.push(session));
  let prompt: Prompt | null = null;
  const interactive = flags.eval === undefined && process.stdin.isTTY;
  if (flags.progress && process.stderr.isTTY) await showProgress(() => prompt === null || prompt.running);
  const given = flags.eval ?? (interactive ? null : await readAll(process.stdin));
  try {
    const session = await own.Session.open();
    const evaluator = new Evaluator(
      new Variables({ session, sc: session, Session: own.Session, require: requireOf(place, own) }),
      own,
      new Map([["Session", { specifier: "millrace", imported: "Session", namespace: true }]]),
      (text) => process.stderr.write(`note: ${text}\n`),
    );
    const show = (value: unknown, limit: number) => {
      const { columns = PIPE_WIDTH, isTTY } = process.stdout;
      const colors = isTTY && process.stdout.hasColors();
      return showValue(value, { rows: limit, width: columns, colors }, (one) => one instanceof own.RDD);
    };
    if (given !== null) {
      const shown = await show(await evaluator.compile(given)(), rows);
      if (shown !== null) process.stdout.write(`${shown}\n`);
      return;
    }
    const { values } = resolveOptions({ environment: process.env, programDirectory: process.cwd() });
    process.stdout.write(`millrace ${version} on ${values.master}; \`session\` is open, .help tells more\n`);
    const input = new PromptInput(process.stdin);
    prompt = new Prompt({
      evaluator,
      input,
      output: process.stdout,
      historyFile: join(homedir(), ".millrace", "shell_history"),
      rows,
      show,
      complete: (line, commands) =>
        complete(line, evaluator.variables.scope, { rdd: own.RDD, session: own.Session }, commands),
      cancelJobs: (reason) => opened.reduce((jobs, one) => jobs + one.cancelAllJobs(reason), 0),
    });
    await prompt.ended();
    input.close();
  } finally {
    await Promise.all(opened.map((session) => session.stop()));
  }
  // A timer or a server that was begun at the prompt does not keep the shell.
  process.exit();
}

function rowLimit(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new MillraceError("INVALID_OPTION", `--rows ${text}: expected a number from 1 to 999999`, {
    fields: { option: "rows" },
  });
}
