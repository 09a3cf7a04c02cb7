// `millrace run` and `millrace submit`: the user's program in this process. Flags become the defaults of its Session by the
// environment, which is what a program's own Session.open may override; the exit code stays the program's.

import { join, resolve } from "node:path";
import { MillraceError } from "../../core/errors.js";
import { type OptionName, parseOption, resolveOptions, variableOfOption } from "../../core/options.js";
import { startSpareThread } from "../../session/service-thread/spare-thread.js";
import { onSessionOpened } from "../../session/session-hooks.js";
import type { RunFlags } from "../flags.js";
import { loadProgram } from "../load-program.js";
import { ProgressBar } from "../progress-bar.js";

export async function run(path: string, args: readonly string[], flags: RunFlags): Promise<void> {
  applyFlags(flags);
  if (flags.progress && process.stderr.isTTY) await showProgress();
  if (flags.summary === true) await showSummary(flags.json === true);
  else if (flags.json === true) throw jsonAlone();
  startSpareThread(new URL("./service.js", import.meta.url));
  await loadProgram(path, [...args]);
}

/** As the variables that a Session reads. */
export function applyFlags(flags: RunFlags): void {
  if (flags.master !== undefined) process.env.MILLRACE_MASTER = flags.master;
  if (flags.secretFile !== undefined) process.env[variableOfOption("secretFile")] = flags.secretFile;
  if (flags.tls !== undefined) process.env[variableOfOption("tls")] = resolve(flags.tls);
  applyConf(flags.conf ?? []);
}

/**
 * For a command whose sessions have no program's file: packages and millrace.json are looked for from this folder, and their
 * appName is `appName` where neither a variable nor millrace.json says another one. Answers the path that stands for the program.
 */
export function standInForProgram(name: string, appName: string): string {
  const { origins } = resolveOptions({ environment: process.env, programDirectory: process.cwd() });
  if (origins.appName.kind === "default") process.env[variableOfOption("appName")] = appName;
  const place = join(process.cwd(), `<${name}>`);
  process.argv = [process.execPath, place];
  return place;
}

/** Each `name=value` as the variable that a Session reads. */
export function applyConf(pairs: readonly string[]): void {
  for (const pair of pairs) {
    const [name, value] = splitPair(pair);
    parseOption(name, value, "--conf");
    process.env[variableOfOption(name as OptionName)] = value;
  }
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf("=");
  if (at <= 0) {
    throw new MillraceError("INVALID_OPTION", `--conf ${pair}: expected name=value, e.g. --conf task.maxFailures=2`, {
      fields: { conf: pair },
    });
  }
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function jsonAlone(): MillraceError {
  return new MillraceError("INVALID_OPTION", "--json: expected together with --summary, which it is the form of", {
    fields: { flag: "--json" },
  });
}

/** Told when the process ends, however its program ends: jobs may run after its top level. */
async function showSummary(json: boolean): Promise<void> {
  const { formatTotals, RunSummary } = await import("../run-summary.js");
  const summary = new RunSummary();
  let sessions = 0;
  onSessionOpened((session) => {
    const number = ++sessions;
    session.jobEnds.add((end) => summary.add(number, end, (value) => session.currentValue(value)));
  });
  process.on("exit", () => {
    const totals = summary.totals();
    process.stderr.write(json ? `${JSON.stringify(totals)}\n` : formatTotals(totals));
  });
}

/** The bar of every session that is opened from now on. `wanted`: whether it may be drawn just now. */
export async function showProgress(wanted: () => boolean = () => true): Promise<ProgressBar> {
  const { createLogUpdate } = await import("log-update");
  const bar = new ProgressBar(createLogUpdate(process.stderr));
  onSessionOpened((session) => {
    session.progress.add((stages) => {
      if (wanted()) bar.update(stages);
    });
    session.jobEnds.add(() => bar.clear());
    // A line of a task must not be written into the bar.
    session.logs.add(() => bar.clear());
  });
  return bar;
}
