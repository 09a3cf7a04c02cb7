// What a session needs of closure capturing: functions as bytes, classes by name, call sites and source-mapped stacks.
// The real one is src/closure; tests give one that keeps functions in a map.

import type { ClassRegistry } from "../codec/class-registry.js";
import type { CallSite, FunctionRef } from "../plan/function.js";

export type AnyFunction = (...args: never[]) => unknown;

export interface FunctionCapture {
  /** Reads the variables that `fn` uses now. Throws CAPTURE_FAILED or NESTED_RDD. `method` is for the message. */
  capture(fn: AnyFunction, method: string): FunctionRef;
  /** Classes that any captured function has used so far. */
  readonly classes: ClassRegistry;
  /** Bundles of packages that captured functions refer to, by content hash: workers without the package fetch them. */
  readonly bundles: ReadonlyMap<string, Uint8Array>;
}

export interface SourcePositions {
  /** Where the user called `method`: the frame above `skipAbove`. */
  callSite(method: string, skipAbove: AnyFunction): CallSite;
  /** A stack with positions of the user's sources instead of the compiled ones. */
  mapStack(stack: string): string;
}
