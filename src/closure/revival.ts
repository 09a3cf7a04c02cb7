// Makes live one graph of the closure format. What a function captures is made before it, so that captured names never change
// (compile.ts); on a circle the function comes first and is filled afterwards. No Proxy, no `with`.

import { createRequire } from "node:module";
import type { ClassConstructor } from "../codec/class-registry.js";
import { MillraceError } from "../core/errors.js";
import { IMPORT_NAME, META_NAME } from "./analyze.js";
import { builtinAt } from "./builtins.js";
import { type CapturedNames, compile, type Wrapped, type Wrapper } from "./compile.js";
import { componentsOf } from "./cycles.js";
import type { Encoded, FunctionNode, Node, Property, Shape } from "./format.js";
import { type Modules, metaOf, rootedImporterOf } from "./modules.js";
import { makeError, makeView, ownExport, packed } from "./revive-kinds.js";

export type AnyFunction = (...args: never[]) => unknown;

export interface KnownClasses {
  get(id: string): ClassConstructor | undefined;
  add(id: string, maker: ClassConstructor): void;
}

/** In the place of a value that is not there yet. */
const UNMADE = Symbol("unmade");

export class Revival {
  readonly #live: unknown[];
  /** Classes that are being made: who needs one of them is served when it is there. */
  readonly #waiting = new Map<number, ((value: unknown) => void)[]>();
  #components: Int32Array | null = null;

  constructor(
    readonly nodes: readonly Node[],
    readonly dereference: (reference: unknown) => unknown,
    readonly modules: Modules,
    readonly wrappers: Map<string, Wrapper>,
    readonly known: KnownClasses,
  ) {
    this.#live = nodes.map(() => UNMADE);
  }

  root(): unknown {
    let result: unknown;
    this.#give([0], (value) => {
      result = value;
    });
    return result;
  }

  /** Gives the value to `use`, now or when the class that it is has been made. */
  #give(encoded: Encoded, use: (value: unknown) => void): void {
    if (!Array.isArray(encoded)) {
      use(encoded);
      return;
    }
    const index = encoded[0] as number;
    const waiting = this.#waiting.get(index);
    if (waiting !== undefined) waiting.push(use);
    else use(this.#live[index] === UNMADE ? this.#make(index) : this.#live[index]);
  }

  /** For what cannot be a class that is still being made. */
  #now(encoded: Encoded): unknown {
    let result: unknown;
    this.#give(encoded, (value) => {
      result = value;
    });
    return result;
  }

  #make(index: number): unknown {
    const node = this.nodes[index] as Node;
    const keep = <T>(value: T): T => this.#keep(index, value);
    switch (node.kind) {
      case "function":
        return this.#function(node, index);
      case "module": {
        const value = keep(this.modules.value(node));
        if (value === undefined)
          throw new MillraceError("MODULE_NOT_FOUND", `${node.specifier} has no export ${node.path.join(".")}`);
        if (node.classId !== undefined) this.known.add(node.classId, value as ClassConstructor);
        return value;
      }
      case "builtin": {
        const value = builtinAt(node.path);
        if (value === undefined)
          throw new MillraceError(
            "MODULE_NOT_FOUND",
            `this version of Node has no ${node.path}, which a captured function uses`,
          );
        return keep(value);
      }
      case "symbol":
        return keep(node.wellKnown ? (Symbol as unknown as Record<string, unknown>)[node.key] : Symbol.for(node.key));
      case "reference":
        return keep(this.dereference(node.reference));
      case "require":
        return keep(createRequire(node.url));
      case "import":
        return keep(rootedImporterOf(node.url));
      case "meta":
        return keep(metaOf(node.url));
      case "millrace":
        return keep(ownExport(node.path));
      case "value":
        return this.#shaped(keep(Array.isArray(node.value) ? packed(node.value) : (node.value as object)), node);
      case "object":
        return this.#shaped(keep({}), node);
      case "regexp": {
        const made = keep(new RegExp(node.source, node.flags));
        made.lastIndex = node.lastIndex;
        return this.#shaped(made, node);
      }
      case "boxed":
        return this.#shaped(keep(Object(this.#now(node.value)) as object), node);
      case "error": {
        const made = keep(makeError(node.type));
        return this.#shaped(made, node);
      }
      case "view":
        return this.#shaped(
          keep(makeView(node.type, this.#now(node.buffer) as ArrayBuffer, node.offset, node.length)),
          node,
        );
      case "array": {
        const made = keep<unknown[]>([]);
        node.items.forEach((item, i) => {
          this.#give(item, (value) => {
            made[i] = value;
          });
        });
        made.length = node.length;
        return this.#shaped(made, node);
      }
      case "map": {
        const made = keep(new Map<unknown, unknown>());
        const rows = node.entries.map(() => [undefined, undefined] as [unknown, unknown]);
        // Order is kept though a class may come late: all are put in when the last one is there.
        let open = rows.length * 2;
        const close = () => {
          if (--open === 0) for (const [key, value] of rows) made.set(key, value);
        };
        node.entries.forEach(([key, value], i) => {
          const row = rows[i] as [unknown, unknown];
          this.#give(key, (live) => {
            row[0] = live;
            close();
          });
          this.#give(value, (live) => {
            row[1] = live;
            close();
          });
        });
        return this.#shaped(made, node);
      }
      case "set": {
        const made = keep(new Set<unknown>());
        const rows: unknown[] = new Array(node.members.length);
        let open = rows.length;
        for (const [i, member] of node.members.entries()) {
          this.#give(member, (live) => {
            rows[i] = live;
            if (--open === 0) for (const one of rows) made.add(one);
          });
        }
        return this.#shaped(made, node);
      }
      default:
        return node satisfies never;
    }
  }

  #shaped<T extends object>(target: T, shape: Shape): T {
    const { prototype } = shape;
    if (prototype !== undefined) {
      if ("is" in prototype)
        this.#give(prototype.is, (value) => void Object.setPrototypeOf(target, value as object | null));
      else
        this.#give(
          prototype.of,
          (maker) => void Object.setPrototypeOf(target, (maker as ClassConstructor).prototype as object),
        );
    }
    this.#define(target, shape.own);
    if (shape.extensible === "frozen") Object.freeze(target);
    else if (shape.extensible === "sealed") Object.seal(target);
    else if (shape.extensible === "fixed") Object.preventExtensions(target);
    return target;
  }

  #define(target: object, properties: readonly Property[] | undefined): void {
    for (const property of properties ?? []) {
      const [key, first, flags] = property;
      const name = (Array.isArray(key) ? this.#now(key as Encoded) : key) as PropertyKey;
      const common = { enumerable: (flags & 1) !== 0, configurable: (flags & 4) !== 0 };
      if (property.length === 4) {
        const get = this.#now(first) as () => unknown;
        const set = this.#now(property[3]) as (value: unknown) => void;
        Object.defineProperty(target, name, { get, set, ...common });
        continue;
      }
      if (Array.isArray(first) && this.#waiting.has(first[0] as number)) {
        // Holds the property's place in the order.
        Object.defineProperty(target, name, {
          value: undefined,
          writable: true,
          enumerable: common.enumerable,
          configurable: true,
        });
      }
      this.#give(
        first,
        (value) => void Object.defineProperty(target, name, { value, writable: (flags & 2) !== 0, ...common }),
      );
    }
  }

  #function(node: FunctionNode, index: number): unknown {
    const existing = node.classId === undefined ? undefined : this.known.get(node.classId);
    if (existing !== undefined) return this.#keep(index, existing);
    const names: CapturedNames & { early: string[]; late: string[]; own: string } = { early: [], late: [], own: "" };
    const early: unknown[] = [];
    const late: Encoded[] = [];
    for (const [i, value] of node.values.entries()) {
      const name = node.names[i] as string;
      const target = Array.isArray(value) ? (value[0] as number) : null;
      if (target === index && names.own === "" && node.form === "expression") names.own = name;
      else if (target !== null && this.#onCircle(target, index)) {
        names.late.push(name);
        late.push(value);
      } else {
        names.early.push(name);
        early.push(this.#now(value));
      }
    }
    if (node.usesMeta) early[names.early.push(META_NAME) - 1] = metaOf(node.url);
    if (node.usesImport) early[names.early.push(IMPORT_NAME) - 1] = this.modules.importer(node.url, node.imports ?? []);
    const self = node.self === undefined ? undefined : this.#now(node.self);
    // What was captured may have led here: then the function is there now.
    const made = this.#live[index];
    if (made !== UNMADE) return made;
    return this.#assemble(node, index, this.#wrapper(node, names).apply(self, early), late);
  }

  #assemble(node: FunctionNode, index: number, { make, set }: Wrapped, late: readonly Encoded[]): unknown {
    const fill = () => {
      for (const [i, value] of late.entries()) this.#give(value, (live) => set[i]?.(live));
    };
    let made: AnyFunction;
    if (node.isClass) {
      // Its heritage and static parts run now and need what they use.
      this.#waiting.set(index, []);
      fill();
      made = this.#compiled(make, node);
    } else {
      made = this.#compiled(make, node);
      this.#live[index] = made;
      fill();
    }
    if (made.name !== node.name) Object.defineProperty(made, "name", { value: node.name, configurable: true });
    this.#live[index] = made;
    if (node.classId !== undefined) this.known.add(node.classId, made as unknown as ClassConstructor);
    const waiting = this.#waiting.get(index) ?? [];
    this.#waiting.delete(index);
    for (const use of waiting) use(made);
    if (node.members !== undefined)
      this.#define((made as unknown as ClassConstructor).prototype as object, node.members);
    return this.#shaped(made, node);
  }

  /** Whether what a function captures leads back to it. */
  #onCircle(target: number, index: number): boolean {
    this.#components ??= componentsOf(this.nodes);
    return this.#components[target] === this.#components[index];
  }

  #keep<T>(index: number, value: T): T {
    this.#live[index] = value;
    return value;
  }

  #compiled(make: () => unknown, node: FunctionNode): AnyFunction {
    const made = make();
    if (node.form === "expression") return made as AnyFunction;
    const [key] = Reflect.ownKeys(made as object);
    const found = Object.getOwnPropertyDescriptor(made, key as PropertyKey) as PropertyDescriptor;
    return (node.form === "method" ? found.value : node.form === "getter" ? found.get : found.set) as AnyFunction;
  }

  #wrapper(node: FunctionNode, names: CapturedNames): Wrapper {
    const { early, late, own } = names;
    const place = `${node.url}:${node.line}:${node.column}:${node.form}:${node.strict}`;
    const key = `${place}:${early.join()}:${late.join()}:${own}:${node.source}`;
    let wrapper = this.wrappers.get(key);
    if (wrapper === undefined) {
      wrapper = compile(node, names);
      this.wrappers.set(key, wrapper);
    }
    return wrapper;
  }
}
