// A command of the system beside a task: bytes into its stdin, bytes out of its stdout, each no faster than the other side
// takes them. It lives no longer than the task: whatever ends the loop over its output ends the command and what it has
// started, and so does the end of the slot's thread or of the worker, however they end: the command is on a leash. Runs in
// tasks, where it travels with the function that uses it.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import { MillraceError } from "../../core/errors.js";

export interface ChildCommand {
  /** The program first; looked up in PATH unless it has a slash. */
  readonly argv: readonly string[];
  /** Added to the environment of the worker, or over it. */
  readonly env: Readonly<Record<string, string>>;
  /** null: the worker's own directory. */
  readonly cwd: string | null;
  /** Ended after so long without reading, writing or saying anything. null: never. */
  readonly idleTimeoutMs: number | null;
  /** Another exit code than 0 fails the task. */
  readonly failsByCode: boolean;
  /** Hears each line of stderr as it comes. */
  readonly onErrorLine?: (line: string) => void;
}

/** Of what a command said on stderr, for the error that tells of its failure. */
const LAST_WORDS = 2_000;

/**
 * Beside the command one process of its group waits for the end of a pipe that this process holds, and ends the group then. The
 * shell is replaced by the command, which keeps its number: a parent of its own between would change what scripts see.
 */
const LEASHED = '(exec </dev/null >/dev/null 2>&1; read -r end <&3; kill -s KILL -- -$$) & exec "$@" 3<&-';

/**
 * What the command prints, piece by piece. A command that reads only a part of `input` (head) is right to do so; its exit code
 * decides. Throws COMMAND_FAILED, TIMEOUT, and what `input` throws.
 */
export async function* runCommand(
  command: ChildCommand,
  input: Iterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...command.env };
  requireProgram(command, env.PATH ?? "");
  // A group of its own, so that what a shell has started ends with it.
  const child = spawn("/bin/sh", ["-c", LEASHED, "sh", ...command.argv], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env,
    detached: true,
    ...(command.cwd === null ? {} : { cwd: command.cwd }),
  });
  let ended = false;
  const end = new Promise<string | null>((settle) => {
    child.on("error", (error) => {
      ended = true;
      settle(`cannot be started: ${error.message}`);
    });
    child.on("close", (code, killed) => {
      ended = true;
      if (killed !== null) settle(`was ended by ${killed}`);
      else settle(code === 0 || !command.failsByCode ? null : `exited with code ${code}`);
    });
  });
  if (child.pid === undefined) throw commandFailed(command, (await end) ?? "cannot be started", null, "none");
  const exited = new Promise<void>((settle) => child.on("exit", () => settle()));
  const leash = child.stdio[3] as Writable;
  // It breaks where the group was killed.
  leash.on("error", () => undefined);
  let failure: unknown = null;
  let progressAt = Date.now();
  let paused = false;
  const fail = (error: unknown) => {
    failure ??= error;
    if (!ended) killGroup(child);
  };
  const lastWords = readErrors(child, (line) => {
    progressAt = Date.now();
    command.onErrorLine?.(line);
  });
  const onAbort = () => fail(new MillraceError("TASK_CANCELLED", "the task was cancelled with its job"));
  signal.addEventListener("abort", onAbort);
  const idle = command.idleTimeoutMs;
  const watch =
    idle === null
      ? undefined
      : setInterval(
          () => {
            if (!paused && Date.now() - progressAt > idle) fail(idleTooLong(command, idle, lastWords()));
          },
          Math.min(1_000, Math.max(10, idle / 4)),
        );
  const feeding = feed(child, input, () => {
    progressAt = Date.now();
  }).catch(fail);
  try {
    if (signal.aborted) onAbort();
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      // While the task does not take more, the command is not to blame.
      paused = true;
      yield piece;
      paused = false;
      progressAt = Date.now();
    }
    // Nobody holds stdout any more, and the command has said its code: what waits beside it may go.
    await exited;
    leash.destroy();
    const how = await end;
    await feeding;
    if (failure !== null) throw failure;
    if (how !== null) throw commandFailed(command, how, child.exitCode, lastWords());
  } catch (error) {
    throw failure ?? error;
  } finally {
    clearInterval(watch);
    signal.removeEventListener("abort", onAbort);
    if (!ended) killGroup(child);
    leash.destroy();
  }
}

async function feed(child: ChildProcess, input: Iterable<Uint8Array>, onProgress: () => void): Promise<void> {
  const stdin = child.stdin as NonNullable<ChildProcess["stdin"]>;
  let closed = false;
  // EPIPE and the like: the command has closed its end.
  stdin.on("error", () => {
    closed = true;
  });
  child.on("exit", () => {
    closed = true;
  });
  for (const piece of input) {
    onProgress();
    if (closed) return;
    if (stdin.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        stdin.off("drain", go).off("close", go);
        resolve();
      };
      stdin.on("drain", go).on("close", go);
      if (stdin.destroyed) go();
    });
    onProgress();
  }
  stdin.end();
}

/** Tells each line; gives a function that gives the last of them. */
function readErrors(child: ChildProcess, onLine: (line: string) => void): () => string {
  let said = "";
  let open = "";
  const stderr = child.stderr as NonNullable<ChildProcess["stderr"]>;
  stderr.setEncoding("utf8");
  stderr.on("data", (text: string) => {
    said = (said + text).slice(-LAST_WORDS);
    const lines = (open + text).split("\n");
    open = lines.pop() as string;
    for (const line of lines) onLine(line);
  });
  stderr.on("end", () => {
    if (open !== "") onLine(open);
  });
  return () => said.trim() || "none";
}

/** A shell would say it by the exit code 127, which may be the command's own. */
function requireProgram(command: ChildCommand, searchPath: string): void {
  const program = command.argv[0] as string;
  const from = command.cwd ?? process.cwd();
  const places = program.includes("/")
    ? [resolve(from, program)]
    : searchPath.split(delimiter).map((one) => join(one, program));
  if (!places.some(isExecutable))
    throw commandFailed(command, `cannot be started: ENOENT, there is no program ${program}`, null, "none");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    // Not there, not allowed, a file where a directory was named: not this one.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // It has ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function commandFailed(command: ChildCommand, how: string, exitCode: number | null, stderr: string): MillraceError {
  const text = command.argv.join(" ");
  return new MillraceError("COMMAND_FAILED", `the command ${text} ${how}; its last words: ${stderr}`, {
    fields: { command: text, exitCode: exitCode ?? -1, stderr },
  });
}

function idleTooLong(command: ChildCommand, idleMs: number, stderr: string): MillraceError {
  const text = command.argv.join(" ");
  return new MillraceError(
    "TIMEOUT",
    `the command ${text} neither read, wrote nor reported anything for ${idleMs} ms and was ended; its last words: ${stderr}`,
    { fields: { command: text, timeoutMs: idleMs, stderr } },
  );
}
