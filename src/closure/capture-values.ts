// Captured values that are no functions: copied by kind with prototype, property flags, shared references and cycles. What
// belongs to this process alone is refused.

import { types } from "node:util";
import type { ClassConstructor } from "../codec/class-registry.js";
import { analyze } from "./analyze.js";
import { builtinPath, nodeModuleOf } from "./builtins.js";
import type { AnyFunction, Graph } from "./capture-graph.js";
import { type ModuleEncoder, nodeModule } from "./capture-modules.js";
import type { Encoded, Node, Property, Shape } from "./format.js";

const objectPrototype = Object.prototype;

export class ValueEncoder {
  constructor(
    private readonly graph: Graph,
    private readonly modules: ModuleEncoder,
  ) {}

  encode(value: object): Encoded {
    const path = builtinPath(value);
    if (path !== undefined) return this.graph.leaf(value, { kind: "builtin", path });
    const own = nodeModuleOf(value);
    if (own !== undefined) return this.graph.leaf(value, nodeModule(own.specifier, own.path));
    if (types.isModuleNamespaceObject(value)) return this.modules.namespace(value, Object.keys(value), false);
    const why = immovable(value);
    if (why !== null)
      throw this.graph.failure(why, "create it inside the function, or inside mapPartitions once a partition");
    return this.graph.fill(value, () => this.#objectNode(value));
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
        return [
          this.graph.at(`.key ${n++}`, () => this.graph.encode(key)),
          this.graph.at(step, () => this.graph.encode(one)),
        ] as const;
      });
      return { kind: "map", entries, ...this.#shape(value, Map.prototype) };
    }
    if (types.isSet(value)) {
      const members = [...Set.prototype.values.call(value)].map((one, i) =>
        this.graph.at(`.member ${i}`, () => this.graph.encode(one)),
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
        value: this.graph.encode(value.valueOf()),
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
        items: value.map((one, i) => this.graph.at(`[${i}]`, () => this.graph.encode(one))),
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
      buffer: this.graph.encode(own),
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
      ...(keys.length === 0 ? {} : { own: this.properties(value, keys) }),
      ...(Object.isExtensible(value)
        ? {}
        : { extensible: Object.isFrozen(value) ? "frozen" : Object.isSealed(value) ? "sealed" : "fixed" }),
    };
  }

  #prototype(prototype: object | null): NonNullable<Shape["prototype"]> {
    if (prototype === null) return { is: null };
    const maker = (Object.getOwnPropertyDescriptor(prototype, "constructor")?.value ?? null) as AnyFunction | null;
    if (typeof maker !== "function" || maker.prototype !== prototype)
      return { is: this.graph.at("prototype", () => this.graph.encode(prototype)) };
    for (let one: unknown = maker; typeof one === "function"; one = Object.getPrototypeOf(one)) {
      const text = Function.prototype.toString.call(one);
      if (text.startsWith("class") && analyze(text).privateFields) {
        throw this.graph.failure(
          `an instance of class ${maker.name}, whose private # fields cannot be read`,
          "make them ordinary properties, or create the object inside the function",
        );
      }
    }
    const of = this.graph.at("constructor", () => this.graph.encode(maker));
    // An old-style constructor with nothing on its prototype is a class all the same once it has instances.
    const node = this.graph.nodes[(of as readonly [number])[0]] as Node;
    if (node.kind === "function" && node.classId === undefined) {
      const classId = this.graph.classId(maker as unknown as ClassConstructor);
      if (classId !== undefined) this.graph.nodes[(of as readonly [number])[0]] = { ...node, classId };
    }
    return { of };
  }

  properties(value: object, keys: readonly PropertyKey[]): Property[] {
    return keys.map((key) => {
      const found = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
      const flags =
        (found.enumerable === true ? 1 : 0) | (found.writable === true ? 2 : 0) | (found.configurable === true ? 4 : 0);
      const name = this.graph.encode(key);
      return this.graph.at(typeof key === "symbol" ? `[${String(key)}]` : String(key), (): Property => {
        if (found.get === undefined && found.set === undefined) return [name, this.graph.encode(found.value), flags];
        return [name, this.graph.encode(found.get), flags, this.graph.encode(found.set)];
      });
    });
  }
}

function isPlainPrimitive(value: unknown): boolean {
  return typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol" ? true : value === null;
}

/** The same prototype of another realm. */
function isForeign(prototype: object | null, usual: object): boolean {
  if (prototype === null || prototype.constructor?.name !== usual.constructor.name) return false;
  return Function.prototype.toString.call(prototype.constructor).endsWith("{ [native code] }");
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
