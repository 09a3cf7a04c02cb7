// The fallback column: v8.serialize of all its values together, for whatever has no column of its own (Map, Set, RegExp,
// Error, sparse arrays, mixed types, ...). V8 keeps cycles and shared references but forgets prototypes and the properties of
// errors, so those go beside the values as patches: references into the same serialised graph, undone after reading.
//
// Refused with the place inside the record: functions, symbols, promises, weak collections and all else that lives in one
// process only (RECORD_NOT_ENCODABLE); instances of classes that did not travel (CLASS_NOT_TRAVELLING).

import { types } from "node:util";
import * as v8 from "node:v8";
import { MillraceError } from "../core/errors.js";
import type { ClassConstructor, ClassRegistry } from "./class-registry.js";
import { describeValue, objectKind } from "./value-kind.js";

/** What V8 did not keep of one object. */
interface Patch {
  readonly target: object;
  /** null: no prototype at all. A builtin's name after "=", else a travelling class's id. Absent: unchanged. */
  prototype?: string | null;
  /** Own properties that V8 drops: name, value, enumerable. */
  own?: (readonly [string, unknown, boolean])[];
}

type Payload = readonly [values: unknown[]] | readonly [values: unknown[], patches: readonly Patch[]];

export function encodeFallback(values: unknown[], classes: ClassRegistry): Buffer {
  const patches: Patch[] = [];
  try {
    const survey = new Survey(classes, patches);
    for (const value of values) survey.visit(value);
    const payload: Payload = patches.length === 0 ? [values] : [values, patches];
    return v8.serialize(payload);
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    const why = cause instanceof RangeError ? "it is nested too deeply" : String((cause as Error).message);
    throw new MillraceError("RECORD_NOT_ENCODABLE", `a record cannot be encoded: ${why}`, { cause });
  }
}

/**
 * Called with the error that ended an encoding: throws it again with the place inside the record where what it complains of
 * is, when it is one of a value (columns know only their own part of a record).
 */
export function throwWithPlace(error: unknown, records: Iterable<unknown>, classes: ClassRegistry): never {
  if (
    error instanceof MillraceError &&
    (error.code === "RECORD_NOT_ENCODABLE" || error.code === "CLASS_NOT_TRAVELLING")
  ) {
    const survey = new Survey(classes, []);
    for (const record of records) survey.visit(record);
  }
  throw error;
}

export function decodeFallback(bytes: Uint8Array, classes: ClassRegistry): unknown[] {
  let payload: Payload;
  try {
    const deserializer = new CopyingDeserializer(bytes);
    deserializer.readHeader();
    payload = deserializer.readValue() as Payload;
  } catch (cause) {
    throw new MillraceError("BLOCK_CORRUPT", `a column of ${bytes.length} serialised bytes cannot be read`, { cause });
  }
  for (const patch of payload[1] ?? []) applyPatch(patch, classes);
  return payload[0];
}

/** What @types/node leaves out of a documented class. */
const Deserializer = v8.DefaultDeserializer as unknown as new (
  bytes: Uint8Array,
) => { readHeader(): boolean; readValue(): unknown; _readHostObject(): ArrayBufferView };

/** Node's own gives typed arrays that are views into the bytes read: into a frame that others own, with its whole buffer. */
class CopyingDeserializer extends Deserializer {
  override _readHostObject(): ArrayBufferView {
    const view = super._readHostObject();
    if (Buffer.isBuffer(view)) return Buffer.from(view);
    const copy = new Uint8Array(view.byteLength);
    copy.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    if (view instanceof Uint8Array) return copy;
    return new (view.constructor as new (buffer: ArrayBuffer) => ArrayBufferView)(copy.buffer);
  }
}

/** The id of the class that `value` is an instance of; throws CLASS_NOT_TRAVELLING when it has none or cannot be rebuilt. */
export function classIdOf(value: object, classes: ClassRegistry, path = ""): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: unknown };
  const maker = prototype.constructor as ClassConstructor | undefined;
  const proper = typeof maker === "function" && maker.prototype === prototype;
  const id = proper ? classes.idOf(maker) : undefined;
  const name = proper ? maker.name : describeValue(value);
  if (!proper || id === undefined) {
    throw new MillraceError(
      "CLASS_NOT_TRAVELLING",
      `a record ${path === "" ? "is" : `holds at ${path}`} an instance of class ${name}, which did not travel with the plan`,
      { fields: { class: name, path } },
    );
  }
  if (hasPrivateFields(maker)) {
    throw new MillraceError(
      "CLASS_NOT_TRAVELLING",
      `instances of class ${name} cannot be records: its private # members cannot be read or restored; make them ordinary properties`,
      { fields: { class: name, path } },
    );
  }
  return id;
}

export function classById(id: string, classes: ClassRegistry): ClassConstructor {
  const maker = classes.byId(id);
  if (maker === undefined) {
    throw new MillraceError(
      "CLASS_NOT_TRAVELLING",
      `a record is an instance of class ${id}, which this process does not know`,
      {
        fields: { class: id },
      },
    );
  }
  return maker;
}

export function notEncodable(value: unknown, path: string): MillraceError {
  const what = describeValue(value);
  return new MillraceError(
    "RECORD_NOT_ENCODABLE",
    `a record ${path === "" ? "is" : `holds at ${path}`} ${what}, which lives in one process only`,
    {
      fields: { what, path },
    },
  );
}

/** Walks the graph once before it is serialised. */
class Survey {
  readonly #seen = new Set<object>();
  readonly #path: (string | number)[] = [];

  constructor(
    readonly classes: ClassRegistry,
    readonly patches: Patch[],
  ) {}

  visit(value: unknown): void {
    if (typeof value === "function" || typeof value === "symbol") throw notEncodable(value, this.#where());
    if (typeof value !== "object" || value === null || this.#seen.has(value)) return;
    this.#seen.add(value);
    switch (objectKind(value)) {
      case "plain":
        this.#fields(value);
        return;
      case "bare":
        this.patches.push({ target: value, prototype: null });
        this.#fields(value);
        return;
      case "array":
        this.#elements(value as unknown[]);
        return;
      case "instance":
        this.patches.push({ target: value, prototype: classIdOf(value, this.classes, this.#where()) });
        this.#fields(value);
        return;
      case "builtin":
        this.#builtin(value);
        return;
      default:
    }
  }

  #builtin(value: object): void {
    if (
      types.isPromise(value) ||
      types.isWeakMap(value) ||
      types.isWeakSet(value) ||
      types.isProxy(value) ||
      types.isGeneratorObject(value) ||
      types.isMapIterator(value) ||
      types.isSetIterator(value) ||
      types.isSharedArrayBuffer(value)
    ) {
      throw notEncodable(value, this.#where());
    }
    const patch: Patch = { target: value };
    const maker = (Object.getPrototypeOf(value) as object).constructor;
    const native = isNative(maker);
    if (!native) patch.prototype = classIdOf(value, this.classes, this.#where());
    if (types.isMap(value)) {
      let i = 0;
      for (const [key, member] of value) {
        this.#step(`key ${i}`, key);
        this.#step(typeof key === "string" ? `get(${JSON.stringify(key)})` : `value ${i}`, member);
        i++;
      }
    } else if (types.isSet(value)) {
      let i = 0;
      for (const member of value) this.#step(`member ${i++}`, member);
    } else if (Array.isArray(value)) {
      this.#elements(value);
    } else if (types.isNativeError(value)) {
      this.#error(value, patch, native);
    } else if (native && !isCloned(value)) {
      throw notEncodable(value, this.#where());
    }
    if (!native && !Array.isArray(value) && !types.isNativeError(value)) this.#ownProperties(value, patch);
    if (patch.prototype !== undefined || patch.own !== undefined) this.patches.push(patch);
  }

  /** V8 keeps message, stack and the six standard types. */
  #error(value: Error, patch: Patch, native: boolean): void {
    if (native && value.constructor.name === "AggregateError") patch.prototype = "=AggregateError";
    const own: (readonly [string, unknown, boolean])[] = [];
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (name === "stack" || (name === "message" && !descriptor.enumerable)) continue;
      const member = (value as unknown as Record<string, unknown>)[name];
      this.#step(name, member);
      own.push([name, member, descriptor.enumerable === true]);
    }
    if (own.length > 0) patch.own = own;
  }

  #ownProperties(value: object, patch: Patch): void {
    const own: (readonly [string, unknown, boolean])[] = [];
    if (!ArrayBuffer.isView(value)) {
      for (const [name, member] of Object.entries(value)) {
        this.#step(name, member);
        own.push([name, member, true]);
      }
    }
    if (own.length > 0) patch.own = own;
  }

  #fields(value: object): void {
    for (const name of Object.keys(value)) this.#step(name, (value as Record<string, unknown>)[name]);
  }

  #elements(value: readonly unknown[]): void {
    // forEach passes over holes, however large.
    value.forEach((member, i) => {
      if (typeof member === "object" || typeof member === "function" || typeof member === "symbol")
        this.#step(i, member);
    });
  }

  #step(name: string | number, value: unknown): void {
    this.#path.push(name);
    this.visit(value);
    this.#path.pop();
  }

  #where(): string {
    let text = "";
    for (const step of this.#path) {
      text += typeof step === "number" ? `[${step}]` : text === "" || step.startsWith("[") ? step : `.${step}`;
    }
    return text;
  }
}

function isCloned(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isArrayBufferView(value) ||
    types.isArrayBuffer(value) ||
    (types.isBoxedPrimitive(value) && !types.isSymbolObject(value))
  );
}

function applyPatch(patch: Patch, classes: ClassRegistry): void {
  const { target, prototype, own } = patch;
  if (prototype === null) {
    Object.setPrototypeOf(target, null);
  } else if (prototype !== undefined) {
    const maker = prototype.startsWith("=")
      ? ((globalThis as unknown as Record<string, ClassConstructor>)[prototype.slice(1)] as ClassConstructor)
      : classById(prototype, classes);
    Object.setPrototypeOf(target, maker.prototype as object);
  }
  for (const [name, value, enumerable] of own ?? []) {
    Object.defineProperty(target, name, { value, enumerable, writable: true, configurable: true });
  }
}

function isNative(maker: unknown): boolean {
  return typeof maker === "function" && Function.prototype.toString.call(maker).endsWith("{ [native code] }");
}

const privateFields = new WeakMap<object, boolean>();

/** Private members are in no property list, so an instance that has them cannot be rebuilt. Seen in the source that uses them. */
function hasPrivateFields(maker: ClassConstructor): boolean {
  let found = privateFields.get(maker);
  if (found === undefined) {
    found = false;
    for (let c: unknown = maker; typeof c === "function" && !isNative(c) && !found; c = Object.getPrototypeOf(c)) {
      found = /\bthis\s*\??\.\s*#[\w$]|\b__private(?:Get|Set|Add|Method)\(this\b/.test(
        Function.prototype.toString.call(c),
      );
    }
    privateFields.set(maker, found);
  }
  return found;
}
