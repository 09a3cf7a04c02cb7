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
import { FunctionEncoder } from "./capture-functions.js";
import { type AnyFunction, Graph } from "./capture-graph.js";
import { ModuleEncoder } from "./capture-modules.js";
import { ValueEncoder } from "./capture-values.js";
import type { Node } from "./format.js";
import { PackageReferences } from "./package-references.js";

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
    const naming = this.#naming;
    const graph = new Graph({
      method,
      reference: (value) => this.#options.reference(value),
      classId: (maker, origin) => (naming ? undefined : this.#idOf(maker, method, origin)),
    });
    try {
      const modules = new ModuleEncoder(graph, this.#packages);
      const values = new ValueEncoder(graph, modules);
      const functions = new FunctionEncoder(graph, modules, values);
      graph.encodeBy({ function: (one) => functions.encode(one), object: (one) => values.encode(one) });
      graph.encode(fn);
      functions.finish();
      return { bytes: v8.serialize(graph.nodes), classes: [...new Set(graph.nodes.flatMap(classesOf))] };
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

  /** Derived from the class's own graph, or from where it is exported. A second class of equal content in this process gets a number behind it. */
  #idOf(maker: ClassConstructor, method: string, origin: string | undefined): string {
    const known = this.#ids.get(maker);
    if (known !== undefined) return known;
    this.#naming = true;
    try {
      const content = createHash("sha256")
        .update(origin ?? this.#encode(maker as unknown as AnyFunction, method).bytes)
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
