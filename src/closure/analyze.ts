// The free names of a function's source text, by acorn and eslint-scope. Results are cached by text: fresh closures of one
// place in the program are parsed once. The two packages load at the first capture (about 40 ms), never at import.

import { createRequire } from "node:module";
import type * as Acorn from "acorn";
import type * as EslintScope from "eslint-scope";

export interface FreeName {
  readonly name: string;
  /** Assigned somewhere in the source. */
  readonly written: boolean;
  /** The members used when every use is `name.member`, else null. */
  readonly members: readonly string[] | null;
}

export interface Analysis {
  /** The source, with import.meta and import() replaced by names of the same length. */
  readonly source: string;
  readonly form: "expression" | "method" | "getter" | "setter";
  readonly isClass: boolean;
  /** The name after `extends`, when it is a plain name. V8 does not keep it in a scope unless something else uses it. */
  readonly heritage: string | null;
  readonly free: readonly FreeName[];
  /** An arrow function that uses the `this` of the place where it stands. */
  readonly outerThis: boolean;
  readonly usesMeta: boolean;
  readonly usesImport: boolean;
  /** What `import("...")` names by a literal. */
  readonly imports: readonly string[];
  /** Its instances have private fields, which nobody else can read. */
  readonly privateFields: boolean;
  /** A method's `super` needs the object that it stood in. */
  readonly outerSuper: boolean;
}

/** Stands for `import.meta`, of the same length so that columns stay. */
export const META_NAME = "__ml_meta__";
/** Stands for `import` in `import(x)`. */
export const IMPORT_NAME = "__imp_";

const CACHE_LIMIT = 5_000;
const cache = new Map<string, Analysis | SyntaxError>();

/** Throws SyntaxError when the source cannot stand by itself (a method with private names, an arrow with new.target). */
export function analyze(text: string): Analysis {
  let found = cache.get(text);
  if (found === undefined) {
    try {
      found = parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      found = error;
    }
    if (cache.size >= CACHE_LIMIT) cache.clear();
    cache.set(text, found);
  }
  if (found instanceof Error) throw found;
  return found;
}

interface Tools {
  readonly acorn: typeof Acorn;
  readonly scope: typeof EslintScope;
}
let tools: Tools | null = null;

function load(): Tools {
  const require = createRequire(import.meta.url);
  tools ??= { acorn: require("acorn"), scope: require("eslint-scope") };
  return tools;
}

interface AstNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Parses a whole script, as a module if it is one. */
export function parseScript(text: string): AstNode {
  const options = {
    ecmaVersion: "latest",
    allowReturnOutsideFunction: true,
    allowAwaitOutsideFunction: true,
    allowHashBang: true,
  } as const;
  try {
    return load().acorn.parse(text, { ...options, sourceType: "module" }) as unknown as AstNode;
  } catch {
    return load().acorn.parse(text, { ...options, sourceType: "script" }) as unknown as AstNode;
  }
}

/** Every child node, in no particular order. */
export function* childrenOf(node: AstNode): Generator<AstNode> {
  for (const key in node) {
    const value = node[key];
    if (Array.isArray(value)) {
      for (const one of value) if (isNode(one)) yield one;
    } else if (isNode(value)) yield value;
  }
}

export type { AstNode };

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && typeof (value as AstNode).type === "string";
}

function parse(text: string): Analysis {
  const { scope } = load();
  const { tree, shift, method, sourceType } = parseAlone(text);
  const top = ((tree.body as AstNode[])[0] as AstNode).expression as AstNode;
  const member = method ? ((top.properties as AstNode[])[0] as AstNode) : null;
  const target = member === null ? top : (member.value as AstNode);
  const facts = new Facts();
  facts.walk(target, target.type === "ArrowFunctionExpression", null);
  const manager = scope.analyze(tree as never, { ecmaVersion: 2022, sourceType, ignoreEval: true } as never);
  const free = new Map<string, { written: boolean; members: Set<string> | null }>();
  for (const reference of manager.globalScope?.through ?? []) {
    const { name } = reference.identifier as unknown as { name: string };
    let entry = free.get(name);
    if (entry === undefined) free.set(name, (entry = { written: false, members: new Set() }));
    if (reference.isWrite()) entry.written = true;
    const used = facts.members.get(reference.identifier as unknown as AstNode);
    if (used === undefined) entry.members = null;
    else entry.members?.add(used);
  }
  let source = text;
  for (const [start, end, by] of facts.replacements) {
    source = source.slice(0, start - shift) + by.padEnd(end - start) + source.slice(end - shift);
  }
  const kind = member?.kind;
  return {
    source,
    form: member === null ? "expression" : kind === "get" ? "getter" : kind === "set" ? "setter" : "method",
    isClass: top.type === "ClassExpression",
    heritage: heritageOf(top),
    free: [...free].map(([name, { written, members }]) => ({
      name,
      written,
      members: members === null ? null : [...members],
    })),
    outerThis: facts.outerThis,
    usesMeta: facts.usesMeta,
    usesImport: facts.usesImport,
    imports: [...facts.imports],
    privateFields:
      facts.privateFields || (top.type === "ClassExpression" && /\b__private(?:Add|Set|Get|Method)\(this\b/.test(text)),
    outerSuper: facts.outerSuper,
  };
}

function heritageOf(top: AstNode): string | null {
  const parent = top.superClass as AstNode | null | undefined;
  return top.type === "ClassExpression" && parent?.type === "Identifier" ? (parent.name as string) : null;
}

function parseAlone(text: string) {
  let first: unknown;
  for (const sourceType of ["module", "script"] as const) {
    for (const method of [false, true]) {
      const prefix = method ? "({" : "(";
      try {
        const tree = load().acorn.parse(`${prefix}${text}\n${method ? "})" : ")"}`, {
          ecmaVersion: "latest",
          sourceType,
          ranges: true,
        }) as unknown as AstNode;
        const top = ((tree.body as AstNode[])[0] as AstNode).expression as AstNode | undefined;
        if (top !== undefined && (method || /Function|Class/.test(top.type)))
          return { tree, shift: prefix.length, method, sourceType };
      } catch (error) {
        first ??= error;
      }
    }
  }
  throw first ?? new SyntaxError("not a function");
}

/** What scope analysis does not tell. */
class Facts {
  outerThis = false;
  outerSuper = false;
  usesMeta = false;
  usesImport = false;
  readonly imports = new Set<string>();
  privateFields = false;
  readonly members = new Map<AstNode, string>();
  readonly replacements: [start: number, end: number, by: string][] = [];

  /** `outer`: `this` here is that of the place around the function; `super` belongs to an object when home is null. */
  walk(node: AstNode, outer: boolean, home: AstNode | null): void {
    switch (node.type) {
      case "ThisExpression":
        if (outer) this.outerThis = true;
        return;
      case "Super":
        if (home === null) this.outerSuper = true;
        return;
      case "MetaProperty":
        if ((node.meta as { name: string }).name !== "import") return;
        this.usesMeta = true;
        this.replacements.push([node.start, node.end, META_NAME]);
        return;
      case "ImportExpression":
        this.usesImport = true;
        if (typeof (node.source as AstNode).value === "string")
          this.imports.add((node.source as AstNode).value as string);
        this.replacements.push([node.start, node.start + "import".length, IMPORT_NAME]);
        break;
      case "MemberExpression": {
        const object = node.object as AstNode;
        const property = node.property as AstNode;
        if (object.type === "Identifier" && node.computed !== true) this.members.set(object, property.name as string);
        break;
      }
      case "PropertyDefinition":
      case "MethodDefinition":
        if ((node.key as AstNode).type === "PrivateIdentifier" && node.static !== true) this.privateFields = true;
        break;
      default:
    }
    for (const child of childrenOf(node)) {
      const inClass =
        node.type === "ClassBody" || (node.type === "Property" && (node.method === true || node.kind !== "init"));
      const ownThis =
        /^Function/.test(child.type) ||
        (child.type !== "ArrowFunctionExpression" &&
          /^(PropertyDefinition|StaticBlock)$/.test(node.type) &&
          child === node.value) ||
        node.type === "StaticBlock";
      this.walk(child, outer && !ownThis, inClass ? node : home);
    }
  }
}
