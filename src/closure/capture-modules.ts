// Captured names that stand for modules and for what comes from them: imports of packages, of Node and of millrace travel as
// references; of the user's own modules only the members that are used, by value.

import { types } from "node:util";
import type { ClassConstructor } from "../codec/class-registry.js";
import type { FreeName } from "./analyze.js";
import { nodeModuleOf } from "./builtins.js";
import type { Graph } from "./capture-graph.js";
import type { Encoded, ModuleNode, Node } from "./format.js";
import type { ScriptInfo } from "./inspect.js";
import type { PackageReferences } from "./package-references.js";
import { bareSpecifier, importOf, packageOf } from "./script-imports.js";

/** esbuild's and vitest's names for what import.meta, import() and require stand for. */
const IMPORT_NAMES = /^__vite_ssr_(?:dynamic_)?import__$|^__mlim$/;
const META_NAMES = /^__vite_ssr_import_meta__$|^import_meta$|^__mlmeta\w{3}$/;

export class ModuleEncoder {
  constructor(
    private readonly graph: Graph,
    readonly packages: PackageReferences,
  ) {}

  /** A name's value; `script` when the name may stand for an import there. */
  variable(free: FreeName, value: unknown, script: ScriptInfo | null, url: string): Encoded {
    if (typeof value === "function" && free.name === "require" && "resolve" in value && "main" in value)
      return this.graph.leaf(value, { kind: "require", url });
    if (typeof value === "function" && IMPORT_NAMES.test(free.name))
      return this.graph.leaf(value, { kind: "import", url });
    if (META_NAMES.test(free.name)) {
      const own = (value as { readonly url?: unknown } | null)?.url;
      return this.graph.leaf(value, { kind: "meta", url: typeof own === "string" ? own : url });
    }
    if ((typeof value !== "object" && typeof value !== "function") || value === null || this.graph.has(value))
      return this.graph.encode(value);
    const from = script === null ? undefined : importOf(script, free.name);
    if (from !== undefined && script !== null) {
      const node = this.#imported(from, value, script);
      if (node !== undefined) return this.package(value, node);
    }
    // vitest hands out CommonJS packages behind a Proxy.
    if (typeof value === "object" && (isNamespaceLike(value) || (from !== undefined && types.isProxy(value)))) {
      const members = free.members ?? Object.keys(value).filter((key) => key !== "__esModule");
      return this.namespace(value, members, free.members !== null);
    }
    return this.graph.encode(value);
  }

  /** Packages that the function imports when it runs, for workers that lack them. */
  importedPackages(specifiers: readonly string[], script: ScriptInfo | null): { imports?: readonly ModuleNode[] } {
    if (specifiers.length === 0 || script === null || !this.packages.bundle) return {};
    const imports = specifiers.flatMap((specifier) => this.packages.of(specifier, [], script, true) ?? []);
    return imports.length === 0 ? {} : { imports };
  }

  #imported(
    from: { specifier: string; imported: string; namespace: boolean },
    value: object,
    script: ScriptInfo,
  ): Node | undefined {
    const specifier = bareSpecifier(from.specifier);
    const path = from.imported === "*" || from.imported === "" ? [] : [from.imported];
    if (specifier === "millrace")
      return typeof value === "function" || path.length === 0 ? { kind: "millrace", path } : undefined;
    if (specifier.startsWith("node:") || process.getBuiltinModule(specifier) !== undefined) {
      const exports = process.getBuiltinModule(specifier) as Record<string, unknown>;
      const name = path[0];
      const proven =
        name === undefined
          ? value === exports || types.isProxy(value) || isNamespaceLike(value)
          : value === exports[name] || (name === "default" && value === exports);
      return proven
        ? nodeModule(specifier, name === "default" ? [] : path, name === undefined && value !== exports)
        : undefined;
    }
    if (packageOf(specifier) === undefined) return undefined;
    const wrapped =
      path.length === 0 && typeof value === "object" && Object.hasOwn(value, "default") && isNamespaceLike(value);
    return this.packages.of(specifier, path, script, from.namespace || wrapped);
  }

  package(value: object, node: Node): Encoded {
    const isClass =
      node.kind === "module" && typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
    if (!isClass) return this.graph.leaf(value, node);
    const encoded = this.graph.leaf(value, node);
    // Its source may need what cannot be captured, and is not what travels.
    const { specifier, path, version } = node as ModuleNode;
    const classId = this.graph.classId(value as unknown as ClassConstructor, [version, specifier, ...path].join("\n"));
    if (classId !== undefined) this.graph.nodes[(encoded as readonly [number])[0]] = { ...node, classId };
    return encoded;
  }

  /** Only the members that are used. A partial copy belongs to the one function that uses it. */
  namespace(value: object, members: readonly string[], partial: boolean): Encoded {
    const build = (): Node => ({
      kind: "object",
      prototype: { is: null },
      own: members
        .filter((name) => name in value)
        .map((name) => [name, this.graph.at(name, () => this.#member(value, name)), 7] as const),
    });
    if (!partial) return this.graph.fill(value, build);
    const index = this.graph.nodes.push({ kind: "object" }) - 1;
    this.graph.nodes[index] = build();
    return [index];
  }

  #member(namespace: object, name: string): Encoded {
    const value = (namespace as Record<string, unknown>)[name];
    if (typeof value === "object" && value !== null && isNamespaceLike(value) && !this.graph.has(value)) {
      const own = nodeModuleOf(value);
      if (own !== undefined) return this.graph.leaf(value, nodeModule(own.specifier, own.path));
      return this.namespace(value, Object.keys(value), false);
    }
    return this.graph.encode(value);
  }
}

export function nodeModule(specifier: string, path: readonly string[], namespace = false): Node {
  return { kind: "module", specifier, path, file: "", version: "", namespace, bundle: "", from: "" };
}

/** A namespace, or an exports object as bundlers and test runners make them: of it only used members travel. */
function isNamespaceLike(value: object): boolean {
  if (types.isModuleNamespaceObject(value)) return true;
  if (types.isProxy(value)) return false;
  if ((value as Record<symbol, unknown>)[Symbol.toStringTag] === "Module" || Object.hasOwn(value, "__esModule"))
    return true;
  return (
    Object.hasOwn(value, "default") &&
    Object.entries(Object.getOwnPropertyDescriptors(value)).every(
      ([name, { get }]) => name === "default" || get !== undefined,
    )
  );
}
