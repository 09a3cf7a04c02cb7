// A line of the prompt, which may be many lines of TypeScript, as the body of an async function: esbuild takes the types away,
// and what declares a name at the top assigns a variable of the prompt instead (variables.ts). What is put in stands on lines
// of its own, and a keyword is replaced by what is as long, so that positions of the user's text are found again by the source
// map with as many empty lines put in.

import { createRequire } from "node:module";
import type { DecodedSourceMap } from "@jridgewell/trace-mapping";
import type { Message, TransformFailure } from "esbuild";
import { type AstNode, childrenOf, type Import, parserTools } from "../../closure/index.js";
import type { DeclaredName } from "./variables.js";

export interface CompiledLine {
  /** Body of an async function; it returns the value of the last statement, if that is an expression. */
  readonly body: string;
  /** Source map of the body. */
  readonly map: DecodedSourceMap;
  readonly names: readonly DeclaredName[];
  /** What `__millrace_imported(specifier)` must give. */
  readonly specifiers: readonly string[];
  /** Which names are imported from where. */
  readonly imports: ReadonlyMap<string, Import>;
}

/** Names that the body uses and must be given; src/closure knows the first three. */
export const GIVEN = {
  imported: "__millrace_imported",
  ownImport: "__mlim",
  meta: "__mlmeta000",
  scope: "__millrace_scope",
} as const;

/** The text breaks off: more lines may make it whole. */
export class IncompleteLine extends SyntaxError {}

/** Throws IncompleteLine or another SyntaxError, whose message has the place. `url` names the line. */
export function compileLine(text: string, url: string, name: string): CompiledLine {
  const { code, map } = withoutTypes(text, url, name);
  const program = parserTools().acorn.parse(code, {
    ecmaVersion: "latest",
    sourceType: "module",
    allowHashBang: true,
  }) as unknown as AstNode;
  return new Body(code, map, url).compiled(program.body as AstNode[]);
}

const INCOMPLETE = /end of file|to terminate multi-line comment/;

function withoutTypes(text: string, url: string, name: string): { readonly code: string; readonly map: string } {
  // `{ a: 1 }` is meant as an object, as everywhere at prompts.
  if (/^\s*\{/.test(text) && !/;\s*$/.test(text)) {
    try {
      return transform(`(${text}\n)`, url);
    } catch {
      // A block, then; or no more an object than a block, which is told below.
    }
  }
  try {
    return transform(text, url);
  } catch (error) {
    const [first] = (error as Partial<TransformFailure>).errors ?? [];
    throw first === undefined ? error : syntaxError(first, text, name);
  }
}

function transform(text: string, url: string) {
  const { transformSync } = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  return transformSync(text, {
    loader: "ts",
    target: "node20",
    sourcemap: "external",
    sourcefile: url,
    sourcesContent: false,
    legalComments: "none",
    logLevel: "silent",
    // An import may be wanted by a later line.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
}

function syntaxError(found: Message, text: string, name: string): SyntaxError {
  const message = placed(found, name);
  const { line = 0, column = 0 } = found.location ?? {};
  const rest = text
    .split("\n")
    .slice(line - 1)
    .join("\n")
    .slice(column);
  // A template literal goes on after a line break, where a string cannot; esbuild calls both a string.
  const open = /^Unterminated (?:string|template) literal/.test(found.text) && rest === "";
  const error = open || INCOMPLETE.test(found.text) ? new IncompleteLine(message) : new SyntaxError(message);
  // Where in millrace it was found tells the user nothing.
  error.stack = `SyntaxError: ${message}`;
  return error;
}

function placed({ text, location }: Message, name: string): string {
  if (location === null) return text;
  const pointer = `${" ".repeat(location.column)}${"^".repeat(Math.max(1, location.length))}`;
  return `${text} (${name}:${location.line}:${location.column + 1})\n  ${location.lineText}\n  ${pointer}`;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

class Body {
  readonly #names = new Map<string, DeclaredName>();
  readonly #specifiers = new Set<string>();
  readonly #imports = new Map<string, Import>();
  readonly #lines: string[] = [];
  /** Of each line the line of the code that it comes from, with all its positions or with the first alone; or null. */
  readonly #origins: ({ readonly line: number; readonly first: boolean } | null)[] = [];
  #edits: Edit[] = [];

  constructor(
    private readonly code: string,
    private readonly map: string,
    private readonly url: string,
  ) {}

  compiled(statements: readonly AstNode[]): CompiledLine {
    // As in a module: imports come first, and functions may be called above their declaration.
    for (const node of statements) {
      if (node.type === "ImportDeclaration") this.#import(node);
      const declared = declarationIn(node);
      if (declared?.type === "FunctionDeclaration" && declared.id !== null) this.#export(declared);
    }
    for (const [i, node] of statements.entries()) this.#statement(node, i === statements.length - 1);
    return {
      body: this.#lines.join("\n"),
      map: this.#mapped(),
      names: [...this.#names.values()],
      specifiers: [...this.#specifiers],
      imports: this.#imports,
    };
  }

  #statement(node: AstNode, last: boolean): void {
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
        return;
      case "ExportNamedDeclaration":
      case "ExportDefaultDeclaration": {
        const inner = node.declaration as AstNode | null;
        if (inner === null) return;
        // `export default class {}` has no name to declare.
        if (/Declaration$/.test(inner.type) && inner.id !== null) this.#statement(inner, last);
        else this.#statement({ ...inner, type: "ExpressionStatement", expression: inner }, last);
        return;
      }
      case "VariableDeclaration":
        this.#find(node);
        this.#variables(node);
        this.#put(node);
        this.#add(");", node);
        return;
      case "ClassDeclaration":
        this.#find(node);
        this.#put(node);
        this.#export(node);
        return;
      case "ExpressionStatement": {
        const expression = node.expression as AstNode;
        this.#find(expression);
        if (last) this.#add("return (", expression);
        this.#put(last ? expression : node);
        if (last) this.#add(");", expression);
        return;
      }
      default:
        this.#find(node);
        this.#put(node);
    }
  }

  /** `const a = 1, { b } = c;` as `    (a = 1, { b } = c` and, on a line of its own, `);`. */
  #variables(node: AstNode): void {
    const kind = node.kind as string;
    const declarators = node.declarations as AstNode[];
    this.#edits.push({ start: node.start, end: node.start + kind.length, by: "(".padStart(kind.length) });
    for (const { id, init, end } of declarators as (AstNode & { id: AstNode; init: AstNode | null })[]) {
      for (const name of namesIn(id)) this.#declare(name, kind === "const");
      if (init === null) this.#edits.push({ start: end, end, by: kind === "var" ? "" : " = void 0" });
    }
    const lastEnd = (declarators.at(-1) as AstNode).end;
    this.#edits.push({ start: lastEnd, end: node.end, by: "" });
  }

  #import(node: AstNode): void {
    const specifier = (node.source as AstNode).value as string;
    this.#specifiers.add(specifier);
    const members: string[] = [];
    const call = `${GIVEN.imported}(${JSON.stringify(specifier)})`;
    for (const one of node.specifiers as AstNode[]) {
      const local = (one.local as { name: string }).name;
      this.#declare(local, true);
      if (one.type === "ImportNamespaceSpecifier") {
        this.#imports.set(local, { specifier, imported: "*", namespace: true });
        this.#add(`(${local} = ${call});`);
        continue;
      }
      const { name, value } = (one.imported ?? { name: "default" }) as { name?: string; value?: string };
      const imported = (name ?? value) as string;
      this.#imports.set(local, { specifier, imported, namespace: true });
      members.push(`${JSON.stringify(imported)}: ${local}`);
    }
    if (members.length > 0) this.#add(`({ ${members.join(", ")} } = ${call});`);
  }

  #export(node: AstNode): void {
    const { name } = node.id as unknown as { name: string };
    this.#declare(name, false);
    this.#add(`${GIVEN.scope}.${name} = ${name};`);
  }

  #declare(name: string, constant: boolean): void {
    this.#names.set(name, { name, constant });
  }

  /** What a function body cannot have, and `var` in blocks and loops, which is a declaration of the top all the same. */
  #find(node: AstNode, nested = false, own = true): void {
    if (node.type === "MetaProperty" && (node.meta as { name?: string }).name === "import")
      this.#edits.push({ start: node.start, end: node.end, by: GIVEN.meta });
    if (node.type === "ImportExpression" && (node.source as AstNode).value === "millrace")
      this.#edits.push({ start: node.start, end: node.start + "import".length, by: GIVEN.ownImport });
    if (nested && own && node.type === "VariableDeclaration" && node.kind === "var") {
      // In the head of a loop it stands alone; as a statement a pattern would begin a block.
      const statement = this.code[node.end - 1] === ";";
      this.#edits.push({ start: node.start, end: node.start + "var".length, by: statement ? "  (" : "   " });
      if (statement) this.#edits.push({ start: node.end - 1, end: node.end - 1, by: ")" });
      for (const { id } of node.declarations as (AstNode & { id: AstNode })[])
        for (const name of namesIn(id)) this.#declare(name, false);
    }
    const inside = own && !/Function|Class/.test(node.type);
    for (const child of childrenOf(node)) this.#find(child, true, inside);
  }

  /** The node's text with its edits, in its own column. */
  #put({ start, end }: AstNode): void {
    const before = this.code.lastIndexOf("\n", start - 1) + 1;
    let text = this.code.slice(start, end);
    for (const edit of this.#edits.sort((a, b) => b.start - a.start || b.end - a.end))
      text = text.slice(0, edit.start - start) + edit.by + text.slice(edit.end - start);
    this.#edits = [];
    const above = this.#lineOf(start);
    const lines = (" ".repeat(start - before) + text).split("\n");
    for (const [i, line] of lines.entries()) {
      this.#lines.push(line);
      this.#origins.push({ line: above + i, first: false });
    }
  }

  /** A line of our own. V8 may blame it for what goes wrong in `of`, whose place it then has. */
  #add(line: string, of: AstNode | null = null): void {
    this.#lines.push(line);
    this.#origins.push(of === null ? null : { line: this.#lineOf(of.start), first: true });
  }

  #lineOf(offset: number): number {
    return this.code.slice(0, offset).split("\n").length - 1;
  }

  #mapped(): DecodedSourceMap {
    const { TraceMap, decodedMappings } = createRequire(import.meta.url)(
      "@jridgewell/trace-mapping",
    ) as typeof import("@jridgewell/trace-mapping");
    const lines = decodedMappings(new TraceMap(this.map));
    const mappings = this.#origins.map((origin) => {
      const segments = origin === null ? [] : [...(lines[origin.line] ?? [])];
      return origin?.first === true ? segments.slice(0, 1) : segments;
    });
    return { version: 3, sources: [this.url], names: [], mappings };
  }
}

function declarationIn(node: AstNode): AstNode | null {
  return /^Export(?:Named|Default)Declaration$/.test(node.type) ? (node.declaration as AstNode | null) : node;
}

/** Every name that a pattern binds. */
function namesIn(pattern: AstNode): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name as string];
    case "ObjectPattern":
      return (pattern.properties as AstNode[]).flatMap((one) =>
        namesIn((one.type === "RestElement" ? one.argument : one.value) as AstNode),
      );
    case "ArrayPattern":
      return (pattern.elements as (AstNode | null)[]).flatMap((one) => (one === null ? [] : namesIn(one)));
    case "AssignmentPattern":
      return namesIn(pattern.left as AstNode);
    case "RestElement":
      return namesIn(pattern.argument as AstNode);
    default:
      return [];
  }
}
