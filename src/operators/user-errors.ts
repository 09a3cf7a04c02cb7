// How a failure inside a task is told: which operator (by the user's file:line), which partition, and the user's own error
// as the cause. Errors that are millrace's own keep their code: those that the program caused (a key that cannot be compared)
// are told with operator and partition too, others (cancelled, a lost block) pass unchanged.

import { type ErrorCode, isMillraceError, MillraceError } from "../core/errors.js";
import { type CallSite, formatCallSite } from "../plan/function.js";

/** At most this many characters of a record stand in a message. */
const DESCRIPTION_LENGTH = 80;

/** Codes that a record or a function of the user's causes, wherever they are noticed: they need the operator's name. */
const CAUSED_BY_PROGRAM: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "INVALID_ARGUMENT",
  "NOT_A_PAIR",
  "INVALID_KEY",
  "NESTED_RDD",
  "SYNC_FUNCTION_REQUIRED",
  "CLASS_NOT_TRAVELLING",
  "WRONG_SHAPE",
  "RECORD_TOO_LARGE",
]);

/** A user function's error with its operator and partition; an error of millrace's own keeps its code. */
export function operatorFailure(error: unknown, site: CallSite, partition: number): unknown {
  const operator = formatCallSite(site);
  if (isMillraceError(error)) {
    if (!CAUSED_BY_PROGRAM.has(error.code) || error.fields.operator !== undefined) return error;
    const named = new MillraceError(error.code, `${operator}, partition ${partition}: ${error.message}`, {
      fields: { ...error.fields, operator, partition },
      ...(error.cause === undefined ? {} : { cause: error.cause }),
    });
    if (error.stack !== undefined) named.stack = error.stack;
    return named;
  }
  const said = error instanceof Error ? `${error.name}: ${error.message}` : describeValue(error);
  return new MillraceError("TASK_FAILED", `${operator} threw in partition ${partition}: ${said}`, {
    fields: { operator, partition },
    cause: error instanceof Error ? error : new Error(`a value was thrown that is not an Error: ${said}`),
  });
}

/** The value itself, unless a function that has to be synchronous answered a promise. */
export function settledValue(value: unknown, site: CallSite, partition: number): unknown {
  if (!isThenable(value)) return value;
  // Its own outcome concerns nobody: the job fails by this error.
  value.then(undefined, () => undefined);
  throw shapeError(
    "SYNC_FUNCTION_REQUIRED",
    `the function of ${formatCallSite(site)} answered a promise in partition ${partition}, but it has to be synchronous`,
    site,
    partition,
  );
}

/** A record that a pair operation cannot use. */
export function notAPair(record: unknown, site: CallSite, partition: number): MillraceError {
  return shapeError(
    "NOT_A_PAIR",
    `${formatCallSite(site)} needs records of the form [key, value], but partition ${partition} has ${describeValue(record)}`,
    site,
    partition,
  );
}

/** A function that returned something of another shape than its operation needs. */
export function wrongShape(expected: string, actual: unknown, site: CallSite, partition: number): MillraceError {
  return shapeError(
    "WRONG_SHAPE",
    `the function of ${formatCallSite(site)} must return ${expected}, but in partition ${partition} it returned ${describeValue(actual)}`,
    site,
    partition,
  );
}

/** A value in a few words, safe for anything: "the string "abc"", "an object with keys a, b". */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `the string ${JSON.stringify(value.length > DESCRIPTION_LENGTH ? `${value.slice(0, DESCRIPTION_LENGTH)}…` : value)}`;
    case "number":
    case "boolean":
      return `the ${typeof value} ${String(value)}`;
    case "bigint":
      return `the bigint ${String(value)}n`;
    case "undefined":
      return "undefined";
    case "function":
      return `a function${value.name === "" ? "" : ` (${value.name})`}`;
    case "symbol":
      return "a symbol";
    default:
      return describeObject(value as object | null);
  }
}

function describeObject(value: object | null): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  if (isThenable(value)) return "a Promise";
  const kind = Object.getPrototypeOf(value)?.constructor?.name as unknown;
  if (typeof kind === "string" && kind !== "" && kind !== "Object") return `an instance of ${kind}`;
  const keys = Object.keys(value);
  const shown = keys.slice(0, 5).join(", ").slice(0, DESCRIPTION_LENGTH);
  return keys.length === 0 ? "an empty object" : `an object with keys ${shown}${keys.length > 5 ? ", …" : ""}`;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function shapeError(code: ErrorCode, message: string, site: CallSite, partition: number): MillraceError {
  return new MillraceError(code, message, { fields: { operator: formatCallSite(site), partition } });
}
