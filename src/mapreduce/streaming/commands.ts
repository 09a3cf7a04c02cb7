// The commands of a job as a user gives them, as programs and their arguments.

import { resolve } from "node:path";
import { MillraceError } from "../../core/errors.js";
import { invalidArgument } from "../../session/arguments.js";
import { splitCommand } from "./command-line.js";

/** A command as one text, cut into words as a shell does (no shell runs), or its words. */
export type StreamingCommand = string | readonly string[];

/** null where Hadoop's `identity` is meant. */
export function commandOf(
  what: string,
  given: StreamingCommand | undefined,
  files: readonly string[],
  identity: string | null,
): readonly string[] | null {
  if (given === undefined) return null;
  if (identity !== null && typeof given === "string" && given.split(".").at(-1) === identity) return null;
  const words = typeof given === "string" ? splitCommand(given, what) : given;
  if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== "string" || word === ""))
    throw invalidArgument("streaming", what, "a text or an array of texts, the program first", given);
  const [program, ...rest] = words as [string, ...string[]];
  if (program === "aggregate" || /^org\.apache\.hadoop\./.test(program))
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the ${what} ${program} is a class of Hadoop's; a command is due, such as awk or a script of your own (-files)`,
      { fields: { argument: what, command: program } },
    );
  // A path of a file that goes along is the file beside the command.
  const along = files
    .map((file) => file.split("#"))
    .find(([path]) => path === program || (program.includes("/") && resolve(path as string) === resolve(program)));
  return along === undefined ? words : [`./${along[1] ?? program.split("/").at(-1)}`, ...rest];
}
