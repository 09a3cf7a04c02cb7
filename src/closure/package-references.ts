// What belongs to an installed package travels as a reference: specifier, export, version. With `bundle`, an esbuild bundle of
// the module goes beside it for workers that do not have the package. A function of a package that no known module exports
// goes by source like the user's own.

import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ModuleNode } from "./format.js";
import type { ScriptInfo } from "./inspect.js";
import { cachedExport, installedVersion, packageOf, pathOfUrl } from "./script-imports.js";

export class PackageReferences {
  readonly bundles = new Map<string, Uint8Array>();
  readonly #bundleOf = new Map<string, string>();

  constructor(readonly bundle: boolean) {}

  /** An export imported by a script of the user; undefined when no such package is installed. */
  of(specifier: string, path: readonly string[], script: ScriptInfo, namespace: boolean): ModuleNode | undefined {
    const name = packageOf(specifier);
    const from = pathOfUrl(script.url);
    const installed = name === undefined || !from.startsWith("/") ? undefined : installedVersion(name, dirname(from));
    if (installed === undefined) return undefined;
    return this.#node(specifier, path, from, installed, namespace);
  }

  /** A function defined in a package's CommonJS file, found among the exports of that file. */
  ofFunction(fn: object, script: ScriptInfo): ModuleNode | undefined {
    if (!script.url.includes("/node_modules/")) return undefined;
    const file = pathOfUrl(script.url);
    const path = cachedExport(file, fn);
    if (path === undefined) return undefined;
    const at = file.lastIndexOf("/node_modules/");
    const specifier = file.slice(at + "/node_modules/".length);
    const name = packageOf(specifier);
    const installed = name === undefined ? undefined : installedVersion(name, file.slice(0, at));
    return installed === undefined ? undefined : this.#node(specifier, path, file, installed, false);
  }

  #node(
    specifier: string,
    path: readonly string[],
    from: string,
    installed: { version: string; folder: string },
    namespace: boolean,
  ): ModuleNode {
    let file = "";
    try {
      file = createRequire(from).resolve(specifier);
    } catch {
      // An ES-only package has no file for require; the folder says enough.
      file = installed.folder;
    }
    const bundle = this.bundle ? this.#bundled(specifier, dirname(from), installed, namespace) : "";
    return { kind: "module", specifier, path, file, version: installed.version, namespace, bundle, from };
  }

  #bundled(
    specifier: string,
    folder: string,
    installed: { version: string; folder: string },
    namespace: boolean,
  ): string {
    const key = `${installed.version} ${specifier} ${namespace}`;
    let hash = this.#bundleOf.get(key);
    if (hash === undefined) {
      // A test runner names a package's file, which the package need not export.
      const file = join(installed.folder, specifier.slice((packageOf(specifier) ?? specifier).length));
      const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
      const quoted = JSON.stringify(existsSync(file) && statSync(file).isFile() ? file : specifier);
      const contents = namespace
        ? `import * as all from ${quoted}; module.exports = all;`
        : `module.exports = require(${quoted});`;
      const { outputFiles } = buildSync({
        stdin: { contents, resolveDir: folder },
        bundle: true,
        platform: "node",
        format: "cjs",
        write: false,
        logLevel: "silent",
        target: "node20",
      });
      const bytes = (outputFiles[0] as { contents: Uint8Array }).contents;
      hash = createHash("sha256").update(bytes).digest("hex");
      this.bundles.set(hash, bytes);
      this.#bundleOf.set(key, hash);
    }
    return hash;
  }
}
