// The one error class that users and the wire see. It keeps a code and fields instead of a text alone, so that every
// layer can decide by code (retry, exit code, docs) and nothing is lost when it crosses a process.

import { type ErrorCode, errorCatalog } from "./error-codes.js";

export type { ErrorCode } from "./error-codes.js";

/** What an error's fields may hold: what JSON can say. */
export type FieldValue =
  | string
  | number
  | boolean
  | null
  | readonly FieldValue[]
  | { readonly [key: string]: FieldValue };
/** The facts of an error for programs: ids, paths, limits, by name. */
export type ErrorFields = Readonly<Record<string, FieldValue>>;

/** An error as it crosses processes. `stack` is that of the place where it was made. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly fields: ErrorFields;
  readonly stack?: string;
  readonly cause?: WireError;
}

/** What an error has beside its code and message. */
export interface ErrorDetails {
  /** Default: none. */
  readonly fields?: ErrorFields;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/**
 * Every failure that millrace reports. `code` is stable and documented; the message says who, what was expected, what was
 * found and what to do next; `fields` has the same facts for programs.
 */
export class MillraceError extends Error {
  /** Always "MillraceError": what `isMillraceError` looks at, also across copies of the package. */
  override readonly name = "MillraceError";
  /** What went wrong: branch on this, not on the message. */
  readonly code: ErrorCode;
  /** What the message says, for programs: `operator`, `partition`, `path`, `attempts` and the like. Empty when there is none. */
  declare readonly fields: ErrorFields;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    // Not enumerable: an error that nobody catches is printed with its message, stack and cause, not with every attempt.
    Object.defineProperty(this, "fields", { value: details.fields ?? {} });
  }

  /** What to do next, from the catalogue. */
  get cure(): string {
    return errorCatalog[this.code].cure;
  }
}

/**
 * Whether a caught value is a failure that millrace reports, and so has `code`, `fields` and `cure`.
 *
 * ```ts
 * try {
 *   await counts.saveAsTextFile("out/counts");
 * } catch (error) {
 *   if (!isMillraceError(error) || error.code !== "OUTPUT_EXISTS") throw error;
 * }
 * ```
 */
export function isMillraceError(error: unknown): error is MillraceError {
  return error instanceof Error && error.name === "MillraceError" && typeof (error as MillraceError).code === "string";
}

/** Any thrown value as a wire error; what is not ours gets `fallback` as its code. */
export function toWireError(error: unknown, fallback: ErrorCode = "INTERNAL"): WireError {
  if (isMillraceError(error)) {
    return {
      code: error.code,
      message: error.message,
      fields: error.fields,
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      ...(error.cause === undefined ? {} : { cause: toWireError(error.cause, fallback) }),
    };
  }
  if (error instanceof Error || isErrorLike(error)) {
    const cause = (error as { cause?: unknown }).cause;
    return {
      code: fallback,
      message: error.message,
      fields: { name: error.name },
      ...(error.stack === undefined ? {} : { stack: error.stack }),
      ...(cause === undefined ? {} : { cause: toWireError(cause, fallback) }),
    };
  }
  return { code: fallback, message: `a value was thrown that is not an Error: ${String(error)}`, fields: {} };
}

export function fromWireError(wire: WireError): MillraceError {
  const error = new MillraceError(wire.code, wire.message, {
    fields: wire.fields,
    ...(wire.cause === undefined ? {} : { cause: fromWireError(wire.cause) }),
  });
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

/** Errors of another realm (vm contexts, Jest) are not `instanceof` ours. */
function isErrorLike(value: unknown): value is Error {
  return (
    typeof value === "object" && value !== null && typeof (value as Error).message === "string" && "stack" in value
  );
}
