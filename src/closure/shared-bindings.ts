// Variables that several captured functions use and one of them assigns. Each function is made anew apart from the others, so
// such a variable becomes a cell: an object that all of them capture, and `name` in their sources becomes `$0.v`.
//
// V8 shows copies of scopes, not the scopes: that two functions mean one variable is certain when one place at the top of a
// file declares it, refuted by different declarations or any value that differs around it, and otherwise unknown. What is
// unknown is refused rather than shared or split by chance. The variables of a prompt are the exception: they are properties
// of one object that V8 shows itself (a `with` around each line, src/cli/shell), so lines share them for certain.

import type { Analysis, FreeName } from "./analyze.js";
import type { Graph, Holder } from "./capture-graph.js";
import type { Encoded, FunctionNode } from "./format.js";
import type { Scope, ScriptInfo } from "./inspect.js";
import { type Declaration, declarationOf } from "./script-scopes.js";

/** One function's use of a variable. */
export interface BindingUse {
  /** The function's node. */
  readonly node: number;
  readonly free: FreeName;
  readonly analysis: Analysis;
  readonly script: ScriptInfo | null;
  /** The scope that holds the variable and those around it. */
  readonly scopes: readonly Scope[];
}

export class SharedBindings {
  readonly #uses = new Map<string, NotedUse[]>();

  constructor(private readonly graph: Graph) {}

  note(use: BindingUse): void {
    const key = isPrompt(use) ? `prompt ${use.free.name}` : `${use.script?.id} ${use.scopes.length} ${use.free.name}`;
    const uses = this.#uses.get(key);
    const noted = { ...use, holder: this.graph.functions[0] as Holder };
    if (uses === undefined) this.#uses.set(key, [noted]);
    else uses.push(noted);
  }

  /** Throws CAPTURE_FAILED where it cannot be known whether two functions mean one variable. */
  join(): void {
    const edits = new Map<number, Edit[]>();
    for (const uses of this.#uses.values()) {
      if (uses.length < 2 || !uses.some(({ free }) => free.written)) continue;
      for (const group of this.#groups(uses)) {
        if (group.length > 1 && group.some(({ free }) => free.written)) this.#share(group, edits);
      }
    }
    for (const [node, changed] of edits)
      this.graph.nodes[node] = rewritten(this.graph.nodes[node] as FunctionNode, changed);
  }

  #groups(uses: readonly NotedUse[]): readonly (readonly NotedUse[])[] {
    const groups: NotedUse[][] = [];
    const unknown: [NotedUse[], NotedUse[]][] = [];
    for (const use of uses) {
      const verdicts = groups.map((group) => compare(group[0] as NotedUse, use));
      let own = groups[verdicts.indexOf("same")];
      if (own === undefined) {
        own = [];
        groups.push(own);
      }
      own.push(use);
      for (const [i, verdict] of verdicts.entries())
        if (verdict === "unknown") unknown.push([groups[i] as NotedUse[], own]);
    }
    for (const [left, right] of unknown) {
      const writer = [...left, ...right].find(({ free }) => free.written);
      if (writer === undefined) continue;
      this.graph.functions.unshift(writer.holder);
      this.graph.path.push(writer.free.name);
      throw this.graph.failure(
        "a variable that one captured function assigns and that another one may share",
        "keep the value in an object (state.value = ...), of which it is known who shares it",
      );
    }
    return groups;
  }

  #share(group: readonly NotedUse[], edits: Map<number, Edit[]>): void {
    const { nodes } = this.graph;
    const [first] = group as readonly [NotedUse, ...NotedUse[]];
    const holder = nodes[first.node] as FunctionNode;
    const value = holder.values[holder.names.indexOf(first.free.name)] as Encoded;
    const index = nodes.push({ kind: "object", own: [["v", value, 7]] }) - 1;
    let number = index;
    while (group.some(({ analysis }) => analysis.source.includes(`$${number}`))) number++;
    for (const { node, free } of group) {
      const edit = { free, parameter: `$${number}`, cell: index };
      const known = edits.get(node);
      if (known === undefined) edits.set(node, [edit]);
      else known.push(edit);
    }
  }
}

type NotedUse = BindingUse & { readonly holder: Holder };

interface Edit {
  readonly free: FreeName;
  /** What the function calls the cell. */
  readonly parameter: string;
  /** The cell's node. */
  readonly cell: number;
}

function isPrompt({ scopes: [scope] }: BindingUse): boolean {
  return scope?.description === "With Block";
}

function compare(left: NotedUse, right: NotedUse): "same" | "different" | "unknown" {
  if (isPrompt(left)) return left.scopes[0]?.object === right.scopes[0]?.object ? "same" : "different";
  const here = declared(left);
  const there = declared(right);
  if (here !== null && there !== null) {
    if (here.variable !== there.variable) return "different";
    if (here.single) return "same";
  }
  for (const [i, scope] of left.scopes.entries()) {
    if (/^(?:Module|Script|Global)/.test(scope.description)) break;
    const other = right.scopes[i] as Scope;
    const names = Object.keys(scope.object);
    if (scope.description !== other.description || names.length !== Object.keys(other.object).length)
      return "different";
    if (!names.every((name) => Object.hasOwn(other.object, name) && Object.is(scope.object[name], other.object[name])))
      return "different";
  }
  return "unknown";
}

function declared({ script, holder, free }: NotedUse): Declaration | null {
  return script === null ? null : declarationOf(script, holder.place.offset, free.name);
}

/** Where a cell's expression is shorter than the name it is filled up, so that most columns stay. */
function rewritten(node: FunctionNode, edits: readonly Edit[]): FunctionNode {
  const names = [...node.names];
  const values = [...node.values];
  const places: { start: number; end: number; by: string }[] = [];
  for (const { free, parameter, cell } of edits) {
    const at = names.indexOf(free.name);
    names[at] = parameter;
    values[at] = [cell];
    const forms = { plain: `${parameter}.v`, shorthand: `${free.name}: ${parameter}.v`, callee: `(0, ${parameter}.v)` };
    for (const { start, end, form } of free.uses) places.push({ start, end, by: forms[form].padEnd(end - start) });
  }
  let { source } = node;
  for (const { start, end, by } of places.sort((a, b) => b.start - a.start))
    source = source.slice(0, start) + by + source.slice(end);
  return { ...node, names, values, source };
}
