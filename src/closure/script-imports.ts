// Which module a name of a script was imported from, read from the script's text as it runs: import declarations, require
// calls (also wrapped by the helpers of esbuild and Babel) and vitest's. A name alone does not prove it; the caller asks only
// for values that are known to be a package's.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ScriptInfo } from "./inspect.js";

export interface Import {
  readonly specifier: string;
  /** The export, "*" for the namespace, "" for module.exports. */
  readonly imported: string;
  readonly namespace: boolean;
}

const tables = new WeakMap<ScriptInfo, ReadonlyMap<string, Import>>();

/** On the global object: the command line registers what a prompt imported, the program's own millrace, another bundle, reads it. */
const promptKey: unique symbol = Symbol.for("millrace.promptImports");

function promptImports(): Map<string, ReadonlyMap<string, Import>> {
  const holder = globalThis as { [promptKey]?: Map<string, ReadonlyMap<string, Import>> };
  holder[promptKey] ??= new Map();
  return holder[promptKey];
}

/** What earlier lines of a prompt imported is not in the text of the script `url`. The table may change later. */
export function registerImports(url: string, table: ReadonlyMap<string, Import>): void {
  promptImports().set(url, table);
}

export function importOf(script: ScriptInfo, name: string): Import | undefined {
  const prompt = promptImports().get(script.url);
  if (prompt !== undefined) return prompt.get(name);
  let table = tables.get(script);
  if (table === undefined) {
    table = readImports(script.source);
    tables.set(script, table);
  }
  return table.get(name);
}

const DECLARATION = /\bimport\s*([\w$*{][^"'`;()]*?)\s*from\s*["']([^"'\n]+)["']/g;
const REQUIRE =
  /([\w$]+|\{[^{}]*\})\s*=\s*(?:await\s+)?(?:[\w$.]+\()*(require|__require|__mlreq\w\w|__vite_ssr_import__|__millrace_imported)\(\s*["']([^"'\n]+)["']/g;

function readImports(source: string): ReadonlyMap<string, Import> {
  const table = new Map<string, Import>();
  for (const [, clause = "", specifier = ""] of source.matchAll(DECLARATION)) {
    const add = (local: string, imported: string) => table.set(local, { specifier, imported, namespace: true });
    const braces = /\{([^}]*)\}/.exec(clause);
    for (const [local, imported] of namesIn(braces?.[1] ?? "", " as ")) add(local, imported);
    const rest = clause.replace(/\{[^}]*\}/, "");
    for (const part of rest.split(",")) {
      const text = part.trim();
      const star = /^\*\s*as\s+([\w$]+)$/.exec(text);
      if (star?.[1] !== undefined) add(star[1], "*");
      else if (text !== "") add(text, "default");
    }
  }
  for (const [, target = "", call, specifier = ""] of source.matchAll(REQUIRE)) {
    const namespace = call !== "require" && call !== "__require" && call?.startsWith("__mlreq") !== true;
    if (!target.startsWith("{")) table.set(target, { specifier, imported: namespace ? "*" : "", namespace });
    else
      for (const [local, imported] of namesIn(target.slice(1, -1), ":"))
        table.set(local, { specifier, imported, namespace });
  }
  return table;
}

function namesIn(list: string, separator: string): [local: string, imported: string][] {
  return list
    .split(",")
    .map((part) =>
      part
        .trim()
        .split(separator)
        .map((name) => name.trim()),
    )
    .filter(([imported]) => imported !== undefined && imported !== "")
    .map(([imported = "", local = imported]) => [local, imported.replace(/^["']|["']$/g, "")]);
}

/** `@scope/name` of a bare specifier, undefined for a path, a URL or one of Node's. */
export function packageOf(specifier: string): string | undefined {
  if (/^(?:[./#]|node:|[a-z]+:\/\/)/.test(specifier)) return undefined;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** name@version of the package as seen from a file or folder, undefined when it is not installed there. */
export function installedVersion(
  name: string,
  from: string,
): { readonly version: string; readonly folder: string } | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, "node_modules", name, "package.json");
    if (existsSync(file)) {
      const { version } = JSON.parse(readFileSync(file, "utf8")) as { version?: string };
      return { version: `${name}@${version ?? "0"}`, folder: dirname(file) };
    }
    if (dirname(folder) === folder) return undefined;
  }
}

export function pathOfUrl(url: string): string {
  if (!url.startsWith("file:")) return url;
  return fileURLToPath(url.replace(/[?#].*$/, ""));
}

/** A path below node_modules as the specifier that a program would write. */
export function bareSpecifier(specifier: string): string {
  const at = specifier.lastIndexOf("/node_modules/");
  return at < 0
    ? specifier.replace(/^\/@fs/, "")
    : specifier.slice(at + "/node_modules/".length).replace(/[?#].*$/, "");
}

/** The exports of a CommonJS module of a package that hold `value`: searched in the modules loaded from `file`. */
export function cachedExport(file: string, value: unknown): readonly string[] | undefined {
  const cache = createRequire(import.meta.url).cache as Record<string, { exports: unknown } | undefined>;
  const exports = cache[file]?.exports;
  if (exports === undefined) return undefined;
  if (exports === value) return [];
  if (typeof exports !== "object" && typeof exports !== "function") return undefined;
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(exports)))
    if (descriptor.value === value) return [name];
  return undefined;
}
