// The loader of `millrace run`: runs a user's program in this process, TypeScript or JavaScript, from anywhere on disk and
// without a package.json. The user's own files become one bundle in memory, which runs under the program's own URL with its
// source map registered; packages stay packages, resolved from the file that imports them, and `millrace` is this very build.
// There are no hooks over node_modules.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { createRequire, isBuiltin, Module } from "node:module";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as vm from "node:vm";
import type { BuildFailure, Loader, Plugin } from "esbuild";
import { mapStack, registerSourceMap } from "../closure/index.js";
import { defaultLoader, importerAt } from "../core/default-loader.js";
import { MillraceError } from "../core/errors.js";
import { userFrames } from "../session/job-errors.js";

/**
 * Runs `path` with `argv` as the program's own arguments; returns when its top level has ended. Throws PROGRAM_FAILED when it
 * cannot be loaded; what the program itself throws passes as it is, with its stack in the user's lines. `ownModule` is what
 * `import "millrace"` gives: the build beside this file.
 */
export async function loadProgram(
  path: string,
  argv: string[],
  ownModule = new URL("./index.js", import.meta.url).href,
): Promise<void> {
  const file = existing(path);
  process.argv = [process.execPath, file, ...argv];
  const [bundle, own] = await Promise.all([bundleOf(file), import(ownModule) as Promise<object>]);
  const url = pathToFileURL(file).href;
  registerSourceMap(url, bundle.map);
  process.on("uncaughtExceptionMonitor", showUserLines);
  const imported = new Map<string, unknown>();
  for (const [specifier, from] of bundle.externals) {
    imported.set(
      specifier,
      await importFrom(specifier, from, own).catch((cause: unknown) => Promise.reject(loadFailure(file, cause))),
    );
  }
  const module = new Module(file);
  module.filename = file;
  const parameters = [IMPORTED, "__millrace_require", "__millrace_import", "require", "module", "exports"];
  const script = compile(
    `(async function (${parameters.join(", ")}) {${bundle.commonJs ? "" : ' "use strict";'}\n${bundle.code}\n})`,
    file,
    url,
  );
  try {
    await script(
      (specifier: string) => imported.get(specifier),
      (from: string) => requireOf(from, own),
      (from: string, specifier: string) => importFrom(specifier, from, own),
      requireOf(file, own),
      module,
      module.exports,
    );
  } catch (error) {
    showUserLines(error);
    throw error;
  }
}

/** What the rewritten import statements of the bundle call; src/closure knows the name. */
const IMPORTED = "__millrace_imported";

function compile(code: string, file: string, url: string): (...values: unknown[]) => Promise<void> {
  try {
    const script = new vm.Script(code, {
      filename: url,
      lineOffset: -1,
      importModuleDynamically: defaultLoader(),
    });
    return script.runInThisContext() as (...values: unknown[]) => Promise<void>;
  } catch (error) {
    throw loadFailure(file, error);
  }
}

function showUserLines(error: unknown): void {
  if (error instanceof Error && typeof error.stack === "string") error.stack = mapStack(userFrames(error.stack));
}

interface Bundle {
  readonly code: string;
  readonly map: string;
  /** Specifier to a file that imports it. */
  readonly externals: ReadonlyMap<string, string>;
  readonly commonJs: boolean;
}

const LOADERS: Readonly<Record<string, Loader>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
  ".js": "js",
  ".mjs": "js",
  ".cjs": "js",
};

function existing(path: string): string {
  const file = resolve(path);
  if (!existsSync(file))
    throw new MillraceError("PATH_NOT_FOUND", `there is no program ${path} (looked at ${file})`, {
      fields: { path: file },
    });
  if (statSync(file).isDirectory()) {
    throw new MillraceError("IS_A_DIRECTORY", `${path} is a directory; name the program in it`, {
      fields: { path: file },
    });
  }
  if (LOADERS[extname(file)] === undefined) {
    throw new MillraceError(
      "PROGRAM_FAILED",
      `${path} is not a program: expected a .ts, .mts, .cts, .js, .mjs or .cjs file`,
      { fields: { path: file } },
    );
  }
  return realpathSync(file);
}

/** A program that says so by its ending, or that uses require or module.exports and no import or export. */
function isCommonJs(file: string, source: string): boolean {
  if (/\.c[jt]s$/.test(file)) return true;
  if (/\.m[jt]s$/.test(file)) return false;
  return !/^\s*(?:import|export)\b/m.test(source) && /\brequire\s*\(|\bmodule\.exports\b/.test(source);
}

async function bundleOf(file: string): Promise<Bundle> {
  const { build } = await import("esbuild");
  const externals = new Map<string, string>();
  try {
    const { outputFiles } = await build({
      entryPoints: [file],
      bundle: true,
      write: false,
      outfile: `${file}.mjs`,
      format: "esm",
      platform: "node",
      target: "node20",
      sourcemap: "external",
      sourcesContent: false,
      keepNames: true,
      treeShaking: false,
      logLevel: "silent",
      tsconfigRaw: tsconfigOf(file),
      plugins: [userFiles(externals)],
    });
    const [first, second] = outputFiles;
    const [map, code] = first?.path.endsWith(".map") === true ? [first, second] : [second, first];
    return {
      code: asFunctionBody(code?.text ?? ""),
      map: map?.text ?? "",
      externals,
      commonJs: isCommonJs(file, readFileSync(file, "utf8")),
    };
  } catch (error) {
    throw loadFailure(file, error);
  }
}

/** Decorators and JSX as the user's tsconfig says; its paths are the user's build's business. */
function tsconfigOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const path = join(folder, "tsconfig.json");
    if (existsSync(path)) return readFileSync(path, "utf8");
    if (dirname(folder) === folder) return "{}";
  }
}

/** Gives every file its own import.meta, __filename and __dirname, and leaves packages to be loaded from where they are. */
function userFiles(externals: Map<string, string>): Plugin {
  return {
    name: "user-files",
    setup(build) {
      build.onResolve({ filter: /^[^./]|^\.[^./]|^\.\.[^/]/ }, ({ path, importer, kind, namespace }) => {
        if (kind === "entry-point" || namespace !== "file" || path.startsWith("#")) return null;
        if (path.startsWith("file:")) return { path: fileURLToPath(path) };
        if (kind === "import-statement" && !resolvable(path, importer)) {
          return { errors: [{ text: `Could not resolve "${path}" (from ${importer}): the package is not installed` }] };
        }
        if (kind === "import-statement" && !externals.has(path)) externals.set(path, importer);
        return { path, external: true };
      });
      build.onLoad({ filter: /\.[cm]?[jt]sx?$/, namespace: "file" }, ({ path }) => {
        const source = readFileSync(path, "utf8").replace(/^#!.*/, "");
        const loader = LOADERS[extname(path)];
        if (loader === undefined) return null;
        return { contents: withOwnPlace(source, path, isCommonJs(path, source)), loader, resolveDir: dirname(path) };
      });
    },
  };
}

/** On the first line, so that lines stay as they are. */
function withOwnPlace(source: string, path: string, commonJs: boolean): string {
  const quoted = JSON.stringify(path);
  const names: string[] = [];
  if (/\b__filename\b/.test(source)) names.push(`__filename = ${quoted}`);
  if (/\b__dirname\b/.test(source)) names.push(`__dirname = ${JSON.stringify(dirname(path))}`);
  if (!commonJs && /\brequire\b/.test(source) && !/\brequire\s*=/.test(source))
    names.push(`require = __millrace_require(${quoted})`);
  let text = source;
  if (!commonJs && /\bimport\s*\.\s*meta\b/.test(source)) {
    const url = JSON.stringify(pathToFileURL(path).href);
    const directory = JSON.stringify(dirname(path));
    names.push(
      `__millrace_meta = { url: ${url}, filename: ${quoted}, dirname: ${directory}, resolve: (one) => new URL(one, ${url}).href }`,
    );
    text = text.replace(/\bimport\s*\.\s*meta\b/g, "__millrace_meta");
  }
  return names.length === 0 ? text : `const ${names.join(", ")};${text}`;
}

/** A function body has no import statements and no export list. What they become stands on the same lines. */
function asFunctionBody(code: string): string {
  return code
    .replace(
      /^import\s*(?:([\w$*{][^"'`;()]*?)\s*from\s*)?("[^"\n]+");$/gm,
      (_all, clause: string | undefined, specifier: string) =>
        clause === undefined ? "" : bindings(clause, `${IMPORTED}(${specifier})`),
    )
    .replace(/^export\s*\{[^}]*\};?$/gm, (all) => all.replace(/[^\n]/g, ""))
    .replace(/^export default (?=require_)/gm, "");
}

/** `import a, { b as c } from` as declarations. Later changes of an exported binding of a package are not seen. */
function bindings(clause: string, call: string): string {
  const braces = /\{([^}]*)\}/.exec(clause)?.[1] ?? "";
  const named = braces.replace(/\bas\b/g, ":").replace(/("[^"]*")\s*:/g, "[$1]:");
  const others = clause
    .replace(/\{[^}]*\}/, "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const declared = others.map((part) =>
    part.startsWith("*") ? `${part.replace(/^\*\s*as\s+/, "")} = ${call}` : `{ default: ${part} } = ${call}`,
  );
  if (braces !== "") declared.push(`{${named}} = ${call}`);
  return `const ${declared.join(", ")};`;
}

function resolvable(specifier: string, from: string): boolean {
  if (specifier === "millrace" || isBuiltin(specifier)) return true;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "node_modules", name))) return true;
    if (dirname(folder) === folder) return false;
  }
}

function requireOf(from: string, own: object): NodeJS.Require {
  const require = createRequire(from);
  const wrapped = (specifier: string): unknown => (specifier === "millrace" ? own : require(specifier));
  return Object.assign(wrapped, require);
}

async function importFrom(specifier: string, from: string, own: object): Promise<unknown> {
  if (specifier === "millrace") return own;
  if (isBuiltin(specifier)) return import(specifier);
  return importerAt(pathToFileURL(from).href)(specifier);
}

function loadFailure(file: string, error: unknown): MillraceError {
  const { errors = [] } = error as Partial<BuildFailure>;
  const lines = errors
    .slice(0, 5)
    .map(({ text, location }) =>
      location === null
        ? text
        : `${location.file}:${location.line}:${location.column + 1}: ${text}\n    ${location.lineText}`,
    );
  const text = lines.length > 0 ? lines.join("\n") : String((error as Error).message);
  return new MillraceError("PROGRAM_FAILED", `${file} cannot be loaded:\n${text}`, {
    fields: { path: file },
    cause: error,
  });
}
