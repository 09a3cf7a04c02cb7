// The end of one of our processes that cannot go on: one line on stderr, exit code 1.

import { isMillraceError } from "./errors.js";

export function reportFatal(error: unknown): never {
  const text = isMillraceError(error)
    ? `${error.code}: ${error.message}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`millrace: ${text}\n`);
  process.exit(1);
}
