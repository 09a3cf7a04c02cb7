// What exists in every process: the globals of the language and of Node, by path (`Array.prototype.map`), and the exports of
// Node's own modules. They travel as their path. Globals that the user has added are not among them.

/** Of Node 20 to 24. */
const GLOBAL_NAMES =
  "Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date " +
  "Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError " +
  "globalThis JSON Math Intl ArrayBuffer Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array " +
  "Float32Array Float64Array Uint8ClampedArray BigUint64Array BigInt64Array DataView Map BigInt Set WeakMap " +
  "WeakSet Proxy Reflect FinalizationRegistry WeakRef decodeURI decodeURIComponent encodeURI " +
  "encodeURIComponent escape unescape eval isFinite isNaN console process global Buffer clearImmediate " +
  "setImmediate URL URLSearchParams DOMException AbortController AbortSignal Event EventTarget TextEncoder " +
  "TextDecoder TransformStream TransformStreamDefaultController WritableStream " +
  "WritableStreamDefaultController WritableStreamDefaultWriter ReadableStream ReadableStreamDefaultReader " +
  "ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableByteStreamController " +
  "ReadableStreamDefaultController ByteLengthQueuingStrategy CountQueuingStrategy TextEncoderStream " +
  "TextDecoderStream CompressionStream DecompressionStream clearInterval clearTimeout setInterval setTimeout " +
  "queueMicrotask structuredClone atob btoa BroadcastChannel MessageChannel MessagePort MessageEvent Blob " +
  "File Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver " +
  "PerformanceObserverEntryList PerformanceResourceTiming performance fetch FormData Headers Request " +
  "Response SharedArrayBuffer Atomics WebAssembly crypto Crypto CryptoKey SubtleCrypto CustomEvent " +
  "__filename module exports __dirname require Iterator Float16Array CloseEvent WebSocket localStorage " +
  "sessionStorage EventSource Storage Navigator navigator SuppressedError DisposableStack " +
  "AsyncDisposableStack ErrorEvent URLPattern";

const names = new Set(GLOBAL_NAMES.split(" "));

export const isStandardGlobal = (name: string): boolean => names.has(name);

interface Tables {
  readonly pathOf: Map<unknown, string>;
  readonly atPath: Map<string, unknown>;
}
let tables: Tables | null = null;

/** `Math.max`, undefined when the value is the program's own. */
export function builtinPath(value: unknown): string | undefined {
  tables ??= listGlobals();
  return tables.pathOf.get(value);
}

export function builtinAt(path: string): unknown {
  tables ??= listGlobals();
  return tables.atPath.get(path);
}

/** Module and export of something of Node's own, `[]` for the module itself. Only modules that are loaded already. */
export function nodeModuleOf(
  value: unknown,
): { readonly specifier: string; readonly path: readonly string[] } | undefined {
  nodeExports ??= new Map();
  const loaded = (process as unknown as { moduleLoadList: readonly string[] }).moduleLoadList;
  for (; listed < loaded.length; listed++) {
    const name = /^NativeModule ((?!internal\/|_)[\w/]+)$/.exec(loaded[listed] as string)?.[1];
    const exports = name === undefined ? undefined : (process.getBuiltinModule(`node:${name}`) as object | undefined);
    if (name !== undefined && exports !== undefined) listExports(`node:${name}`, exports);
  }
  return nodeExports.get(value);
}

let nodeExports: Map<unknown, { readonly specifier: string; readonly path: readonly string[] }> | null = null;
let listed = 0;

function listExports(specifier: string, exports: object, path: readonly string[] = []): void {
  if (nodeExports?.has(exports) === false && !tables?.pathOf.has(exports))
    nodeExports.set(exports, { specifier, path });
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(exports))) {
    if ((typeof value !== "object" && typeof value !== "function") || value === null || nodeExports?.has(value))
      continue;
    nodeExports?.set(value, { specifier, path: [...path, name] });
    if (typeof value === "object" && path.length === 0 && Object.getPrototypeOf(value) === Object.prototype)
      listExports(specifier, value, [name]);
  }
}

function listGlobals(): Tables {
  const pathOf = new Map<unknown, string>();
  const atPath = new Map<string, unknown>();
  const add = (path: string, value: unknown, depth: number) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    atPath.set(path, value);
    if (pathOf.has(value)) return;
    pathOf.set(value, path);
    if (depth === 0 || value === globalThis || value === process.env) return;
    for (const key of Reflect.ownKeys(value)) {
      const found = Object.getOwnPropertyDescriptor(value, key);
      const name = typeof key === "string" ? key : `@${key.description}`;
      if (found?.get !== undefined) add(`${path}.${name}:get`, found.get, 0);
      else if (key !== "constructor" && !(path === "process" && typeof found?.value === "object"))
        add(`${path}.${name}`, found?.value, depth - 1);
    }
  };
  add("globalThis", globalThis, 0);
  for (const name of names) {
    const found = Object.getOwnPropertyDescriptor(globalThis, name);
    if (found === undefined || name === "global" || name === "globalThis") continue;
    // Lazy globals (fetch, crypto, navigator) load when they are read; they are not read here.
    if (found.get === undefined) add(name, found.value, 3);
    else if (/^(process|Buffer)$/.test(name)) add(name, (globalThis as Record<string, unknown>)[name], 3);
  }
  const hidden: [string, unknown][] = [
    ["%GeneratorFunction", Object.getPrototypeOf(function* () {})],
    ["%AsyncFunction", Object.getPrototypeOf(async () => {})],
    ["%AsyncGeneratorFunction", Object.getPrototypeOf(async function* () {})],
    ["%TypedArray", Object.getPrototypeOf(Uint8Array)],
  ];
  for (const [path, value] of hidden) add(path, value, 2);
  return { pathOf, atPath };
}
