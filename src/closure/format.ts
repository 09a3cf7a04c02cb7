// The closure format: what FunctionRef.bytes holds. One function (or class) with everything that it reaches, as a table of
// nodes in order of first meeting, serialised by V8. A value is a primitive as itself, or [index of its node]; no value is
// ever an array of another meaning. Both sides are always of one version, so the format carries no version of its own.

/** A primitive, or the index of a node in brackets. */
export type Encoded = string | number | bigint | boolean | null | undefined | readonly [number];

/** Own property: key, value, and flags: 1 enumerable, 2 writable, 4 configurable. */
export type DataProperty = readonly [key: Encoded, value: Encoded, flags: number];
/** Getter and setter, undefined where there is none. */
export type AccessorProperty = readonly [key: Encoded, get: Encoded, flags: number, set: Encoded];
export type Property = DataProperty | AccessorProperty;

/** `constructor's prototype`, a prototype object itself, or null for none. Absent: the builtin's own. */
export type PrototypeRef = { readonly of: Encoded } | { readonly is: Encoded };

export interface Shape {
  readonly prototype?: PrototypeRef;
  readonly own?: readonly Property[];
  readonly extensible?: "frozen" | "sealed" | "fixed";
}

export interface FunctionNode extends Shape {
  readonly kind: "function";
  readonly source: string;
  /** How the source stands by itself: as an expression, or as a member of an object literal. */
  readonly form: "expression" | "method" | "getter" | "setter";
  /** Travelling id when it is a class or a constructor function with instances. */
  readonly classId?: string;
  /** Created only when its captured values are there, because its body runs at creation. */
  readonly isClass: boolean;
  readonly name: string;
  /** Of the script that the driver runs; positions from 0. */
  readonly url: string;
  readonly line: number;
  readonly column: number;
  readonly strict: boolean;
  readonly names: readonly string[];
  readonly values: readonly Encoded[];
  readonly self?: Encoded;
  readonly usesMeta: boolean;
  readonly usesImport: boolean;
  /** Packages that `import()` names, where bundles of packages travel. */
  readonly imports?: readonly ModuleNode[];
  /** Properties of the function's `prototype` beyond constructor. */
  readonly members?: readonly Property[];
}

/** Something of a package: `path` leads from the module's exports to the value; empty means the exports themselves. */
export interface ModuleNode {
  readonly kind: "module";
  readonly specifier: string;
  readonly path: readonly string[];
  /** Absolute file on the driver's machine, "" for Node's own modules. */
  readonly file: string;
  /** name@version of the package, "" for Node's own modules. */
  readonly version: string;
  /** An ES module: read as a namespace. Else module.exports, where `default` stands for itself. */
  readonly namespace: boolean;
  readonly classId?: string;
  /** Content hash of an esbuild bundle (CommonJS) of the module, "" without one. */
  readonly bundle: string;
  /** URL or path of the script that imports it: modules are looked for from there first. */
  readonly from: string;
}

export type Node =
  | ({ readonly kind: "object" } & Shape)
  | ({
      readonly kind: "array";
      readonly length: number;
      readonly items: readonly Encoded[];
      readonly holes?: boolean;
    } & Shape)
  /** What V8 serialises whole: Date, ArrayBuffer, arrays of primitives. */
  | ({ readonly kind: "value"; readonly value: unknown } & Shape)
  | ({ readonly kind: "regexp"; readonly source: string; readonly flags: string; readonly lastIndex: number } & Shape)
  | ({
      readonly kind: "view";
      readonly type: string;
      readonly buffer: Encoded;
      readonly offset: number;
      readonly length: number;
    } & Shape)
  | ({ readonly kind: "map"; readonly entries: readonly (readonly [Encoded, Encoded])[] } & Shape)
  | ({ readonly kind: "set"; readonly members: readonly Encoded[] } & Shape)
  | ({ readonly kind: "error"; readonly type: string } & Shape)
  | ({ readonly kind: "boxed"; readonly value: Encoded } & Shape)
  | { readonly kind: "symbol"; readonly key: string; readonly wellKnown: boolean }
  | { readonly kind: "builtin"; readonly path: string }
  | { readonly kind: "reference"; readonly reference: unknown }
  | { readonly kind: "require"; readonly url: string }
  | { readonly kind: "import"; readonly url: string }
  | { readonly kind: "meta"; readonly url: string }
  | { readonly kind: "millrace"; readonly path: readonly string[] }
  | ModuleNode
  | FunctionNode;
