// pipe: the records of a partition go through a command of the system, one line each in and out. The function runs in tasks
// and travels there with its captured variables; what it needs of Node it imports itself.

import { printRecord } from "../../codec/print-record.js";
import { invalidArgument } from "../../session/arguments.js";
import type { NodeHandle } from "../../session/lineage-store.js";
import type { Operand } from "../operand.js";

/** Options of `RDD.pipe`. */
export interface PipeOptions {
  /** Added to the environment of the worker, or over it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory of the command; default: the worker's. */
  readonly cwd?: string;
}

export function pipe(at: Operand, command: unknown, options: PipeOptions | undefined): NodeHandle {
  const [program, ...args] = commandOf(at, command);
  const { env, cwd } = options ?? {};
  const fn = through({ program: program as string, args, env: { ...env }, cwd: cwd ?? null });
  return at.narrow({ op: "mapPartitions", fn: at.capture("command", fn) });
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | null;
}

/** A text is cut at white space, as Spark does: nothing is quoted. An array is taken as it is. */
function commandOf(at: Operand, command: unknown): string[] {
  const words = typeof command === "string" ? command.split(/\s+/).filter(Boolean) : command;
  if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== "string"))
    throw invalidArgument(at.method, "command", "a text or an array of texts, the program first", command);
  return words as string[];
}

function through({ program, args, env, cwd }: Command) {
  return async function* (records: Iterable<unknown>, signal: AbortSignal): AsyncGenerator<string, void, void> {
    const { spawn } = await import("node:child_process");
    const { createInterface } = await import("node:readline");
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
      ...(cwd === null ? {} : { cwd }),
      signal,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2_000);
    });
    const ended = new Promise<{ code: number | null; killed: string | null; error: Error | null }>((resolve) => {
      child.on("error", (error) => resolve({ code: null, killed: null, error }));
      child.on("close", (code, killed) => resolve({ code, killed, error: null }));
    });
    // A command that has read enough (head) closes its end: that is no failure, its exit code decides.
    let closed = false;
    child.stdin.on("error", () => {
      closed = true;
    });
    child.on("exit", () => {
      closed = true;
    });
    const feed = async () => {
      for (const record of records) {
        if (closed) return;
        if (child.stdin.write(`${printRecord(record)}\n`)) continue;
        await new Promise<void>((resolve) => {
          child.stdin.once("drain", resolve).once("close", resolve);
        });
      }
      child.stdin.end();
    };
    let failure: unknown = null;
    const feeding = feed().catch((error) => {
      failure = error;
      child.kill("SIGKILL");
    });
    try {
      yield* createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
      await feeding;
      const { code, killed, error } = await ended;
      if (failure !== null) throw failure;
      if (error !== null) throw error;
      if (code === 0) return;
      const how = killed === null ? `exited with code ${code}` : `was ended by ${killed}`;
      throw new Error(`the command ${[program, ...args].join(" ")} ${how}; its last words: ${said.trim() || "none"}`);
    } finally {
      child.kill("SIGKILL");
    }
  };
}
