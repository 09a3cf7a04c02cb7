// Captured functions and classes: their source, the names that it uses with the values of the scopes around it, `this` of an
// arrow function, what stands on a constructor's prototype, own properties.

import { types } from "node:util";
import type { ClassConstructor } from "../codec/class-registry.js";
import { type Analysis, analyze, IMPORT_NAME, META_NAME } from "./analyze.js";
import { builtinPath, isStandardGlobal, nodeModuleOf } from "./builtins.js";
import type { AnyFunction, Graph } from "./capture-graph.js";
import { type ModuleEncoder, nodeModule } from "./capture-modules.js";
import type { ValueEncoder } from "./capture-values.js";
import type { Encoded, FunctionNode, Property, Shape } from "./format.js";
import { type Inspected, inspectFunction, type ScriptInfo } from "./inspect.js";
import { type Place, placeOf } from "./script-place.js";
import { SharedBindings } from "./shared-bindings.js";

/** Scopes counted from Global. Deeper a name of an import may be another variable. */
const TOP_DEPTH = 3;

export class FunctionEncoder {
  readonly #bindings: SharedBindings;

  constructor(
    private readonly graph: Graph,
    private readonly modules: ModuleEncoder,
    private readonly values: ValueEncoder,
  ) {
    this.#bindings = new SharedBindings(graph);
  }

  /** Once everything has been met: variables that several functions use, and one of them assigns, become shared. */
  finish(): void {
    this.#bindings.join();
  }

  encode(fn: AnyFunction): Encoded {
    const path = builtinPath(fn);
    if (path !== undefined) return this.graph.leaf(fn, { kind: "builtin", path });
    const own = nodeModuleOf(fn);
    if (own !== undefined) return this.graph.leaf(fn, nodeModule(own.specifier, own.path));
    const text = Function.prototype.toString.call(fn);
    if (types.isProxy(fn)) throw this.graph.failure("a Proxy of a function", "capture the function itself");
    if (text.endsWith("{ [native code] }")) {
      const bound = fn.name.startsWith("bound ");
      throw this.graph.failure(
        bound ? `a bound function (${fn.name.slice(6)})` : `the native function ${fn.name}`,
        bound ? "write an arrow function that calls it" : "call it by its global name inside the function",
      );
    }
    const inspected = inspectFunction(fn, needsScopes(text));
    const { script } = inspected;
    if (script?.url.startsWith("node:"))
      throw this.graph.failure(`${fn.name}, an internal function of Node`, "import it inside the function");
    const packaged = script === null ? undefined : this.modules.packages.ofFunction(fn, script);
    if (packaged !== undefined) return this.modules.package(fn, packaged);
    const place = placeOf(text, inspected);
    this.graph.functions.unshift({
      name: fn.name === "" ? text.slice(0, 30) : fn.name,
      place,
    });
    const encoded = this.graph.fill(fn, () => this.#functionNode(fn, text, inspected, place));
    this.graph.functions.shift();
    return encoded;
  }

  #functionNode(fn: AnyFunction, text: string, inspected: Inspected, place: Place): FunctionNode {
    let analysis: Analysis;
    try {
      analysis = analyze(text);
    } catch (cause) {
      throw this.graph.failure(
        `the function ${fn.name}, whose source cannot stand by itself (${(cause as Error).message})`,
        "use a plain function instead of a method that needs its class",
        cause,
      );
    }
    if (analysis.outerSuper)
      throw this.graph.failure(
        `${fn.name}, a method that uses super`,
        "call it inside an arrow function that captures the object",
      );
    const names: string[] = [];
    const values: Encoded[] = [];
    for (const free of analysis.free) {
      if (free.name === META_NAME || free.name === IMPORT_NAME) continue;
      const { script, scopes } = inspected;
      const found =
        lookUp(inspected, free.name) ??
        (free.name === analysis.heritage && !isStandardGlobal(free.name)
          ? { value: Object.getPrototypeOf(fn) as unknown, at: scopes.length }
          : null);
      if (found === null) continue;
      const node = this.graph.indexOf(fn);
      const around = scopes.slice(found.at);
      if (around.length > 0) this.#bindings.note({ node, free, analysis, script, scopes: around });
      names.push(free.name);
      values.push(
        this.graph.at(free.name, () =>
          this.modules.variable(free, found.value, isTop(around) ? script : null, place.url),
        ),
      );
    }
    if (analysis.free.some(({ name }) => name === "arguments")) {
      if (!names.includes("arguments"))
        throw this.graph.failure(
          "`arguments` of the function around it",
          "use rest parameters (...args) and capture them",
        );
      throw this.graph.failure("`arguments` of the function around it", "copy it to a variable first");
    }
    const self = analysis.outerThis ? this.#outerThis(inspected) : undefined;
    const maker = fn as unknown as ClassConstructor;
    const members = analysis.isClass ? undefined : this.#members(maker);
    const isConstructor = analysis.isClass || members !== undefined;
    const classId = isConstructor ? this.graph.classId(maker) : undefined;
    return {
      kind: "function",
      source: analysis.source,
      form: analysis.form,
      isClass: analysis.isClass,
      name: typeof fn.name === "string" ? fn.name : "",
      url: place.url,
      line: place.line,
      column: place.column,
      strict: isStrict(fn, analysis, inspected.script),
      names,
      values,
      ...(self === undefined ? {} : { self: self.value }),
      usesMeta: analysis.usesMeta,
      usesImport: analysis.usesImport,
      ...this.modules.importedPackages(analysis.imports, inspected.script),
      ...(members === undefined ? {} : { members }),
      ...(classId === undefined ? {} : { classId }),
      ...this.#functionShape(fn, text, analysis),
    };
  }

  #outerThis({ scopes }: Inspected): { value: Encoded } | undefined {
    for (const { object, description } of scopes) {
      if (description === "Global") break;
      if (Object.hasOwn(object, "this")) return { value: this.graph.at("this", () => this.graph.encode(object.this)) };
    }
    const outer = scopes.filter(({ description }) => !/^(?:Global|Script|Module)/.test(description));
    if (outer.length === 0) return undefined;
    this.graph.path.push("this");
    throw this.graph.failure(
      "`this` of the place where the arrow function stands",
      "copy what is needed of it to a variable before the call and use that",
    );
  }

  /** Of an old-style constructor: what stands on its prototype; undefined when that is as it was made. */
  #members(maker: ClassConstructor): Property[] | undefined {
    const prototype = Object.getOwnPropertyDescriptor(maker, "prototype")?.value as object | undefined;
    if (typeof prototype !== "object" || prototype === null || types.isGeneratorFunction(maker)) return undefined;
    const keys = Reflect.ownKeys(prototype).filter((key) => key !== "constructor");
    if (
      Object.getPrototypeOf(prototype) !== Object.prototype &&
      keys.length === 0 &&
      Object.getPrototypeOf(Object.getPrototypeOf(prototype) ?? {}) === null
    )
      return undefined;
    return keys.length === 0 && !this.graph.has(prototype)
      ? undefined
      : this.graph.at("prototype", () => this.values.properties(prototype, keys));
  }

  #functionShape(fn: AnyFunction, text: string, analysis: Analysis): Shape {
    const keys = Reflect.ownKeys(fn).filter((key) => {
      if (typeof key === "string" && /^(?:length|name|prototype|arguments|caller)$/.test(key)) return false;
      const found = Object.getOwnPropertyDescriptor(fn, key) as PropertyDescriptor;
      if (!analysis.isClass) return true;
      // Methods and accessors come with the class body, and so do static fields that hold functions written in it.
      if (found.enumerable !== true) return false;
      return !(typeof found.value === "function" && text.includes(Function.prototype.toString.call(found.value)));
    });
    return keys.length === 0 ? {} : { own: this.values.properties(fn, keys) };
  }
}

/** Not for a function that names nothing outside of it. What cannot be analysed fails later, with its place. */
function needsScopes(text: string): boolean {
  try {
    const { free, outerThis } = analyze(text);
    return outerThis || free.length > 0;
  } catch {
    return false;
  }
}

/** The variable's value in the nearest scope that has it, and which that is; null when it is a standard global, or nowhere. */
function lookUp({ scopes }: Inspected, name: string): { readonly value: unknown; readonly at: number } | null {
  for (let i = 0; i < scopes.length; i++) {
    const scope = scopes[i] as Inspected["scopes"][number];
    const global = scope.description === "Global";
    if (global && isStandardGlobal(name)) return null;
    if (global ? name in scope.object : Object.hasOwn(scope.object, name)) return { value: scope.object[name], at: i };
  }
  return null;
}

/** Where imports stand. Inside the variables of a prompt (shared-bindings.ts) nothing is imported. */
function isTop(around: Inspected["scopes"]): boolean {
  return around.length <= TOP_DEPTH && !around.slice(1).some(({ description }) => description === "With Block");
}

function isStrict(fn: object, analysis: Analysis, script: ScriptInfo | null): boolean {
  if (Object.hasOwn(fn, "caller")) return false;
  if (analysis.isClass || script === null || script.isModule) return true;
  // A loader's function may have many parameters before the directive.
  const head = Math.max(300, script.source.indexOf("\n"));
  return /["']use strict["']/.test(script.source.slice(0, head));
}
