// The slot's side: functions by their hash, classes by their id, compiled sources; what a graph becomes is revival.ts's business.

import * as v8 from "node:v8";
import type { ClassConstructor, ClassRegistry } from "../codec/class-registry.js";
import { functionsIn } from "../plan/function.js";
import type { Wrapper } from "./compile.js";
import type { Node } from "./format.js";
import { type ModuleOptions, Modules } from "./modules.js";
import { type AnyFunction, Revival } from "./revival.js";

export interface ReviverOptions extends ModuleOptions {
  /** The live object of a reference that the driver's `reference` gave. */
  dereference(reference: unknown): unknown;
}

/** One a slot and session: functions are revived once per hash, classes once per content. */
export class Reviver {
  readonly #options: ReviverOptions;
  readonly #modules: Modules;
  readonly #functions = new Map<string, AnyFunction>();
  readonly #decoded = new Map<string, Node[]>();
  readonly #byId = new Map<string, ClassConstructor>();
  readonly #ids = new WeakMap<object, string>();
  /** Compiled wrappers by source and place: a class that several functions capture is compiled once. */
  readonly #wrappers = new Map<string, Wrapper>();

  readonly classes: ClassRegistry = {
    idOf: (maker) => this.#ids.get(maker),
    byId: (id) => this.#byId.get(id),
  };

  constructor(options: ReviverOptions) {
    this.#options = options;
    this.#modules = new Modules(options);
  }

  /** Imports what `revive` cannot load synchronously. Nothing to await in most cases. */
  prepare(ref: { readonly hash: string; readonly bytes: Uint8Array }): Promise<void> | void {
    if (this.#functions.has(ref.hash)) return;
    const imports: Promise<void>[] = [];
    for (const node of this.#nodes(ref)) {
      if (node.kind === "module") {
        const loading = this.#modules.prepare(node);
        if (loading !== null) imports.push(loading);
      } else if (node.kind === "reference") {
        for (const inner of functionsIn(node.reference)) {
          const loading = this.prepare(inner);
          if (loading !== undefined) imports.push(loading);
        }
      }
    }
    if (imports.length > 0) return Promise.all(imports).then(() => undefined);
  }

  /** The live function; the same one for the same hash. Throws MODULE_NOT_FOUND. */
  revive(ref: { readonly hash: string; readonly bytes: Uint8Array }): AnyFunction {
    let live = this.#functions.get(ref.hash);
    if (live === undefined) {
      live = new Revival(
        this.#nodes(ref),
        (reference) => this.#options.dereference(reference),
        this.#modules,
        this.#wrappers,
        this.#known,
      ).root() as AnyFunction;
      this.#functions.set(ref.hash, live);
      this.#decoded.delete(ref.hash);
      dropOldest(this.#functions);
      dropOldest(this.#wrappers);
    }
    return live;
  }

  #nodes(ref: { readonly hash: string; readonly bytes: Uint8Array }): Node[] {
    let nodes = this.#decoded.get(ref.hash);
    if (nodes === undefined) {
      nodes = v8.deserialize(ref.bytes) as Node[];
      this.#decoded.set(ref.hash, nodes);
    }
    return nodes;
  }

  readonly #known = {
    get: (id: string) => this.#byId.get(id),
    add: (id: string, maker: ClassConstructor) => {
      this.#byId.set(id, maker);
      this.#ids.set(maker, id);
    },
  };
}

/** A long session's slot forgets what it has not made lately; what is asked for again is made again. */
const KEPT = 2_000;

function dropOldest(kept: Map<string, unknown>): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) return;
    kept.delete(oldest);
  }
}
