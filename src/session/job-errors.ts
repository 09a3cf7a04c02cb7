// A job's failure as the user meets it: the action's rejection has the stack of the place where the action was called; its
// cause is the user's own error with its own name, message and stack, positions mapped to the user's sources.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromWireError, MillraceError, type WireError } from "../core/errors.js";

/** So that `instanceof TypeError` holds for what a task threw. */
const builtinErrors: Readonly<Record<string, new (message: string) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

export type StackMapper = (stack: string) => string;

/** `callerStack`: the frames above the action, or "" when they are not known. */
export function jobError(wire: WireError, callerStack: string, mapStack: StackMapper): MillraceError {
  const inner = wire.cause;
  // A failed job's cause is the last attempt's error; what the user looks for is the error inside that one.
  const attempt =
    wire.code === "JOB_FAILED" && inner?.code === "TASK_FAILED" && inner.cause !== undefined ? inner : null;
  const cause = attempt?.cause ?? inner;
  const message =
    inner === undefined || wire.code !== "JOB_FAILED" ? wire.message : whyFirst(wire.message, inner.message);
  const error = new MillraceError(wire.code, message, {
    fields: { ...attempt?.fields, ...wire.fields },
    ...(cause === undefined ? {} : { cause: revive(cause, mapStack) }),
  });
  error.stack = `${error.name}: ${message}${callerStack === "" ? "" : `\n${callerStack}`}`;
  return error;
}

/** What went wrong before where and how often: "map at a.ts:3:5 threw in partition 1: RangeError: two (job 1 failed: ...)". */
function whyFirst(story: string, why: string): string {
  const where = story.endsWith(`: ${why}`) ? story.slice(0, -why.length - 2) : story;
  return `${why} (${where})`;
}

/** The frames above `skipAbove`, source-mapped, to be shown as the place of a later rejection. */
export function captureCaller(skipAbove: (...args: never[]) => unknown, mapStack: StackMapper): () => string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, skipAbove);
  // Formatting costs; most jobs succeed.
  return () => mapStack((holder.stack ?? "").split("\n").slice(1).join("\n"));
}

/** The build that this file is in; a worker's may lie elsewhere, as an installed package. */
const ownFolder = new URL(".", import.meta.url).href;
/** The same where frames have paths in place of URLs, as under tsx. */
const ownPath = fileURLToPath(ownFolder);
/** What our bundles are made of: with source maps on, as under tsx, their frames name these files. */
const ownSources = join(fileURLToPath(ownFolder), "../src/");
const ownFrame = /[\\/]millrace[\\/]dist[\\/]\w+\.c?js:\d+|\(millrace-\w+-\d+\.js:\d+/;

/** A task's stack goes on from the user's function into millrace, which tells the user nothing. */
export function withoutOwnFrames(stack: string, folder = ownFolder): string {
  const kept = userFrames(stack, folder);
  return FRAME.test(kept) ? kept : stack;
}

const FRAME = /^\s+at /m;

/** The stack without any frame of millrace's: perhaps its first line alone. */
export function userFrames(stack: string, folder = ownFolder): string {
  const lines = stack
    .split("\n")
    .filter(
      (line) =>
        !(FRAME.test(line) && ([folder, ownPath, ownSources].some((own) => line.includes(own)) || ownFrame.test(line))),
    );
  // Generated loops call a user's function as the property `fn` of an object, which says nothing.
  return lines
    .map((line) => line.replace(/^(\s+at )(?:Object\.fn \((.*)\)|Object\.(\S+) \[as fn\] )/, "$1$2$3 ").trimEnd())
    .join("\n");
}

/** A user's error crosses as what it is not: a wire error whose only field is its name (core/errors toWireError). */
function isUserError(wire: WireError): boolean {
  return typeof wire.fields.name === "string" && Object.keys(wire.fields).length === 1;
}

function revive(wire: WireError, mapStack: StackMapper): Error {
  if (!isUserError(wire)) {
    // Where in millrace a user's mistake was noticed tells the user nothing; a fault of ours needs every frame.
    const clean = wire.code === "INTERNAL" ? (stack: string) => stack : userFrames;
    const error = fromWireError({
      ...wire,
      ...(wire.stack === undefined ? {} : { stack: mapStack(clean(wire.stack)) }),
    });
    if (wire.cause !== undefined) error.cause = revive(wire.cause, mapStack);
    return error;
  }
  const name = wire.fields.name as string;
  const error = new (builtinErrors[name] ?? Error)(wire.message);
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  error.stack = wire.stack === undefined ? `${name}: ${wire.message}` : mapStack(withoutOwnFrames(wire.stack));
  if (wire.cause !== undefined) error.cause = revive(wire.cause, mapStack);
  return error;
}
