// The slot's side of module references: the same version of a package is looked for beside the user's file and in the module
// roots of the worker; else the driver's bundle of it is run. Modules that only an import can load are loaded by `prepare`.

import { existsSync } from "node:fs";
import type NodeModule from "node:module";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { types } from "node:util";
import * as vm from "node:vm";
import { importerAt } from "../core/default-loader.js";
import { MillraceError } from "../core/errors.js";
import { META_NAME } from "./analyze.js";
import type { ModuleNode } from "./format.js";
import { installedVersion, packageOf, pathOfUrl } from "./script-imports.js";

export interface ModuleOptions {
  readonly moduleRoots: readonly string[];
  loadBundle?(hash: string): Uint8Array;
}

export class Modules {
  readonly #loaded = new Map<string, unknown>();

  constructor(readonly options: ModuleOptions) {}

  /** An import that must be awaited before `value` can give it; null when there is none. */
  prepare(node: ModuleNode): Promise<void> | null {
    const key = keyOf(node);
    if (!node.namespace || node.version === "" || this.#loaded.has(key)) return null;
    const found = this.#find(node);
    if (found === null) return null;
    const load = importerOf(pathToFileURL(found.base).href);
    return load(node.specifier)
      .catch((error: unknown) => {
        // A pattern of the package's exports may make another file of the name that a test runner gives.
        const isMissing =
          (error as { code?: string } | null)?.code === "ERR_MODULE_NOT_FOUND" && existsSync(found.file);
        if (!notExported(error) && !isMissing) throw error;
        return load(pathToFileURL(found.file).href);
      })
      .then((module) => void this.#loaded.set(key, module));
  }

  value(node: ModuleNode): unknown {
    const key = keyOf(node);
    let exports = this.#loaded.get(key);
    if (exports === undefined) {
      exports = this.#load(node);
      this.#loaded.set(key, exports);
    }
    return node.path.reduce((value: unknown, name) => step(value, name), exports);
  }

  /** `import()` of a function that stands in the file of that URL; packages that are not here come from their bundles. */
  importer(url: string, packages: readonly ModuleNode[]): (specifier: string, options?: object) => Promise<unknown> {
    const load = importerOf(url);
    if (packages.length === 0) return load;
    return async (specifier, options) => {
      const node = packages.find((one) => one.specifier === specifier);
      if (node === undefined || this.#find(node) !== null) return load(specifier, options);
      return this.value(node);
    };
  }

  #load(node: ModuleNode): unknown {
    if (node.version === "") {
      const exports = process.getBuiltinModule(node.specifier) as object | undefined;
      if (exports === undefined) throw notFound(node, "this version of Node does not have it");
      return node.namespace ? { ...exports, default: exports } : exports;
    }
    const found = this.#find(node);
    if (found !== null) return asNamespace(node, requireFrom(found, node.specifier));
    if (node.bundle !== "" && this.options.loadBundle !== undefined)
      return runBundle(node, this.options.loadBundle(node.bundle));
    throw notFound(
      node,
      `it is not installed in that version beside ${node.from} nor in ${this.options.moduleRoots.join(", ") || "any module root"}`,
    );
  }

  /** Where the package is in the wanted version: seen from `base`; `file` is the specifier as a path below its folder. */
  #find(node: ModuleNode): Found | null {
    const name = packageOf(node.specifier) ?? node.specifier;
    for (const base of [pathOfUrl(node.from), ...this.options.moduleRoots.map((root) => join(root, "_"))]) {
      const installed = installedVersion(name, dirname(base));
      if (installed?.version === node.version)
        return { base, file: join(installed.folder, node.specifier.slice(name.length)) };
    }
    return null;
  }
}

interface Found {
  readonly base: string;
  readonly file: string;
}

/** Test runners name the file of a package where the program has its name, and a runner's own require finds less than Node's. */
function requireFrom({ base, file }: Found, specifier: string): unknown {
  try {
    return createRequire(base)(specifier);
  } catch (error) {
    if (!notExported(error) && !RUNNER_REFUSALS.has((error as { code?: string } | null)?.code)) throw error;
    // Jest puts itself in the place of node:module and of process.getBuiltinModule.
    const { createRequire: own } = vm.runInThisContext('process.getBuiltinModule("node:module")') as typeof NodeModule;
    return own(base)(file);
  }
}

const RUNNER_REFUSALS: ReadonlySet<string | undefined> = new Set(["MODULE_NOT_FOUND", "ERR_REQUIRE_ESM"]);

const notExported = (error: unknown): boolean =>
  (error as { code?: string } | null)?.code === "ERR_PACKAGE_PATH_NOT_EXPORTED";

/** What an import would give for a CommonJS module. */
function asNamespace(node: ModuleNode, exports: unknown): unknown {
  if (!node.namespace || types.isModuleNamespaceObject(exports) || node.path[0] === "default") return exports;
  if (typeof exports !== "object" && typeof exports !== "function") return { default: exports };
  if (exports !== null && Object.hasOwn(exports, "__esModule")) return exports;
  return { ...exports, default: exports };
}

/** `import()` as the file of that URL would do it; "" is a file of the working directory. */
export function importerOf(url: string): (specifier: string, options?: object) => Promise<unknown> {
  return importerAt(url === "" ? pathToFileURL(`${process.cwd()}/_`).href : url);
}

/** `import()` as vite's test runner writes it: paths are absolute, or begin at a root folder somewhere above the file. */
export function rootedImporterOf(url: string): (specifier: string, options?: object) => Promise<unknown> {
  const load = importerOf(url);
  return (specifier, options) =>
    load(specifier.startsWith("/") ? rooted(specifier, pathOfUrl(url)) : specifier, options);
}

function rooted(specifier: string, from: string): string {
  const path = specifier.replace(/^\/@fs(?=\/)/, "").replace(/[?#].*$/, "");
  if (existsSync(path)) return pathToFileURL(path).href;
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    if (existsSync(join(folder, path))) return pathToFileURL(join(folder, path)).href;
    if (dirname(folder) === folder) return specifier;
  }
}

/** What `import.meta` says in the file of that URL. */
export function metaOf(url: string): { readonly [name: string]: unknown } {
  const path = url.startsWith("file:") ? pathOfUrl(url) : url;
  return {
    url: url.startsWith("/") ? pathToFileURL(url).href : url,
    filename: path,
    dirname: dirname(path),
    resolve: (specifier: string) => {
      if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, url).href;
      return pathToFileURL(createRequire(path).resolve(specifier)).href;
    },
    [META_NAME]: true,
  };
}

function runBundle(node: ModuleNode, bytes: Uint8Array): unknown {
  const module: { exports: unknown } = { exports: {} };
  const run = vm.compileFunction(Buffer.from(bytes).toString(), ["module", "exports", "require"], {
    filename: `millrace-bundle:${node.version}`,
  });
  run(module, module.exports, createRequire(import.meta.url));
  return module.exports;
}

function step(value: unknown, name: string): unknown {
  const found = (value as Record<string, unknown> | null | undefined)?.[name];
  // module.exports is its own default export when it says nothing else.
  return found === undefined && name === "default" ? value : found;
}

const keyOf = (node: ModuleNode): string => `${node.version} ${node.specifier} ${node.namespace}`;

function notFound(node: ModuleNode, why: string): MillraceError {
  const what = node.version === "" ? node.specifier : `${node.specifier} (${node.version})`;
  return new MillraceError(
    "MODULE_NOT_FOUND",
    `a captured function uses the module ${what}, which cannot be loaded here: ${why}`,
    {
      fields: { specifier: node.specifier, version: node.version },
    },
  );
}
