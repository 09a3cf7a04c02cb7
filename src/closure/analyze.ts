// The free names of a function's source text, by acorn and eslint-scope. Results are cached by text: fresh closures of one
// place in the program are parsed once.

import { type AstNode, childrenOf, parserTools } from "./parser.js";

export interface FreeName {
  readonly name: string;
  /** Assigned somewhere in the source. */
  readonly written: boolean;
  /** The members used when every use is `name.member`, else null. */
  readonly members: readonly string[] | null;
  /** Every place in the source, for who must put something else there. */
  readonly uses: readonly NameUse[];
}

export interface NameUse {
  readonly start: number;
  readonly end: number;
  /** `{ name }`, the callee of `name()`, or anything else. */
  readonly form: "shorthand" | "callee" | "plain";
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

function parse(text: string): Analysis {
  const { scope } = parserTools();
  const { tree, shift, method, sourceType } = parseAlone(text);
  const top = ((tree.body as AstNode[])[0] as AstNode).expression as AstNode;
  const member = method ? ((top.properties as AstNode[])[0] as AstNode) : null;
  const target = member === null ? top : (member.value as AstNode);
  const facts = new Facts();
  facts.walk(target, target.type === "ArrowFunctionExpression", null);
  const manager = scope.analyze(tree as never, { ecmaVersion: 2022, sourceType, ignoreEval: true } as never);
  const free = new Map<string, { written: boolean; members: Set<string> | null; uses: NameUse[] }>();
  for (const reference of manager.globalScope?.through ?? []) {
    const { name } = reference.identifier as unknown as { name: string };
    let entry = free.get(name);
    if (entry === undefined) {
      entry = { written: false, members: new Set(), uses: [] };
      free.set(name, entry);
    }
    if (reference.isWrite()) entry.written = true;
    const identifier = reference.identifier as unknown as AstNode;
    const start = identifier.start - shift;
    const form = facts.forms.get(identifier) ?? "plain";
    if (!entry.uses.some((use) => use.start === start)) entry.uses.push({ start, end: identifier.end - shift, form });
    const used = facts.members.get(identifier);
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
    free: [...free].map(([name, { written, members, uses }]) => ({
      name,
      written,
      members: members === null ? null : [...members],
      uses,
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
        const tree = parserTools().acorn.parse(`${prefix}${text}\n${method ? "})" : ")"}`, {
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
  readonly forms = new Map<AstNode, NameUse["form"]>();
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
      case "CallExpression":
        this.forms.set(node.callee as AstNode, "callee");
        break;
      case "TaggedTemplateExpression":
        this.forms.set(node.tag as AstNode, "callee");
        break;
      case "Property":
        if (node.shorthand === true) {
          const value = node.value as AstNode;
          this.forms.set(value.type === "AssignmentPattern" ? (value.left as AstNode) : value, "shorthand");
        }
        break;
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
