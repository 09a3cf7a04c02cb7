// Looks into a function by V8's inspector, in this very thread: its scopes with live values and the place of its source.
// One inspector session is kept; it holds no object between calls, and the debugger domain is on only while new scripts are
// listed, so a debugger that the user attached is not disturbed. A builtin module's object, which every realm of the thread
// shares (Jest runs tests in a context of their own), is where values are handed over.

import type { Session } from "node:inspector";
import { createRequire } from "node:module";

export interface Scope {
  /** V8's name: Module, Global, Script, Block, Closure (file), ... */
  readonly description: string;
  readonly object: Record<string, unknown>;
}

export interface ScriptInfo {
  readonly id: string;
  /** As V8 knows it: a file: URL, a path, or "" for code made at run time. */
  readonly url: string;
  readonly isModule: boolean;
  readonly source: string;
  readonly startLine: number;
  readonly startColumn: number;
}

export interface Inspected {
  /** Innermost first; the last is Global. */
  readonly scopes: readonly Scope[];
  /** null for functions without a place: native and bound ones. */
  readonly script: ScriptInfo | null;
  /** Of V8's start of the function (mostly its parameter list), from 0. */
  readonly line: number;
  readonly column: number;
}

const HOLDER = Symbol.for("millrace.closure.holder");
const GROUP = "millrace.closure";
const REACH = `process.getBuiltinModule("node:v8")[Symbol.for("millrace.closure.holder")]`;

interface Holder {
  input: unknown;
  scopes: ArrayLike<Scope> | null;
}

interface Connection {
  readonly session: Session;
  readonly holder: Holder;
}
let connection: Connection | null = null;

/** `needScopes` false: the place alone, for functions without free names. */
export function inspectFunction(fn: object, needScopes: boolean): Inspected {
  const { holder } = connect();
  holder.input = fn;
  try {
    const found = post<{ result: RemoteObject }>("Runtime.evaluate", {
      expression: `${REACH}.input`,
      objectGroup: GROUP,
      silent: true,
    });
    const { internalProperties = [] } = post<{ internalProperties?: InternalProperty[] }>("Runtime.getProperties", {
      objectId: found.result.objectId,
      ownProperties: true,
    });
    const scopeList = internalProperties.find(({ name }) => name === "[[Scopes]]")?.value;
    const place = internalProperties.find(({ name }) => name === "[[FunctionLocation]]")?.value?.value;
    if (scopeList?.objectId === undefined) return { scopes: [], script: null, line: 0, column: 0 };
    if (needScopes)
      post("Runtime.callFunctionOn", {
        objectId: scopeList.objectId,
        functionDeclaration: `function () { ${REACH}.scopes = this; }`,
        silent: true,
      });
    const scopes = Array.from(holder.scopes ?? []);
    const script = place === undefined ? null : scriptOf(place.scriptId);
    return { scopes, script, line: place?.lineNumber ?? 0, column: place?.columnNumber ?? 0 };
  } finally {
    holder.input = undefined;
    holder.scopes = null;
    post("Runtime.releaseObjectGroup", { objectGroup: GROUP });
  }
}

interface RemoteObject {
  readonly objectId?: string;
  readonly value?: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber: number };
}
interface InternalProperty {
  readonly name: string;
  readonly value?: RemoteObject;
}

function connect(): Connection {
  if (connection === null) {
    const require = createRequire(import.meta.url);
    const inspector = require("node:inspector") as typeof import("node:inspector");
    const shared = process.getBuiltinModule("node:v8") as unknown as Record<symbol, Holder>;
    shared[HOLDER] ??= { input: undefined, scopes: null };
    const session = new inspector.Session();
    session.connect();
    connection = { session, holder: shared[HOLDER] as Holder };
  }
  return connection;
}

/** The inspector answers before post returns. */
function post<T>(method: string, parameters: object): T {
  let failure: Error | null = null;
  let answer: unknown;
  connect().session.post(method, parameters, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure !== null) throw Object.assign(new Error(`the inspector refused ${method}`), { cause: failure });
  return answer as T;
}

type ScriptHead = Omit<ScriptInfo, "source">;

/** Scripts whose text was asked for, least recently used first. */
const texts = new Map<string, ScriptInfo>();
const TEXT_LIMIT = 64;
/** All scripts of the thread as they were last listed. */
let heads: ReadonlyMap<string, ScriptHead> = new Map();
/** Texts kept of a listing, so that the first function of each of the user's files needs no second one. */
const EAGER_LIMIT = 16;
const EAGER_LENGTH = 1_000_000;

function scriptOf(id: string): ScriptInfo | null {
  const known = texts.get(id);
  if (known !== undefined) {
    texts.delete(id);
    texts.set(id, known);
    return known;
  }
  listScripts(id);
  return texts.get(id) ?? null;
}

/** Switches the debugger on for a moment: V8 then names every script, which takes 35 ms the first time and 5 ms later. */
function listScripts(wanted: string): void {
  const { session } = connect();
  const found = new Map<string, ScriptHead>();
  const eager: string[] = [];
  const listen = ({ params }: { params: ScriptParsed }) => {
    const { scriptId: id, url, startLine, startColumn } = params;
    found.set(id, { id, url, isModule: params.isModule === true, startLine, startColumn });
    if (id !== wanted && !heads.has(id) && isOwn(url) && params.length <= EAGER_LENGTH) eager.push(id);
  };
  session.on("Debugger.scriptParsed", listen);
  try {
    post("Debugger.enable", {});
    for (const id of [...eager.slice(0, EAGER_LIMIT), wanted]) {
      const head = found.get(id);
      if (head !== undefined) keepText(head);
    }
    heads = found;
  } finally {
    session.off("Debugger.scriptParsed", listen);
    post("Debugger.disable", {});
  }
}

interface ScriptParsed {
  readonly scriptId: string;
  readonly url: string;
  readonly isModule?: boolean;
  readonly startLine: number;
  readonly startColumn: number;
  /** In characters. */
  readonly length: number;
}

/** A file of the user's program: not Node's, not a package's, not made at run time. */
function isOwn(url: string): boolean {
  return url !== "" && !url.startsWith("node:") && !url.includes("/node_modules/");
}

function keepText(head: ScriptHead): void {
  const { scriptSource } = post<{ scriptSource: string }>("Debugger.getScriptSource", { scriptId: head.id });
  texts.set(head.id, { ...head, source: scriptSource });
  for (const oldest of texts.keys()) {
    if (texts.size <= TEXT_LIMIT) break;
    texts.delete(oldest);
  }
}
