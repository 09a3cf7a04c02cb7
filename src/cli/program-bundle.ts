// A user's program as the body of one function: esbuild joins the user's own files; what a function body cannot have (imports,
// exports, import.meta) is replaced by where it stands in the syntax tree, never by search in the text, so strings and comments
// stay as they are. Lines stay too, and so do most columns: what takes a place has the length of what was there.

import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Plugin } from "esbuild";
import { parserTools } from "../closure/index.js";

export interface ProgramBundle {
  /** The body of an async function. */
  readonly code: string;
  /** Source map of the body. */
  readonly map: string;
  /** What `__millrace_imported(specifier, place)` gives: `from` is a file that imports it. */
  readonly externals: readonly ExternalImport[];
  /** Names of the body that must be given to it. */
  readonly places: readonly PlaceName[];
}

export interface ExternalImport {
  readonly specifier: string;
  /** Number of the folder that has the package; the same specifier may be another package elsewhere. */
  readonly place: number;
  readonly from: string;
}

/** A name that stands for something of one file of the user's. */
export interface PlaceName {
  readonly name: string;
  readonly kind: "meta" | "filename" | "dirname" | "require";
  readonly file: string;
}

/** What import statements become; src/closure knows the name. */
export const IMPORTED = "__millrace_imported";
/** Stands for `import` in `import("millrace")`; src/closure knows the name. */
export const OWN_IMPORT = "__mlim";

const PREFIX = "millrace-import:";
/** Each as long as what it replaces, with a number of the file in base 36 at its end; src/closure knows them. */
const NAMES = { meta: "__mlmeta", filename: "__mlfile", dirname: "__mldir", require: "__mlreq" } as const;
const LENGTHS = { meta: 11, filename: 10, dirname: 9, require: 9 } as const;

/**
 * Rejects with esbuild's BuildFailure, or a SyntaxError.
 *
 * @param contents of a program that is no file; it stands in the folder of `file`
 */
export async function bundleProgram(file: string, contents?: string): Promise<ProgramBundle> {
  const [{ build }, tracing] = await Promise.all([import("esbuild"), import("@jridgewell/trace-mapping")]);
  const externals = new Externals();
  const outfile = `${file}.mjs`;
  const { outputFiles } = await build({
    ...(contents === undefined ? { entryPoints: [file] } : { stdin: { contents, resolveDir: dirname(file) } }),
    bundle: true,
    write: false,
    outfile,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "external",
    sourcesContent: false,
    keepNames: true,
    treeShaking: false,
    logLevel: "silent",
    tsconfigRaw: tsconfigOf(file),
    plugins: [userPackages(externals)],
  });
  const text = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? "";
  const map = text(".map");
  const trace = new tracing.TraceMap(map, pathToFileURL(outfile).href);
  const sourceOf = (line: number, column: number) => sourceFile(tracing.originalPositionFor(trace, { line, column }));
  return { ...new Body(text(".mjs"), file, sourceOf).rewritten(), map, externals: externals.all };
}

function sourceFile({
  source,
}: ReturnType<typeof import("@jridgewell/trace-mapping").originalPositionFor>): string | null {
  return source === null ? null : source.startsWith("file:") ? fileURLToPath(source) : source;
}

/** Decorators and JSX as the user's tsconfig says; its paths are the user's build's business. */
function tsconfigOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const path = join(folder, "tsconfig.json");
    if (existsSync(path)) return readFileSync(path, "utf8");
    if (dirname(folder) === folder) return "{}";
  }
}

class Externals {
  readonly all: ExternalImport[] = [];
  readonly #folders: string[] = [];

  /** The specifier as it stands in the bundle. */
  add(specifier: string, from: string, folder: string): string {
    let place = this.#folders.indexOf(folder);
    if (place < 0) place = this.#folders.push(folder) - 1;
    if (!this.all.some((one) => one.specifier === specifier && one.place === place))
      this.all.push({ specifier, place, from });
    return `${PREFIX}${place}:${specifier}`;
  }
}

/** Leaves packages to be loaded from where they are. */
function userPackages(externals: Externals): Plugin {
  return {
    name: "user-packages",
    setup(build) {
      build.onResolve({ filter: /^[^./]|^\.[^./]|^\.\.[^/]/ }, ({ path, importer, kind, namespace }) => {
        if (kind === "entry-point" || namespace !== "file" || path.startsWith("#")) return null;
        if (path.startsWith("file:")) return { path: fileURLToPath(path) };
        if (kind !== "import-statement") return { path, external: true };
        const folder = folderOf(path, importer);
        if (folder === null)
          return { errors: [{ text: `Could not resolve "${path}" (from ${importer}): the package is not installed` }] };
        return { path: externals.add(path, importer, folder), external: true };
      });
    },
  };
}

/** The folder whose node_modules has the package, "" for what is everywhere, null when there is none. */
function folderOf(specifier: string, from: string): string | null {
  if (specifier === "millrace" || isBuiltin(specifier)) return "";
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "node_modules", name))) return folder;
    if (dirname(folder) === folder) return null;
  }
}

interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

class Body {
  readonly #edits: { start: number; end: number; by: string }[] = [];
  readonly #places: PlaceName[] = [];
  readonly #lines: number[] = [0];

  constructor(
    private readonly code: string,
    private readonly main: string,
    /** The user's file of a position (line from 1, column from 0). */
    private readonly sourceOf: (line: number, column: number) => string | null,
  ) {
    for (let at = code.indexOf("\n"); at >= 0; at = code.indexOf("\n", at + 1)) this.#lines.push(at + 1);
  }

  rewritten(): { readonly code: string; readonly places: readonly PlaceName[] } {
    const { acorn, scope } = parserTools();
    const options = { ecmaVersion: "latest", sourceType: "module", ranges: true, allowHashBang: true } as const;
    const program = acorn.parse(this.code, options) as unknown as Syntax;
    if (this.code.startsWith("#!"))
      this.#blank(0, this.#lines[1] === undefined ? this.code.length : this.#lines[1] - 1);
    for (const statement of program.body as Syntax[]) this.#statement(statement);
    this.#walk(program);
    const manager = scope.analyze(
      program as never,
      { ecmaVersion: 2022, sourceType: "module", ignoreEval: true } as never,
    );
    for (const reference of manager.globalScope?.through ?? []) {
      const { name, start } = reference.identifier as unknown as { name: string; start: number };
      if (name === "__filename") this.#place("filename", start);
      else if (name === "__dirname") this.#place("dirname", start);
    }
    for (const inner of manager.scopes) {
      for (const { identifier, resolved } of inner.references) {
        // esbuild's name for `require` in a module.
        if (identifier.name !== "__require" || resolved === null) continue;
        const { start } = identifier as unknown as Syntax;
        const file = this.#fileAt(start);
        if (file !== null && dirname(file) !== dirname(this.main)) this.#place("require", start);
      }
    }
    let { code } = this;
    for (const { start, end, by } of this.#edits.sort((a, b) => b.start - a.start))
      code = code.slice(0, start) + by + code.slice(end);
    return { code, places: this.#places };
  }

  #statement(node: Syntax): void {
    if (node.type === "ImportDeclaration") {
      const [, place, specifier] = /^millrace-import:(\d+):(.*)$/s.exec(String((node.source as Syntax).value)) ?? [];
      const call = `${IMPORTED}(${JSON.stringify(specifier)}, ${place})`;
      const breaks = this.code.slice(node.start, node.end).replace(/[^\n]/g, "");
      this.#edits.push({ start: node.start, end: node.end, by: bindings(node.specifiers as Syntax[], call) + breaks });
    } else if (node.type === "ExportNamedDeclaration") this.#blank(node.start, node.end);
    else if (node.type === "ExportDefaultDeclaration") this.#blank(node.start, (node.declaration as Syntax).start);
  }

  #walk(node: Syntax): void {
    if (node.type === "MetaProperty" && (node.meta as { name?: string }).name === "import") {
      this.#place("meta", node.start);
      return;
    }
    if (node.type === "ImportExpression" && (node.source as Syntax).value === "millrace")
      this.#edits.push({ start: node.start, end: node.start + OWN_IMPORT.length, by: OWN_IMPORT });
    for (const key in node) {
      const value = node[key];
      if (Array.isArray(value)) {
        for (const one of value) if (isSyntax(one)) this.#walk(one);
      } else if (isSyntax(value)) this.#walk(value);
    }
  }

  #place(kind: PlaceName["kind"], start: number): void {
    const file = this.#fileAt(start) ?? this.main;
    let known = this.#places.find((one) => one.kind === kind && one.file === file);
    if (known === undefined) {
      const number = this.#places.length.toString(36).padStart(LENGTHS[kind] - NAMES[kind].length, "0");
      known = { name: `${NAMES[kind]}${number}`, kind, file };
      this.#places.push(known);
    }
    this.#edits.push({ start, end: start + LENGTHS[kind], by: known.name });
  }

  #blank(start: number, end: number): void {
    this.#edits.push({ start, end, by: this.code.slice(start, end).replace(/[^\n]/g, "") });
  }

  #fileAt(offset: number): string | null {
    let line = 0;
    for (let high = this.#lines.length; high - line > 1; ) {
      const middle = (line + high) >> 1;
      if ((this.#lines[middle] as number) <= offset) line = middle;
      else high = middle;
    }
    return this.sourceOf(line + 1, offset - (this.#lines[line] as number));
  }
}

function isSyntax(value: unknown): value is Syntax {
  return typeof value === "object" && value !== null && typeof (value as Syntax).type === "string";
}

/** `import a, { b as c } from` as declarations. Later changes of an exported binding of a package are not seen. */
function bindings(specifiers: readonly Syntax[], call: string): string {
  const local = (one: Syntax) => (one.local as { name: string }).name;
  const members: string[] = [];
  const declared: string[] = [];
  for (const one of specifiers) {
    if (one.type === "ImportNamespaceSpecifier") declared.push(`${local(one)} = ${call}`);
    else if (one.type === "ImportDefaultSpecifier") members.push(`default: ${local(one)}`);
    else {
      const imported = one.imported as { name?: string; value?: string };
      const name = imported.name ?? JSON.stringify(imported.value);
      members.push(name === local(one) ? name : `${name}: ${local(one)}`);
    }
  }
  if (members.length > 0) declared.unshift(`{ ${members.join(", ")} } = ${call}`);
  return declared.length === 0 ? ";" : `const ${declared.join(", ")};`;
}
