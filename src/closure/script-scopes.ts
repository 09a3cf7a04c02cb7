// Where in its script a name that a function uses is declared. Reads the whole script, so it is asked only where captured
// functions may share a variable that one of them assigns.

import type { Scope, ScopeManager, Variable } from "eslint-scope";
import type { ScriptInfo } from "./inspect.js";
import { type AstNode, parserTools } from "./parser.js";

export interface Declaration {
  /** The same object for the same declaration. */
  readonly variable: object;
  /** There is one such variable a run of the script: at its top, or in the function that a loader has put around all of it. */
  readonly single: boolean;
}

interface Parsed {
  readonly manager: ScopeManager;
  readonly program: AstNode;
}

const parsed = new WeakMap<ScriptInfo, Parsed | null>();

/** For the function whose text begins at `offset`. null when the name, or the script's structure, is not known. */
export function declarationOf(script: ScriptInfo, offset: number, name: string): Declaration | null {
  let known = parsed.get(script);
  if (known === undefined) {
    known = parseScript(script.source);
    parsed.set(script, known);
  }
  if (known === null || offset < 0) return null;
  for (let scope = scopeAround(known.manager, offset); scope !== null; scope = scope.upper) {
    const variable: Variable | undefined = scope.set.get(name);
    // Code made at run time may have run many times.
    if (variable !== undefined && variable.defs.length > 0)
      return { variable, single: script.url !== "" && isTop(scope, known.program) };
  }
  return null;
}

/** The innermost scope that the text beginning at `offset` stands in; its own does not count. */
function scopeAround(manager: ScopeManager, offset: number): Scope | null {
  let found: Scope | null = manager.globalScope;
  for (const scope of manager.scopes) {
    const { start, end } = scope.block as unknown as AstNode;
    const around = scope.type === "module" || scope.type === "global" || (start < offset && offset < end);
    // Scopes come outer before inner.
    if (around) found = scope;
  }
  return found;
}

function isTop(scope: Scope, program: AstNode): boolean {
  if (scope.type === "global" || scope.type === "module") return true;
  const around = scope.upper;
  if (scope.type === "function") {
    const last = (program.body as AstNode[]).at(-1);
    return last?.type === "ExpressionStatement" && last.expression === (scope.block as unknown);
  }
  if (scope.type !== "block" || around?.type !== "function" || !isTop(around, program)) return false;
  const { body } = (around.block as unknown as { body: AstNode }).body as unknown as { body: AstNode[] };
  return body.length === 1 && body[0] === (scope.block as unknown);
}

function parseScript(source: string): Parsed | null {
  const { acorn, scope } = parserTools();
  for (const sourceType of ["module", "script"] as const) {
    try {
      const program = acorn.parse(source, {
        ecmaVersion: "latest",
        sourceType,
        ranges: true,
        allowReturnOutsideFunction: true,
        allowAwaitOutsideFunction: true,
        allowHashBang: true,
      }) as unknown as AstNode;
      const manager = scope.analyze(program as never, { ecmaVersion: 2022, sourceType, ignoreEval: true } as never);
      return { manager, program };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}
