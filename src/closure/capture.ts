// The driver's side: walks from a function through its captured variables and writes the closure format (format.ts). Values
// are copied with shared references and cycles kept; functions and classes go as source; what is a builtin's or a package's
// goes as a reference. What cannot travel is CAPTURE_FAILED with the path to it, never something else in its place.

import { createHash } from "node:crypto";
import { types } from "node:util";
import * as v8 from "node:v8";
import type { ClassConstructor, ClassRegistry } from "../codec/class-registry.js";
import { MillraceError } from "../core/errors.js";
import { blobHash } from "../core/ids.js";
import { type FunctionRef, functionsIn } from "../plan/function.js";
import { type Analysis, analyze, type FreeName } from "./analyze.js";
import { builtinPath, isStandardGlobal, nodeModuleOf } from "./builtins.js";
import type { Encoded, FunctionNode, ModuleNode, Node, Property, Shape } from "./format.js";
import { type Inspected, inspectFunction, type ScriptInfo } from "./inspect.js";
import { PackageReferences } from "./package-references.js";
import { sourcePlace } from "./positions.js";
import { bareSpecifier, importOf, packageOf } from "./script-imports.js";
import { type Place, placeOf } from "./script-place.js";

type AnyFunction = (...args: never[]) => unknown;

export interface CapturerOptions {
  /** The reference that stands for one of millrace's own objects; throws NESTED_RDD for what tasks cannot use. */
  reference(value: object): { readonly kind: string; readonly id: string | number } | undefined;
  /** Also make a bundle of every package that is referred to, for workers that do not have it. */
  readonly bundlePackages: boolean;
}

/** One a session: ids of classes are its own. */
export class Capturer {
  readonly #options: CapturerOptions;
  readonly #packages: PackageReferences;
  readonly #ids = new WeakMap<object, string>();
  readonly #byId = new Map<string, ClassConstructor>();
  /** Classes whose id is being found: their own graph carries no ids. */
  #naming = false;

  readonly classes: ClassRegistry = {
    idOf: (maker) => this.#ids.get(maker),
    byId: (id) => this.#byId.get(id),
  };

  constructor(options: CapturerOptions) {
    this.#options = options;
    this.#packages = new PackageReferences(options.bundlePackages);
  }

  /**
   * Loads and runs what the first capture in a process needs beyond later ones (about 80 ms): called while something else is
   * waited for, the first capture takes as long as the second.
   */
  static warmUp(): void {
    try {
      const made = new Function("kept", "return (x) => x + kept.size") as (kept: object) => AnyFunction;
      new Capturer({ reference: () => undefined, bundlePackages: false }).capture(made(new Map([[1, "a"]])), "warmUp");
    } catch {
      // Where code cannot be made at run time, or nothing captured, the first capture says so.
    }
  }

  /** Bundles of packages that captured functions refer to (bundlePackages), by content hash. */
  get bundles(): ReadonlyMap<string, Uint8Array> {
    return this.#packages.bundles;
  }

  /** Reads the variables that `fn` uses now. Throws CAPTURE_FAILED or NESTED_RDD. `method` is for the message. */
  capture(fn: AnyFunction, method: string): FunctionRef {
    const { bytes, classes } = this.#encode(fn, method);
    const name = fn.name !== "" ? fn.name : Function.prototype.toString.call(fn).slice(0, 40);
    const hash = blobHash(createHash("sha256").update(bytes).digest("hex"));
    return { hash, bytes, async: isAsync(fn), name, ...(classes.length === 0 ? {} : { classes }) };
  }

  #encode(fn: AnyFunction, method: string): { readonly bytes: Uint8Array; readonly classes: readonly string[] } {
    const walk = new Walk(
      this.#options,
      this.#packages,
      method,
      this.#naming ? () => undefined : (maker) => this.#idOf(maker, method),
    );
    try {
      walk.encode(fn);
      return { bytes: v8.serialize(walk.nodes), classes: [...new Set(walk.nodes.flatMap(classesOf))] };
    } catch (cause) {
      if (cause instanceof MillraceError) throw cause;
      const why =
        cause instanceof RangeError
          ? "a captured value is nested too deeply, or too large"
          : String((cause as Error).message);
      throw new MillraceError("CAPTURE_FAILED", `the function given to ${method} cannot be captured: ${why}`, {
        cause,
      });
    }
  }

  /** Derived from the class's own graph. A second class of equal content in this process gets a number behind it. */
  #idOf(maker: ClassConstructor, method: string): string {
    const known = this.#ids.get(maker);
    if (known !== undefined) return known;
    this.#naming = true;
    try {
      const content = createHash("sha256")
        .update(this.#encode(maker as unknown as AnyFunction, method).bytes)
        .digest("base64url")
        .slice(0, 22);
      let id = `${maker.name}@${content}`;
      for (let n = 2; this.#byId.has(id); n++) id = `${maker.name}@${content}#${n}`;
      this.#ids.set(maker, id);
      this.#byId.set(id, maker);
      return id;
    } finally {
      this.#naming = false;
    }
  }
}

/** Ids of the classes that reviving a node makes known. */
function classesOf(node: Node): readonly string[] {
  if (node.kind === "reference") return functionsIn(node.reference).flatMap((fn) => fn.classes ?? []);
  const id = node.kind === "function" || node.kind === "module" ? node.classId : undefined;
  return id === undefined ? [] : [id];
}

function isAsync(fn: object): boolean {
  return types.isAsyncFunction(fn) && !types.isGeneratorFunction(fn);
}

const objectPrototype = Object.prototype;
/** Scopes counted from Global: where imports stand. Deeper a name of an import may be another variable. */
const TOP_DEPTH = 3;
/** esbuild's and vitest's names for what import.meta, import() and require stand for. */
const IMPORT_NAMES = /^__vite_ssr_(?:dynamic_)?import__$/;
const META_NAMES = /^__vite_ssr_import_meta__$|^import_meta$/;

/** One walk over the graph of one function. */
class Walk {
  readonly nodes: Node[] = [];
  readonly #indices = new Map<unknown, number>();
  readonly #path: string[] = [];
  /** Innermost first: what is named in messages. */
  readonly #functions: { readonly name: string; readonly place: Place }[] = [];
  /** Names that some function assigns, or reads, by the script and scope they stand in. */
  readonly #bindings = new Map<string, { readers: number; writer: boolean }>();

  constructor(
    readonly options: CapturerOptions,
    readonly packages: PackageReferences,
    readonly method: string,
    readonly classId: (maker: ClassConstructor) => string | undefined,
  ) {}

  encode(value: unknown): Encoded {
    if (typeof value === "symbol") return this.#symbol(value);
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return value as Encoded;
    const seen = this.#indices.get(value);
    if (seen !== undefined) return [seen];
    const reference = this.options.reference(value);
    if (reference !== undefined) return this.#leaf(value, { kind: "reference", reference });
    if (typeof value === "function") return this.#function(value as AnyFunction);
    return this.#object(value);
  }

  #leaf(value: unknown, node: Node): Encoded {
    const index = this.nodes.push(node) - 1;
    this.#indices.set(value, index);
    return [index];
  }

  /** Reserves the place first: what refers back to the value meanwhile finds its index. */
  #fill(value: unknown, make: () => Node): Encoded {
    const index = this.nodes.push({ kind: "object" }) - 1;
    this.#indices.set(value, index);
    this.nodes[index] = make();
    return [index];
  }

  #at<T>(step: string, run: () => T): T {
    this.#path.push(step);
    const result = run();
    this.#path.pop();
    return result;
  }

  #symbol(value: symbol): Encoded {
    const seen = this.#indices.get(value);
    if (seen !== undefined) return [seen];
    const key = Symbol.keyFor(value);
    if (key !== undefined) return this.#leaf(value, { kind: "symbol", key, wellKnown: false });
    const name = value.description?.replace(/^Symbol\./, "") ?? "";
    if ((Symbol as unknown as Record<string, unknown>)[name] === value)
      return this.#leaf(value, { kind: "symbol", key: name, wellKnown: true });
    throw this.#failure(
      `the symbol ${String(value)}, which is another one in every process`,
      "make it by Symbol.for(name)",
    );
  }

  #function(fn: AnyFunction): Encoded {
    const path = builtinPath(fn);
    if (path !== undefined) return this.#leaf(fn, { kind: "builtin", path });
    const own = nodeModuleOf(fn);
    if (own !== undefined) return this.#leaf(fn, nodeModule(own.specifier, own.path));
    const text = Function.prototype.toString.call(fn);
    if (types.isProxy(fn)) throw this.#failure("a Proxy of a function", "capture the function itself");
    if (text.endsWith("{ [native code] }")) {
      const bound = fn.name.startsWith("bound ");
      throw this.#failure(
        bound ? `a bound function (${fn.name.slice(6)})` : `the native function ${fn.name}`,
        bound ? "write an arrow function that calls it" : "call it by its global name inside the function",
      );
    }
    const inspected = inspectFunction(fn, needsScopes(text));
    const { script } = inspected;
    if (script?.url.startsWith("node:"))
      throw this.#failure(`${fn.name}, an internal function of Node`, "import it inside the function");
    const packaged = script === null ? undefined : this.packages.ofFunction(fn, script);
    if (packaged !== undefined) return this.#package(fn, packaged);
    const place = placeOf(text, inspected);
    this.#functions.unshift({
      name: fn.name === "" ? text.slice(0, 30) : fn.name,
      place,
    });
    const encoded = this.#fill(fn, () => this.#functionNode(fn, text, inspected, place));
    this.#functions.shift();
    return encoded;
  }

  #functionNode(
    fn: AnyFunction,
    text: string,
    inspected: Inspected,
    place: { url: string; line: number; column: number },
  ): FunctionNode {
    let analysis: Analysis;
    try {
      analysis = analyze(text);
    } catch (cause) {
      throw this.#failure(
        `the function ${fn.name}, whose source cannot stand by itself (${(cause as Error).message})`,
        "use a plain function instead of a method that needs its class",
        cause,
      );
    }
    if (analysis.outerSuper)
      throw this.#failure(
        `${fn.name}, a method that uses super`,
        "call it inside an arrow function that captures the object",
      );
    const names: string[] = [];
    const values: Encoded[] = [];
    for (const free of analysis.free) {
      if (free.name === "__ml_meta__" || free.name === "__imp_") continue;
      const found =
        lookUp(inspected, free.name) ??
        (free.name === analysis.heritage && !isStandardGlobal(free.name)
          ? { value: Object.getPrototypeOf(fn) as unknown, depth: 0 }
          : null);
      if (found === null) continue;
      this.#noteBinding(free, inspected.script, found.depth);
      names.push(free.name);
      values.push(
        this.#at(free.name, () =>
          this.#variable(free, found.value, found.depth <= TOP_DEPTH ? inspected.script : null, place.url),
        ),
      );
    }
    if (analysis.free.some(({ name }) => name === "arguments")) {
      if (!names.includes("arguments"))
        throw this.#failure("`arguments` of the function around it", "use rest parameters (...args) and capture them");
      throw this.#failure("`arguments` of the function around it", "copy it to a variable first");
    }
    const self = analysis.outerThis ? this.#outerThis(inspected) : undefined;
    const maker = fn as unknown as ClassConstructor;
    const members = analysis.isClass ? undefined : this.#members(maker);
    const isConstructor = analysis.isClass || members !== undefined;
    const classId = isConstructor ? this.classId(maker) : undefined;
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
      ...this.#importedPackages(analysis.imports, inspected.script),
      ...(members === undefined ? {} : { members }),
      ...(classId === undefined ? {} : { classId }),
      ...this.#functionShape(fn, text, analysis),
    };
  }

  #importedPackages(specifiers: readonly string[], script: ScriptInfo | null): { imports?: readonly ModuleNode[] } {
    if (specifiers.length === 0 || script === null || !this.packages.bundle) return {};
    const imports = specifiers.flatMap((specifier) => this.packages.of(specifier, [], script, true) ?? []);
    return imports.length === 0 ? {} : { imports };
  }

  /** A captured name that one function assigns and another uses would fall apart into two variables. */
  #noteBinding(free: FreeName, script: ScriptInfo | null, depth: number): void {
    const key = `${script?.id} ${depth} ${free.name}`;
    const binding = this.#bindings.get(key) ?? { readers: 0, writer: false };
    binding.readers++;
    binding.writer ||= free.written;
    this.#bindings.set(key, binding);
    if (binding.writer && binding.readers > 1) {
      this.#path.push(free.name);
      throw this.#failure(
        "a variable that one captured function assigns and another one uses",
        "keep the value in an object (state.value = ...), which both then share",
      );
    }
  }

  #variable(free: FreeName, value: unknown, script: ScriptInfo | null, url: string): Encoded {
    if (typeof value === "function" && free.name === "require" && "resolve" in value && "main" in value)
      return this.#leaf(value, { kind: "require", url });
    if (typeof value === "function" && IMPORT_NAMES.test(free.name)) return this.#leaf(value, { kind: "import", url });
    if (META_NAMES.test(free.name)) return this.#leaf(value, { kind: "meta", url });
    if ((typeof value !== "object" && typeof value !== "function") || value === null || this.#indices.has(value))
      return this.encode(value);
    const from = script === null ? undefined : importOf(script, free.name);
    if (from !== undefined && script !== null) {
      const node = this.#imported(from, value, script);
      if (node !== undefined) return this.#package(value, node);
    }
    // vitest hands out CommonJS packages behind a Proxy.
    if (typeof value === "object" && (isNamespaceLike(value) || (from !== undefined && types.isProxy(value)))) {
      const members = free.members ?? Object.keys(value).filter((key) => key !== "__esModule");
      return this.#namespace(value, members, free.members !== null);
    }
    return this.encode(value);
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

  #package(value: object, node: Node): Encoded {
    const isClass =
      node.kind === "module" && typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
    if (!isClass) return this.#leaf(value, node);
    const encoded = this.#leaf(value, node);
    const classId = this.classId(value as unknown as ClassConstructor);
    if (classId !== undefined) this.nodes[(encoded as readonly [number])[0]] = { ...node, classId };
    return encoded;
  }

  /** Only the members that are used. A partial copy belongs to the one function that uses it. */
  #namespace(value: object, members: readonly string[], partial: boolean): Encoded {
    const build = (): Node => ({
      kind: "object",
      prototype: { is: null },
      own: members
        .filter((name) => name in value)
        .map((name) => [name, this.#at(name, () => this.#member(value, name)), 7] as const),
    });
    if (!partial) return this.#fill(value, build);
    const index = this.nodes.push({ kind: "object" }) - 1;
    this.nodes[index] = build();
    return [index];
  }

  #member(namespace: object, name: string): Encoded {
    const value = (namespace as Record<string, unknown>)[name];
    if (typeof value === "object" && value !== null && isNamespaceLike(value) && !this.#indices.has(value)) {
      const own = nodeModuleOf(value);
      if (own !== undefined) return this.#leaf(value, nodeModule(own.specifier, own.path));
      return this.#namespace(value, Object.keys(value), false);
    }
    return this.encode(value);
  }

  #outerThis({ scopes }: Inspected): { value: Encoded } | undefined {
    for (const { object, description } of scopes) {
      if (description === "Global") break;
      if (Object.hasOwn(object, "this")) return { value: this.#at("this", () => this.encode(object.this)) };
    }
    const outer = scopes.filter(({ description }) => !/^(?:Global|Script|Module)/.test(description));
    if (outer.length === 0) return undefined;
    this.#path.push("this");
    throw this.#failure(
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
      Object.getPrototypeOf(prototype) !== objectPrototype &&
      keys.length === 0 &&
      Object.getPrototypeOf(Object.getPrototypeOf(prototype) ?? {}) === null
    )
      return undefined;
    return keys.length === 0 && !this.#indices.has(prototype)
      ? undefined
      : this.#at("prototype", () => this.#properties(prototype, keys));
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
    return keys.length === 0 ? {} : { own: this.#properties(fn, keys) };
  }

  #object(value: object): Encoded {
    const path = builtinPath(value);
    if (path !== undefined) return this.#leaf(value, { kind: "builtin", path });
    const own = nodeModuleOf(value);
    if (own !== undefined) return this.#leaf(value, nodeModule(own.specifier, own.path));
    if (types.isModuleNamespaceObject(value)) return this.#namespace(value, Object.keys(value), false);
    const why = immovable(value);
    if (why !== null)
      throw this.#failure(why, "create it inside the function, or inside mapPartitions once a partition");
    return this.#fill(value, () => this.#objectNode(value));
  }

  #objectNode(value: object): Node {
    if (Array.isArray(value)) return this.#array(value);
    if (types.isDate(value))
      return { kind: "value", value: new Date(value.getTime()), ...this.#shape(value, Date.prototype) };
    if (types.isRegExp(value))
      return {
        kind: "regexp",
        source: value.source,
        flags: value.flags,
        lastIndex: value.lastIndex,
        ...this.#shape(value, RegExp.prototype, ["lastIndex"]),
      };
    if (types.isMap(value)) {
      let n = 0;
      const entries = [...Map.prototype.entries.call(value)].map(([key, one]) => {
        const step = typeof key === "string" ? `.get(${JSON.stringify(key)})` : `.value ${n}`;
        return [this.#at(`.key ${n++}`, () => this.encode(key)), this.#at(step, () => this.encode(one))] as const;
      });
      return { kind: "map", entries, ...this.#shape(value, Map.prototype) };
    }
    if (types.isSet(value)) {
      const members = [...Set.prototype.values.call(value)].map((one, i) =>
        this.#at(`.member ${i}`, () => this.encode(one)),
      );
      return { kind: "set", members, ...this.#shape(value, Set.prototype) };
    }
    if (types.isAnyArrayBuffer(value))
      return { kind: "value", value: (value as ArrayBuffer).slice(0), ...this.#shape(value, ArrayBuffer.prototype) };
    if (ArrayBuffer.isView(value)) return this.#view(value);
    if (types.isNativeError(value)) return this.#error(value);
    if (types.isBoxedPrimitive(value)) {
      const indices = typeof value.valueOf() === "string" ? ["length", ...Object.keys(String(value.valueOf()))] : [];
      return {
        kind: "boxed",
        value: this.encode(value.valueOf()),
        ...this.#shape(value, Object.getPrototypeOf(Object(value.valueOf())) as object, indices),
      };
    }
    return { kind: "object", ...this.#shape(value, objectPrototype) };
  }

  #array(value: unknown[]): Node {
    const keys = Reflect.ownKeys(value);
    const plain = keys.length === value.length + 1;
    const prototype = this.#shape(value, Array.prototype, keys);
    if (plain && value.every(isPlainPrimitive)) return { kind: "value", value: value.slice(), ...prototype };
    if (
      plain &&
      keys.every((key, i) => i === value.length || Object.getOwnPropertyDescriptor(value, key)?.get === undefined)
    ) {
      return {
        kind: "array",
        length: value.length,
        items: value.map((one, i) => this.#at(`[${i}]`, () => this.encode(one))),
        ...prototype,
      };
    }
    return { kind: "array", length: value.length, items: [], ...this.#shape(value, Array.prototype, ["length"]) };
  }

  #view(value: ArrayBufferView): Node {
    const { buffer, byteOffset, byteLength } = value;
    const tag = types.isDataView(value) ? "DataView" : (value as Uint8Array)[Symbol.toStringTag];
    const type = Buffer.isBuffer(value) ? "Buffer" : tag;
    // Small Buffers are slices of a pool that all of Node shares.
    const own =
      type === "Buffer" && buffer.byteLength !== byteLength
        ? (buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength)
        : buffer;
    const length = type === "DataView" ? byteLength : (value as Uint8Array).length;
    const known =
      type === "Buffer"
        ? Buffer.prototype
        : (globalThis as unknown as Record<string, { prototype: object }>)[tag]?.prototype;
    const indices = type === "DataView" ? [] : Reflect.ownKeys(value).slice(0, length);
    return {
      kind: "view",
      type,
      buffer: this.encode(own),
      offset: own === buffer ? byteOffset : 0,
      length,
      ...this.#shape(value, known ?? objectPrototype, indices),
    };
  }

  #error(value: Error): Node {
    const direct = (Object.getPrototypeOf(value) as Error).constructor as unknown as { name: string } | undefined;
    const native = direct !== undefined && builtinPath(direct) === direct.name ? direct.name : "Error";
    const known =
      (globalThis as unknown as Record<string, { prototype: object }>)[native]?.prototype ?? Error.prototype;
    return { kind: "error", type: native, ...this.#shape(value, known) };
  }

  /** Prototype, own properties and extensibility, where they differ from what a fresh one of the kind has. */
  #shape(value: object, usual: object, skip: readonly PropertyKey[] = []): Shape {
    const prototype = Object.getPrototypeOf(value) as object | null;
    const skipped = skip.length === 0 ? null : new Set(skip);
    const keys = Reflect.ownKeys(value).filter((key) => !skipped?.has(key));
    return {
      ...(prototype === usual || isForeign(prototype, usual) ? {} : { prototype: this.#prototype(prototype) }),
      ...(keys.length === 0 ? {} : { own: this.#properties(value, keys) }),
      ...(Object.isExtensible(value)
        ? {}
        : { extensible: Object.isFrozen(value) ? "frozen" : Object.isSealed(value) ? "sealed" : "fixed" }),
    };
  }

  #prototype(prototype: object | null): NonNullable<Shape["prototype"]> {
    if (prototype === null) return { is: null };
    const maker = (Object.getOwnPropertyDescriptor(prototype, "constructor")?.value ?? null) as AnyFunction | null;
    if (typeof maker !== "function" || maker.prototype !== prototype)
      return { is: this.#at("prototype", () => this.encode(prototype)) };
    for (let one: unknown = maker; typeof one === "function"; one = Object.getPrototypeOf(one)) {
      const text = Function.prototype.toString.call(one);
      if (text.startsWith("class") && hasPrivateFields(text)) {
        throw this.#failure(
          `an instance of class ${maker.name}, whose private # fields cannot be read`,
          "make them ordinary properties, or create the object inside the function",
        );
      }
    }
    const of = this.#at("constructor", () => this.encode(maker));
    // An old-style constructor with nothing on its prototype is a class all the same once it has instances.
    const node = this.nodes[(of as readonly [number])[0]] as Node;
    if (node.kind === "function" && node.classId === undefined) {
      const classId = this.classId(maker as unknown as ClassConstructor);
      if (classId !== undefined) this.nodes[(of as readonly [number])[0]] = { ...node, classId };
    }
    return { of };
  }

  #properties(value: object, keys: readonly PropertyKey[]): Property[] {
    return keys.map((key) => {
      const found = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
      const flags =
        (found.enumerable === true ? 1 : 0) | (found.writable === true ? 2 : 0) | (found.configurable === true ? 4 : 0);
      const name = this.encode(key);
      return this.#at(typeof key === "symbol" ? `[${String(key)}]` : String(key), (): Property => {
        if (found.get === undefined && found.set === undefined) return [name, this.encode(found.value), flags];
        return [name, this.encode(found.get), flags, this.encode(found.set)];
      });
    });
  }

  #failure(what: string, cure: string, cause?: unknown): MillraceError {
    const path = this.#path.reduce(
      (text, step) => (text === "" || /^[.[]/.test(step) ? text + step : `${text}.${step}`),
      "",
    );
    const inner = this.#functions[0] ?? { name: "", place: { url: "", line: 0, column: 0 } };
    const outer = this.#functions.at(-1) ?? inner;
    const where = sourcePlace(inner.place.url, inner.place.line, inner.place.column);
    const at = where === "" ? "" : ` (${where})`;
    const message = `${path === "" ? "the function" : `the variable ${path}`} used by ${outer.name === "" ? "the function" : `\`${outer.name}\``}${at}, given to ${this.method}, is ${what}; it cannot travel to a worker. ${cure[0]?.toUpperCase()}${cure.slice(1)}.`;
    return new MillraceError("CAPTURE_FAILED", message, {
      fields: { variable: path, function: outer.name, method: this.method, place: where },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function nodeModule(specifier: string, path: readonly string[], namespace = false): Node {
  return { kind: "module", specifier, path, file: "", version: "", namespace, bundle: "", from: "" };
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

/** The variable's value in the nearest scope that has it; null when it is a standard global, or nowhere. */
function lookUp({ scopes }: Inspected, name: string): { readonly value: unknown; readonly depth: number } | null {
  for (let i = 0; i < scopes.length; i++) {
    const scope = scopes[i] as Inspected["scopes"][number];
    const global = scope.description === "Global";
    if (global && isStandardGlobal(name)) return null;
    if (global ? name in scope.object : Object.hasOwn(scope.object, name))
      return { value: scope.object[name], depth: scopes.length - i };
  }
  return null;
}

function isStrict(fn: object, analysis: Analysis, script: ScriptInfo | null): boolean {
  if (Object.hasOwn(fn, "caller")) return false;
  return (
    analysis.isClass || script === null || script.isModule || /["']use strict["']/.test(script.source.slice(0, 300))
  );
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

function isPlainPrimitive(value: unknown): boolean {
  return typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol" ? true : value === null;
}

/** The same prototype of another realm. */
function isForeign(prototype: object | null, usual: object): boolean {
  if (prototype === null || prototype.constructor?.name !== usual.constructor.name) return false;
  return Function.prototype.toString.call(prototype.constructor).endsWith("{ [native code] }");
}

const privateClasses = new Map<string, boolean>();
function hasPrivateFields(text: string): boolean {
  let found = privateClasses.get(text);
  if (found === undefined) privateClasses.set(text, (found = analyze(text).privateFields));
  return found;
}

/** Why an object cannot leave its process, null if it can. */
function immovable(value: object): string | null {
  if (types.isProxy(value)) return "a Proxy";
  if (types.isPromise(value)) return "a Promise";
  if (types.isWeakMap(value) || types.isWeakSet(value) || value instanceof WeakRef) return "a weak collection";
  if (types.isGeneratorObject(value)) return "a running generator";
  if (types.isMapIterator(value) || types.isSetIterator(value)) return "a running iterator";
  if (types.isSharedArrayBuffer(value)) return "a SharedArrayBuffer";
  if (types.isExternal(value)) return "a native handle";
  if (types.isArgumentsObject(value)) return "an arguments object";
  if (types.isKeyObject(value) || types.isCryptoKey(value)) return "a cryptographic key";
  for (
    let one = Object.getPrototypeOf(value) as object | null;
    one !== null;
    one = Object.getPrototypeOf(one) as object | null
  ) {
    const maker = Object.getOwnPropertyDescriptor(one, "constructor")?.value as unknown;
    if (typeof maker !== "function" || one === objectPrototype || KNOWN.has(maker.name)) continue;
    if (builtinPath(maker) !== undefined || nodeModuleOf(maker) !== undefined)
      return `${/^[AEIOU]/.test(maker.name) ? "an" : "a"} ${maker.name}, which belongs to this process`;
  }
  return null;
}

/** Builtins whose instances are copied. */
const KNOWN = new Set(
  "Object Function Array Date RegExp Map Set ArrayBuffer DataView Buffer TypedArray Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array Uint8ClampedArray BigInt64Array BigUint64Array Float16Array Error EvalError RangeError ReferenceError SyntaxError TypeError URIError AggregateError Number String Boolean BigInt Symbol".split(
    " ",
  ),
);
