// Which kind of object a value is, for keys and for columns alike. By prototype first, because that is one load; values of
// another realm (vm contexts, Jest) have prototypes of their own and are told by their internal slots.

import { types } from "node:util";

export type ObjectKind =
  /** Object.prototype. */
  | "plain"
  /** Object.create(null). */
  | "bare"
  | "array"
  | "date"
  /** Uint8Array itself. */
  | "bytes"
  | "buffer"
  /** Any other typed array, itself and not a subclass. */
  | "typed"
  /** An object of a user's class that extends no builtin. */
  | "instance"
  /** Map, Set, RegExp, Error, boxed primitives, ... and subclasses of any builtin. */
  | "builtin";

const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;
const datePrototype = Date.prototype;
const bytesPrototype = Uint8Array.prototype;
const bufferPrototype = Buffer.prototype;

export function objectKind(value: object): ObjectKind {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === objectPrototype) return "plain";
  if (prototype === arrayPrototype) return Array.isArray(value) ? "array" : "instance";
  if (prototype === null) return hasSlots(value) ? "builtin" : "bare";
  if (prototype === datePrototype) return types.isDate(value) ? "date" : "instance";
  if (prototype === bytesPrototype) return "bytes";
  if (prototype === bufferPrototype) return "buffer";
  return otherKind(value, prototype);
}

function otherKind(value: object, prototype: object): ObjectKind {
  // Array.prototype of any realm is itself an array; the prototype of a subclass is not.
  if (Array.isArray(value)) return Array.isArray(prototype) ? "array" : "builtin";
  if (types.isProxy(value)) return "builtin";
  const direct = isNative(prototype.constructor);
  if (types.isDate(value)) return direct ? "date" : "builtin";
  if (types.isTypedArray(value)) {
    if (!direct) return "builtin";
    return value[Symbol.toStringTag] === "Uint8Array" ? "bytes" : "typed";
  }
  if (isForeignObjectPrototype(prototype)) return hasSlots(value) ? "builtin" : "plain";
  return hasSlots(value) || isNative(prototype.constructor) ? "builtin" : "instance";
}

/** Has internal slots, so that its properties are not all of it. */
function hasSlots(value: object): boolean {
  return (
    types.isProxy(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isNativeError(value) ||
    types.isPromise(value) ||
    types.isBoxedPrimitive(value) ||
    types.isArrayBufferView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isGeneratorObject(value) ||
    types.isMapIterator(value) ||
    types.isSetIterator(value) ||
    types.isExternal(value)
  );
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

function isNative(maker: unknown): boolean {
  return typeof maker === "function" && Function.prototype.toString.call(maker).endsWith("{ [native code] }");
}

/** The class of an instance: that of its prototype, whatever a property of the instance is called. */
export function classOf(instance: object): { readonly name: string } {
  return (Object.getPrototypeOf(instance) as object).constructor;
}

/** `an instance of Foo`, `a Map`, `a function f`: for messages. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string")
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === "function") return `a function${value.name === "" ? "" : ` ${value.name}`}`;
  if (typeof value === "bigint") return `the bigint ${value}n`;
  if (typeof value === "symbol") return String(value);
  if (typeof value !== "object")
    return value === undefined ? "undefined" : `the ${typeof value} ${Object.is(value, -0) ? "-0" : value}`;
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  const name = (Object.getPrototypeOf(value) as object | null)?.constructor?.name ?? "";
  if (name === "" || name === "Object") {
    const keys = Object.keys(value);
    return `an object with ${keys.length === 0 ? "no properties" : keys.slice(0, 5).join(", ") + (keys.length > 5 ? ", …" : "")}`;
  }
  return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
}
