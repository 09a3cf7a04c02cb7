// Runs lines of the prompt in this process: each is a script of its own in the main realm, a function inside `with` over the
// prompt's variables. It has a file: URL in the working directory, so that packages are found from there, and a name, `<line
// 3>`, by which operations, errors and captured functions tell where they were written.

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as vm from "node:vm";
import { type Import, mapStack, registerImports, registerSourceMap } from "../../closure/index.js";
import { defaultLoader } from "../../core/default-loader.js";
import { userFrames } from "../../session/job-errors.js";
import { metaOf } from "../load-program.js";
import { type CompiledLine, compileLine, GIVEN } from "./compile-line.js";
import { importForLine } from "./line-imports.js";
import type { Variables } from "./variables.js";

type Body = (...given: unknown[]) => Promise<unknown>;

const holderKey: unique symbol = Symbol.for("millrace.shell.call");
/** The call stands inside a script of its own: only what such a script runs is interrupted by SIGINT. */
const CALL = new vm.Script(`globalThis[Symbol.for("millrace.shell.call")]()`, { filename: "millrace:shell" });

export class Evaluator {
  /** Of every name that was imported and not declared anew since; src/closure reads it. */
  readonly #imports = new Map<string, Import>();
  #lines = 0;

  /** `own` is what `import "millrace"` gives; `given`: where variables that are there from the start come from. */
  constructor(
    readonly variables: Variables,
    private readonly own: object,
    given: ReadonlyMap<string, Import>,
    private readonly note: (text: string) => void,
  ) {
    for (const [name, from] of given) this.#imports.set(name, from);
  }

  /**
   * Throws IncompleteLine when the text breaks off; what the line throws passes, with its stack in the user's lines. Its
   * synchronous part is interrupted by SIGINT (ERR_SCRIPT_EXECUTION_INTERRUPTED).
   */
  compile(text: string): () => Promise<unknown> {
    const name = `<line ${this.#lines + 1}>`;
    const url = pathToFileURL(join(process.cwd(), name)).href;
    const line = compileLine(text, url, name);
    this.#lines++;
    return () => this.#run(line, url);
  }

  async #run(line: CompiledLine, url: string): Promise<unknown> {
    const modules = new Map<string, unknown>();
    for (const specifier of line.specifiers) modules.set(specifier, await importForLine(specifier, this.own));
    for (const [name, { specifier, imported }] of line.imports) {
      if (imported === "*" || imported in (modules.get(specifier) as object)) continue;
      // TypeScript may import types without saying so.
      this.note(`${specifier} has no export ${imported}: ${name} is taken for a type`);
    }
    const given: Record<string, unknown> = {
      [GIVEN.imported]: (specifier: string) => modules.get(specifier),
      [GIVEN.ownImport]: async () => this.own,
      [GIVEN.meta]: metaOf(fileURLToPath(url)),
      [GIVEN.scope]: this.variables.scope,
    };
    // The body begins below a head of one line.
    registerSourceMap(url, { ...line.map, mappings: [[], ...line.map.mappings] });
    for (const { name } of line.names) this.#imports.delete(name);
    for (const [name, from] of line.imports) this.#imports.set(name, from);
    registerImports(url, this.#imports);
    const head = `(function (__millrace_variables) { with (__millrace_variables) { return async function (${Object.keys(given).join(", ")}) { "use strict";`;
    const script = new vm.Script(`${head}\n${line.body}\n}; } })`, {
      filename: url,
      importModuleDynamically: defaultLoader(),
    });
    const body = (script.runInThisContext() as (scope: object) => Body)(this.variables.scope);
    const over = this.variables.declare(line.names);
    try {
      const value = await callInterruptibly(() => body(...Object.values(given)));
      over(true);
      return value;
    } catch (error) {
      over(false);
      showUserLines(error);
      throw error;
    }
  }
}

function callInterruptibly(call: () => Promise<unknown>): Promise<unknown> {
  const holder = globalThis as { [holderKey]?: () => Promise<unknown> };
  holder[holderKey] = call;
  try {
    return CALL.runInThisContext({ breakOnSigint: true }) as Promise<unknown>;
  } finally {
    delete holder[holderKey];
  }
}

/** Frames of Node and of millrace tell nothing at a prompt. */
export function showUserLines(error: unknown): void {
  if (!(error instanceof Error) || typeof error.stack !== "string") return;
  const frames = userFrames(error.stack).split("\n");
  error.stack = mapStack(frames.filter((line) => !/^\s+at (?:.*\()?(?:node:|millrace:)/.test(line)).join("\n"));
}
