// The source of a captured function as a script of its own, at the function's own place (file URL, line and column of the
// script that the driver runs), so stacks, source maps and breakpoints fit. Captured names are parameters that nothing
// assigns: V8 folds them into the code as it does with constants. Names on a circle are variables that are set afterwards,
// the function's own name is one beside it.

import { pathToFileURL } from "node:url";
import * as vm from "node:vm";
import type { FunctionNode } from "./format.js";

export interface CapturedNames {
  /** Given when the wrapper is called, in this order. */
  readonly early: readonly string[];
  /** Set by `set`, in this order. */
  readonly late: readonly string[];
  /** The name by which the function finds itself, "" without one. */
  readonly own: string;
}

/** Call it with the early values, and the captured `this` if there is one. */
export type Wrapper = (this: unknown, ...early: unknown[]) => Wrapped;

export interface Wrapped {
  /** The function, or an object literal with it as its one member (methods and accessors). Called once. */
  readonly make: () => unknown;
  readonly set: readonly ((value: unknown) => void)[];
}

/** Above this the column is set by the script's offset: lines of minified code are long. */
const PAD_LIMIT = 2_000;

export function compile(node: FunctionNode, { early, late, own }: CapturedNames): Wrapper {
  const [open, close] = node.form === "expression" ? ["(", ")"] : ["({", "})"];
  const setters = late.map((name) => `(__millrace_value) => { ${name} = __millrace_value; }`);
  const head = [
    `(function (${early.join(", ")}) { ${node.strict ? '"use strict"; ' : ""}`,
    late.length === 0 ? "" : `var ${late.join(", ")}; `,
    `return { set: [${setters.join(", ")}], make: () => { `,
    own === "" ? "return " : `let ${own} = `,
    open,
  ].join("");
  const tail = `\n${close}; ${own === "" ? "" : `return ${own}; `}} }; })`;
  const padded = node.column <= PAD_LIMIT;
  const code = padded ? `${head}\n${" ".repeat(node.column)}${node.source}${tail}` : `${head}${node.source}${tail}`;
  const script = new vm.Script(code, {
    // A URL also where the driver runs a path: mapStack tells by it that the frame is not a mapped one.
    filename:
      node.url === "" ? "millrace:function" : node.url.startsWith("/") ? pathToFileURL(node.url).href : node.url,
    lineOffset: padded ? node.line - 1 : node.line,
    columnOffset: padded ? 0 : node.column - head.length,
  });
  return script.runInThisContext() as Wrapper;
}
