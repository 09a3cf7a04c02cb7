// How the command line shows a failure: the code and message, the user's own error with the stack in the user's files, and
// what to do next. Frames of millrace's own are left out, except for a fault of millrace.

import type { Command } from "commander";
import { type ErrorCode, errorCatalog } from "../core/error-codes.js";
import { isMillraceError, type MillraceError } from "../core/errors.js";
import { nearestName } from "../core/nearest-name.js";
import { userFrames } from "../session/job-errors.js";

/** Writes the error to stderr, as text or as one JSON document. */
export function reportError(error: unknown, json = false): void {
  process.stderr.write(`${json ? jsonError(error) : formatError(error)}\n`);
}

/** `{ "error": { code, message, fields, cause?, cure } }`, without stacks. */
function jsonError(error: unknown): string {
  const cure = isMillraceError(error) ? cureOf(error) : errorCatalog.INTERNAL.cure;
  const told = isMillraceError(error) ? plainError(error) : { code: "INTERNAL", fields: {}, ...plainError(error) };
  return JSON.stringify({ error: { ...told, cure } }, null, 2);
}

function plainError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const cause = error.cause === undefined ? {} : { cause: plainError(error.cause) };
  if (!isMillraceError(error)) return { name: error.name, message: error.message, ...cause };
  return { code: error.code, message: error.message, fields: error.fields, ...cause };
}

/** What commander says of arguments that it cannot read, with what to do; as JSON for somebody who asked for it. */
export function formatUsageError(text: string, args: readonly string[]): string {
  const message = text.replace(/^error: /, "").trim();
  const cure = message.includes("'--master <url>'")
    ? "Give --master, or set MILLRACE_MASTER."
    : "`millrace --help` lists the commands, `millrace <command> --help` its options.";
  const end = args.indexOf("--");
  if (!args.slice(0, end < 0 ? args.length : end).includes("--json"))
    return message.includes("Did you mean") ? text : `error: ${message}\n  what to do: ${cure}\n`;
  const error = { code: "INVALID_ARGUMENT", message: message.replace(/\s*\n\s*/g, " "), fields: {}, cure };
  return `${JSON.stringify({ error }, null, 2)}\n`;
}

/** Of a command that has subcommands and an action: commander would count its arguments. */
export function unknownSubcommand(command: Command, name: string): string {
  const names = command.commands.map((one) => one.name());
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `; ${command.name()} has ${names.join(", ")}` : `\n(Did you mean ${nearest}?)`;
  return `error: unknown command '${name}' of ${command.name()}${hint}`;
}

export function formatError(error: unknown): string {
  if (!isMillraceError(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`millrace: ${error.code}: ${error.message}`];
  let above = error.message;
  for (let cause = error.cause; cause !== undefined; cause = (cause as Error).cause) {
    const shown = formatCause(cause);
    // A cause that says in one line what stands above already.
    if (!above.includes(shown.replace(/^\w*Error: /, ""))) lines.push(`  caused by: ${shown.replaceAll("\n", "\n  ")}`);
    if (!(cause instanceof Error)) break;
    above = cause.message;
  }
  lines.push(...storyOf(error));
  if (error.code === "INTERNAL") lines.push(error.stack ?? "");
  lines.push(`  what to do: ${cureOf(error)}`);
  return lines.join("\n");
}

interface ToldAttempt {
  readonly stage?: unknown;
  readonly partition?: unknown;
  readonly attempt?: unknown;
  readonly worker?: unknown;
  readonly node?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly startedMs?: unknown;
  readonly ranMs?: unknown;
}

/** Where, when and why each failed attempt of the job failed, the oldest first. One alone is told by the message already. */
function storyOf(error: MillraceError): string[] {
  const attempts = error.fields.attempts;
  if (!Array.isArray(attempts) || attempts.length < 2) return [];
  const seconds = (ms: unknown) => (typeof ms === "number" ? `${(ms / 1000).toFixed(1)} s` : "?");
  const line = (one: ToldAttempt) => {
    const what = `stage ${one.stage}, partition ${one.partition}, attempt ${one.attempt}`;
    const where = `on ${one.worker}${one.node === "" || one.node === undefined ? "" : ` (${one.node})`}`;
    const when = `began after ${seconds(one.startedMs)}, ran ${seconds(one.ranMs)}`;
    return `    ${what} ${where}, ${when}`;
  };
  const why = (one: ToldAttempt) => `${one.code}: ${String(one.message).split("\n")[0]}`;
  return [
    "  failed attempts:",
    ...(attempts as readonly ToldAttempt[]).map((one, at, all) => {
      const before = all[at - 1];
      return `${line(one)}: ${before !== undefined && why(before) === why(one) ? "as the one before" : why(one)}`;
    }),
  ];
}

function formatCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (isMillraceError(cause) && cause.code !== "INTERNAL") return cause.message;
  return userFrames(cause.stack ?? `${cause.name}: ${cause.message}`);
}

/** A job fails because its tasks do: what helps is the cure of their error. */
function cureOf(error: MillraceError): string {
  const attempts = error.fields.attempts;
  const last: unknown = Array.isArray(attempts) ? attempts.at(-1)?.code : undefined;
  return typeof last === "string" && last in errorCatalog ? errorCatalog[last as ErrorCode].cure : error.cure;
}
