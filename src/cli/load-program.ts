// The loader of `millrace run`: runs a user's program in this process, TypeScript or JavaScript, from anywhere on disk and
// without a package.json. The user's own files become one bundle in memory, which runs under the program's own URL with its
// source map registered; packages stay packages, resolved from the file that imports them, and `millrace` is this very build.
// There are no hooks over node_modules. The shell loads the files that a line imports in the same way.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { createRequire, isBuiltin, Module } from "node:module";
import { dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as vm from "node:vm";
import type { BuildFailure } from "esbuild";
import { mapStack, registerSourceMap } from "../closure/index.js";
import { defaultLoader, importerAt } from "../core/default-loader.js";
import { MillraceError } from "../core/errors.js";
import { userFrames } from "../session/job-errors.js";
import { bundleProgram, IMPORTED, OWN_IMPORT, type PlaceName, type ProgramBundle } from "./program-bundle.js";

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
  const [bundle, own] = await Promise.all([
    bundleProgram(file).catch((error: unknown) => Promise.reject(loadFailure(file, error))),
    import(ownModule) as Promise<object>,
  ]);
  process.on("uncaughtExceptionMonitor", showUserLines);
  await runBundle(bundle, file, pathToFileURL(file).href, own, {});
}

/** How often a file was loaded as a module: each time its code runs under a URL of its own. */
const loads = new Map<string, number>();

/**
 * The exports of a file of the user's as an object like a namespace, read and run anew at each call. Throws PROGRAM_FAILED when
 * it cannot be loaded; what it throws passes. `own` is what `import "millrace"` gives.
 */
export async function loadModule(file: string, own: object): Promise<object> {
  const count = (loads.get(file) ?? 0) + 1;
  loads.set(file, count);
  const contents = `import * as all from ${JSON.stringify(file)}; ${GIVE_EXPORTS}(all);`;
  const bundle = await bundleProgram(file, contents).catch((error: unknown) =>
    Promise.reject(loadFailure(file, error)),
  );
  // Its process would be ended by a Ctrl-C at the prompt, and the next build would find it gone.
  await (await import("esbuild")).stop();
  const exports: object = {};
  const url = `${pathToFileURL(file).href}${count === 1 ? "" : `?${count}`}`;
  await runBundle(bundle, file, url, own, { [GIVE_EXPORTS]: (all: object) => Object.assign(exports, all) });
  return Object.defineProperty(exports, Symbol.toStringTag, { value: "Module" });
}

const GIVE_EXPORTS = "__millrace_exports";

/** Resolves when the top level of the user's code has ended. `extra`: what else it may name. */
async function runBundle(
  bundle: ProgramBundle,
  file: string,
  url: string,
  own: object,
  extra: Readonly<Record<string, unknown>>,
): Promise<void> {
  // The bundle stands in a function whose head is a line of its own.
  const map = bundle.map.replace('"mappings": "', '"mappings": ";');
  registerSourceMap(url, map);
  const imported = new Map<string, unknown>();
  for (const { specifier, place, from } of bundle.externals) {
    imported.set(
      `${place}:${specifier}`,
      await importFrom(specifier, from, own).catch((cause: unknown) => Promise.reject(loadFailure(file, cause))),
    );
  }
  const module = new Module(file);
  module.filename = file;
  const given: Record<string, unknown> = {
    [IMPORTED]: (specifier: string, place: number) => imported.get(`${place}:${specifier}`),
    [OWN_IMPORT]: async () => own,
    require: requireOf(file, own),
    module,
    exports: module.exports,
    ...extra,
    ...Object.fromEntries(bundle.places.map((one) => [one.name, placeValue(one, own)])),
  };
  const strict = isCommonJs(file) ? "" : ' "use strict";';
  const head = `(async function (${Object.keys(given).join(", ")}) {${strict}`;
  const script = compile(
    `${head}\n${bundle.code}\n})\n${MAP_COMMENT}${Buffer.from(map).toString("base64")}`,
    file,
    url,
  );
  try {
    await script(...Object.values(given));
  } catch (error) {
    showUserLines(error);
    throw error;
  }
}

/** For debuggers: a breakpoint in the user's source is set by it. */
const MAP_COMMENT = "//# sourceMappingURL=data:application/json;base64,";

function compile(code: string, file: string, url: string): (...values: unknown[]) => Promise<void> {
  try {
    const script = new vm.Script(code, {
      filename: url,
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

const ENDINGS = /^\.(?:[cm]?[jt]s|[jt]sx)$/;

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
  if (!ENDINGS.test(extname(file))) {
    throw new MillraceError(
      "PROGRAM_FAILED",
      `${path} is not a program: expected a .ts, .mts, .cts, .js, .mjs or .cjs file`,
      { fields: { path: file } },
    );
  }
  return realpathSync(file);
}

/** A program that says so by its ending, or that uses require or module.exports and no import or export. */
function isCommonJs(file: string): boolean {
  if (/\.c[jt]s$/.test(file)) return true;
  if (/\.m[jt]s$/.test(file)) return false;
  const source = readFileSync(file, "utf8");
  return !/^\s*(?:import|export)\b/m.test(source) && /\brequire\s*\(|\bmodule\.exports\b/.test(source);
}

function placeValue({ kind, file }: PlaceName, own: object): unknown {
  if (kind === "filename") return file;
  if (kind === "dirname") return dirname(file);
  if (kind === "require") return requireOf(file, own);
  return metaOf(file);
}

/** What `import.meta` says in a file. */
export function metaOf(file: string): object {
  const { href } = pathToFileURL(file);
  const resolve = (one: string) =>
    /^\.{0,2}\//.test(one) ? new URL(one, href).href : pathToFileURL(createRequire(file).resolve(one)).href;
  return { url: href, filename: file, dirname: dirname(file), resolve };
}

/** `require` as it is in a file. */
export function requireOf(from: string, own: object): NodeJS.Require {
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
