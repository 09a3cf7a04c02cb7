// Completion at the prompt: names, and members after a dot. Nothing is run for it: values are looked up in variables and plain
// properties, never in getters; of calls only those on a session or an RDD are known by what they give, so that
// `session.textFile(...).map(...).` offers an RDD's methods.

import { type AstNode, childrenOf, parserTools } from "../../closure/index.js";
import type { RddSession } from "../../rdd/session.js";

/** Classes of the build that the prompt uses. */
export interface KnownClasses {
  readonly rdd: { readonly prototype: object };
  readonly session: { readonly prototype: object };
}

/** A session's methods that give an RDD. */
const SOURCES: ReadonlySet<string> = new Set<keyof RddSession & string>([
  "parallelize",
  "range",
  "emptyRDD",
  "textFile",
  "binaryRecords",
  "wholeTextFiles",
  "binaryFiles",
  "objectFile",
  "union",
]);

const KEYWORDS = (
  "async await break case catch class const continue do else export finally for from function if import instanceof " +
  "interface let new return switch throw try type typeof while"
).split(" ");

/** What readline wants of a completer: names that may stand at the end, and the part of the text that each replaces. */
export function complete(
  text: string,
  scope: object,
  classes: KnownClasses,
  commands: readonly string[],
): [string[], string] {
  const command = /^\s*\.(\w*)$/.exec(text);
  if (command !== null) {
    const all = commands.map((name) => `.${name}`);
    return [matching(all, `.${command[1]}`), `.${command[1]}`];
  }
  const [prefix = ""] = /[\w$]*$/.exec(text) ?? [];
  const before = text.slice(0, text.length - prefix.length).replace(/\s+$/, "");
  if (/^\d/.test(prefix) || insideString(before)) return [[], prefix];
  if (!before.endsWith(".")) return [matching([...new Set([...namesAround(scope)])], prefix), prefix];
  const target = targetOf(before.replace(/\??\.$/, ""), scope, classes);
  return [target === null ? [] : matching(membersOf(target), prefix), prefix];
}

function matching(names: readonly string[], prefix: string): string[] {
  const hidden = prefix.startsWith("_") ? /(?!)/ : /^_/;
  return names.filter((name) => name.startsWith(prefix) && !hidden.test(name)).sort();
}

function* namesAround(scope: object): Generator<string> {
  yield* Object.keys(scope);
  yield* Object.getOwnPropertyNames(globalThis);
  yield* KEYWORDS;
}

/** A quote that is open; regular expressions and comments are not looked at. */
function insideString(text: string): boolean {
  let open = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === "\\") i++;
    else if (open === "") open = /["'`]/.test(char) ? char : "";
    else if (char === open) open = "";
  }
  return open !== "";
}

/** The value whose members are wanted: that of the longest expression at the end of the text, null when it is not known. */
function targetOf(text: string, scope: object, classes: KnownClasses): object | null {
  const { acorn } = parserTools();
  for (let start = 0; start < text.length; start++) {
    if (start > 0 && !/[\s(,=:;![{&|?+\-*/<>]/.test(text[start - 1] as string)) continue;
    try {
      const node = acorn.parseExpressionAt(text, start, { ecmaVersion: "latest", sourceType: "module" });
      if (node.end === text.length) return liveValue(node as unknown as AstNode, scope, classes);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return null;
}

/** A live value, or the prototype of what the expression gives. */
function liveValue(node: AstNode, scope: object, classes: KnownClasses): object | null {
  switch (node.type) {
    case "Identifier":
      return asObject(propertyOf(Object.hasOwn(scope, node.name as string) ? scope : globalThis, node.name as string));
    case "MemberExpression": {
      const holder = liveValue(node.object as AstNode, scope, classes);
      const { type, name } = node.property as AstNode;
      if (holder === null || node.computed === true || type !== "Identifier") return null;
      return asObject(propertyOf(holder, name as string));
    }
    case "CallExpression": {
      const callee = node.callee as AstNode;
      if (callee.type !== "MemberExpression" || callee.computed === true) return null;
      const holder = liveValue(callee.object as AstNode, scope, classes);
      return holder === null ? null : resultOf(holder, (callee.property as AstNode).name as string, classes);
    }
    case "ArrayExpression":
      return Array.prototype;
    case "Literal":
    case "TemplateLiteral":
      return asObject(node.type === "Literal" ? node.value : "");
    case "NewExpression":
    case "ObjectExpression":
    case "FunctionExpression":
    case "ClassExpression":
      return null;
    default: {
      // Of `a = await b` the dot belongs to `b`.
      const right = [...childrenOf(node)].find(({ end }) => end === node.end);
      return right === undefined ? null : liveValue(right, scope, classes);
    }
  }
}

function resultOf(holder: object, method: string, { rdd, session }: KnownClasses): object | null {
  const isOf = (prototype: object) => holder === prototype || Object.prototype.isPrototypeOf.call(prototype, holder);
  if (isOf(session.prototype)) return SOURCES.has(method) ? rdd.prototype : null;
  if (!isOf(rdd.prototype) || typeof propertyOf(holder, method) !== "function") return null;
  if (method === "randomSplit") return Array.prototype;
  // An RDD's methods of its own are transformations; the class below it has the actions.
  const actions = Object.getPrototypeOf(rdd.prototype) as object;
  if (Object.hasOwn(actions, method) || method === "numPartitions") return Promise.prototype;
  return rdd.prototype;
}

/** Without running a getter. */
function propertyOf(holder: object, name: string): unknown {
  for (let one: object | null = holder; one !== null; one = Object.getPrototypeOf(one) as object | null) {
    const found = Object.getOwnPropertyDescriptor(one, name);
    if (found !== undefined) return found.value;
  }
  return undefined;
}

function asObject(value: unknown): object | null {
  return value === undefined || value === null ? null : (Object(value) as object);
}

function membersOf(target: object): string[] {
  const found = new Set<string>();
  for (let one: object | null = target; one !== null; one = Object.getPrototypeOf(one) as object | null) {
    if (one === Object.prototype && target !== one && found.size > 0) break;
    for (const name of Object.getOwnPropertyNames(one)) if (/^[\w$]+$/.test(name) && !/^\d/.test(name)) found.add(name);
  }
  found.delete("constructor");
  return [...found];
}
