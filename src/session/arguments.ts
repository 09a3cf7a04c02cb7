// Checks of what users pass to public methods. Each throws INVALID_ARGUMENT where the call is written, naming the method, the
// argument, what was expected and what was found.

import { describeValue } from "../codec/value-kind.js";
import { MillraceError } from "../core/errors.js";
import type { AnyFunction } from "./function-capture.js";

/** More partitions than this in one RDD is a mistake in the argument: every one is a task and a part file. */
const MAX_PARTITIONS = 1_000_000;

export function invalidArgument(method: string, argument: string, expected: string, found: unknown): MillraceError {
  const what = isClass(found) ? `class ${found.name}` : describeValue(found);
  return new MillraceError("INVALID_ARGUMENT", `${method}: ${argument} must be ${expected}, found ${what}`, {
    fields: { method, argument, expected, found: what },
  });
}

export function requireFunction(method: string, argument: string, value: unknown): asserts value is AnyFunction {
  if (typeof value !== "function") throw invalidArgument(method, argument, "a function", value);
  if (isClass(value)) throw invalidArgument(method, argument, "a function", value);
}

/** For functions that combine, compare, hash or partition: their results are needed at once. */
export function requireSyncFunction(method: string, argument: string, value: unknown): asserts value is AnyFunction {
  requireFunction(method, argument, value);
  if (isAsync(value)) {
    throw new MillraceError(
      "SYNC_FUNCTION_REQUIRED",
      `${method}: ${argument} is an async function, but its results are needed at once. Do the asynchronous work in a map before`,
      { fields: { method, argument } },
    );
  }
}

function isClass(value: unknown): value is AnyFunction {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

export function isAsync(fn: AnyFunction): boolean {
  const kind = Object.prototype.toString.call(fn);
  return kind === "[object AsyncFunction]" || kind === "[object AsyncGeneratorFunction]";
}

export function requireCount(
  method: string,
  argument: string,
  value: unknown,
  minimum = 0,
  maximum = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isSafeInteger(value) || (value as number) < minimum || (value as number) > maximum) {
    const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw invalidArgument(method, argument, `an integer ${range}`, value);
  }
  return value as number;
}

export function requirePartitions(method: string, argument: string, value: unknown): number {
  return requireCount(method, argument, value, 1, MAX_PARTITIONS);
}

export function optionalPartitions(method: string, argument: string, value: unknown): number | null {
  return value === undefined ? null : requirePartitions(method, argument, value);
}

export function requireText(method: string, argument: string, value: unknown): string {
  if (typeof value !== "string" || value === "")
    throw invalidArgument(method, argument, "a text that is not empty", value);
  return value;
}

export function optionalSignal(method: string, options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== "object" || options === null)
    throw invalidArgument(method, "options", "an object such as { signal }", options);
  const { signal } = options as { signal?: unknown };
  if (signal === undefined) return undefined;
  if (typeof signal !== "object" || signal === null || typeof (signal as AbortSignal).aborted !== "boolean") {
    throw invalidArgument(method, "options.signal", "an AbortSignal", signal);
  }
  return signal as AbortSignal;
}
