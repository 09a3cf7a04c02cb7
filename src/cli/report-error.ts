// How the command line shows a failure: the code and message, what to do next, and the causes down to the user's own error,
// whose stack is the one that helps.

import { isMillraceError } from "../core/errors.js";

/** Writes the error to stderr. */
export function reportError(error: unknown): void {
  process.stderr.write(`${formatError(error)}\n`);
}

export function formatError(error: unknown): string {
  if (!isMillraceError(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`millrace: ${error.code}: ${error.message}`];
  for (let cause = error.cause; cause !== undefined; cause = (cause as Error).cause) {
    if (!(cause instanceof Error)) {
      lines.push(`  caused by: ${String(cause)}`);
      break;
    }
    // Errors of ours on the way only repeat where it happened; the last one, the user's, comes with its stack.
    const last = cause.cause === undefined;
    lines.push(`  caused by: ${last ? (cause.stack ?? cause.message) : cause.message}`.replaceAll("\n", "\n  "));
  }
  lines.push(`  what to do: ${error.cure}`);
  return lines.join("\n");
}
