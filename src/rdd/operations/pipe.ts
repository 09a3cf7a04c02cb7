// pipe: the records of a partition go through a command of the system, one line each in and out.

import { printRecord } from "../../codec/print-record.js";
import { invalidArgument } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";
import { runCommand } from "./child-command.js";
import { LineCutter } from "./line-cutter.js";

/** Options of `RDD.pipe`. */
export interface PipeOptions {
  /** Added to the environment of the worker, or over it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory of the command; default: the worker's. */
  readonly cwd?: string;
}

/** Characters of lines that are written at once. */
const PIECE = 64 * 1024;

export function pipe(at: Operand, command: unknown, options: PipeOptions | undefined): NodeHandle {
  const argv = commandOf(at, command);
  const { env, cwd } = options ?? {};
  const lines = at.narrow({
    op: "mapPartitions",
    fn: at.capture("command", through(argv, { ...env }, cwd ?? null)),
  });
  return at.on(lines).narrow({ op: "flatMap", fn: at.capture("command", itself) });
}

/** A text is cut at white space, as Spark does: nothing is quoted. An array is taken as it is. */
function commandOf(at: Operand, command: unknown): string[] {
  const words = typeof command === "string" ? command.split(/\s+/).filter(Boolean) : command;
  if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== "string"))
    throw invalidArgument(at.method, "command", "a text or an array of texts, the program first", command);
  return words as string[];
}

/** Lines in arrays: an asynchronous step a line would cost more than the line. */
function through(argv: readonly string[], env: Readonly<Record<string, string>>, cwd: string | null) {
  return async function* (records: Iterable<unknown>, signal: AbortSignal): AsyncGenerator<string[], void, void> {
    const command = { argv, env, cwd, idleTimeoutMs: null, failsByCode: true };
    const decoder = new TextDecoder();
    const cutter = new LineCutter();
    for await (const piece of runCommand(command, printed(records), signal)) {
      const lines = cutter.push(decoder.decode(piece, { stream: true }));
      if (lines.length > 0) yield lines;
    }
    yield [...cutter.push(decoder.decode()), ...cutter.end()];
  };
}

function* printed(records: Iterable<unknown>): Generator<Uint8Array, void, void> {
  let text = "";
  for (const record of records) {
    text += `${printRecord(record)}\n`;
    if (text.length < PIECE) continue;
    yield Buffer.from(text);
    text = "";
  }
  if (text !== "") yield Buffer.from(text);
}

const itself = (lines: readonly string[]): readonly string[] => lines;
