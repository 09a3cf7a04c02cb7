// One walk over everything that a function reaches: the table of nodes that is made, which values have their place in it, and
// the path to the value at hand, for messages. How a kind of value is written is the encoders' business.

import type { ClassConstructor } from "../codec/class-registry.js";
import { MillraceError } from "../core/errors.js";
import type { Encoded, Node } from "./format.js";
import { sourcePlace } from "./positions.js";
import type { Place } from "./script-place.js";

export type AnyFunction = (...args: never[]) => unknown;

export interface GraphOptions {
  /** The public method that the function was given to, for messages. */
  readonly method: string;
  /** The reference that stands for one of millrace's own objects. */
  reference(value: object): unknown;
  /** The id under which a class travels; undefined where none is wanted. `origin` names what it is, if that is known. */
  classId(maker: ClassConstructor, origin?: string): string | undefined;
}

/** Called with values that have no node yet. */
export interface Encoders {
  function(fn: AnyFunction): Encoded;
  object(value: object): Encoded;
}

/** A function on the way to the value at hand. */
export interface Holder {
  readonly name: string;
  readonly place: Place;
}

export class Graph {
  readonly nodes: Node[] = [];
  /** Steps from the captured function to the value at hand. */
  readonly path: string[] = [];
  /** Innermost first. */
  readonly functions: Holder[] = [];
  readonly classId: GraphOptions["classId"];
  readonly #indices = new Map<unknown, number>();
  #encoders: Encoders | null = null;

  constructor(private readonly options: GraphOptions) {
    this.classId = options.classId;
  }

  /** Once, before the first value. */
  encodeBy(encoders: Encoders): void {
    this.#encoders = encoders;
  }

  encode(value: unknown): Encoded {
    if (typeof value === "symbol") return this.#symbol(value);
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return value as Encoded;
    const seen = this.#indices.get(value);
    if (seen !== undefined) return [seen];
    const reference = this.options.reference(value);
    if (reference !== undefined) return this.leaf(value, { kind: "reference", reference });
    const encoders = this.#encoders as Encoders;
    if (typeof value === "function") return encoders.function(value as AnyFunction);
    return encoders.object(value);
  }

  /** Whether a value has its place already. */
  has(value: unknown): boolean {
    return this.#indices.has(value);
  }

  /** The place of a value that has one. */
  indexOf(value: unknown): number {
    return this.#indices.get(value) as number;
  }

  leaf(value: unknown, node: Node): Encoded {
    const index = this.nodes.push(node) - 1;
    this.#indices.set(value, index);
    return [index];
  }

  /** Reserves the place first: what refers back to the value meanwhile finds its index. */
  fill(value: unknown, make: () => Node): Encoded {
    const index = this.nodes.push({ kind: "object" }) - 1;
    this.#indices.set(value, index);
    this.nodes[index] = make();
    return [index];
  }

  at<T>(step: string, run: () => T): T {
    this.path.push(step);
    const result = run();
    this.path.pop();
    return result;
  }

  #symbol(value: symbol): Encoded {
    const seen = this.#indices.get(value);
    if (seen !== undefined) return [seen];
    const key = Symbol.keyFor(value);
    if (key !== undefined) return this.leaf(value, { kind: "symbol", key, wellKnown: false });
    const name = value.description?.replace(/^Symbol\./, "") ?? "";
    if ((Symbol as unknown as Record<string, unknown>)[name] === value)
      return this.leaf(value, { kind: "symbol", key: name, wellKnown: true });
    throw this.failure(
      `the symbol ${String(value)}, which is another one in every process`,
      "make it by Symbol.for(name)",
    );
  }

  /** CAPTURE_FAILED that names the path to the value at hand, the function that uses it and its place. */
  failure(what: string, cure: string, cause?: unknown): MillraceError {
    const path = this.path.reduce(
      (text, step) => (text === "" || /^[.[]/.test(step) ? text + step : `${text}.${step}`),
      "",
    );
    const inner = this.functions[0] ?? { name: "", place: { url: "", line: 0, column: 0, offset: -1 } };
    const outer = this.functions.at(-1) ?? inner;
    const where = sourcePlace(inner.place.url, inner.place.line, inner.place.column);
    const at = where === "" ? "" : ` (${where})`;
    const message = `${path === "" ? "the function" : `the variable ${path}`} used by ${outer.name === "" ? "the function" : `\`${outer.name}\``}${at}, given to ${this.options.method}, is ${what}; it cannot travel to a worker. ${cure[0]?.toUpperCase()}${cure.slice(1)}.`;
    return new MillraceError("CAPTURE_FAILED", message, {
      fields: { variable: path, function: outer.name, method: this.options.method, place: where },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
