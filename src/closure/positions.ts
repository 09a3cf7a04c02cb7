// Positions of compiled code as positions in the user's sources: by maps that the loader of `millrace run` registers, by Node's
// own (tsx and --enable-source-maps), or by the map that a built file names. Where a test runner has installed its own
// Error.prepareStackTrace its answer is taken, since only it knows its maps.

import { readFileSync } from "node:fs";
import { createRequire, findSourceMap } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { TraceMap } from "@jridgewell/trace-mapping";
import type { CallSite } from "../plan/function.js";

type AnyFunction = (...args: never[]) => unknown;
type RawMap = ConstructorParameters<typeof TraceMap>[0];

/** On the global object: the command line registers a program's map, the program's own millrace, another bundle, reads it. */
const mapsKey: unique symbol = Symbol.for("millrace.sourceMaps");

function sharedMaps(): Map<string, TraceMap | null> {
  const holder = globalThis as { [mapsKey]?: Map<string, TraceMap | null> };
  holder[mapsKey] ??= new Map();
  return holder[mapsKey];
}

/** A map (JSON or object) for code that runs under `url`. Its sources are absolute, or relative to `url`. */
export function registerSourceMap(url: string, map: RawMap): void {
  sharedMaps().set(keyOf(url), traceMap(map, url));
}

/** Where the user called `method`: the frame above `skipAbove`, in the user's source. Lines and columns from 1. */
export function callSite(method: string, skipAbove: AnyFunction): CallSite {
  const hook = Error.prepareStackTrace;
  const limit = Error.stackTraceLimit;
  const holder: { stack?: unknown } = {};
  Error.stackTraceLimit = 1;
  // Node 20.20 has set a hook of its own, which does what the absence of one does.
  const foreign = hook !== undefined && hook.name !== "ErrorPrepareStackTrace";
  if (!foreign) Error.prepareStackTrace = (_error, sites) => sites;
  try {
    Error.captureStackTrace(holder, skipAbove);
    if (foreign) return { ...parseFrame(String(holder.stack)), method };
    const site = (holder.stack as NodeJS.CallSite[])[0];
    if (site === undefined) return { file: "", line: 0, column: 0, method };
    return { ...mapPosition(site.getFileName() ?? "", site.getLineNumber() ?? 0, site.getColumnNumber() ?? 0), method };
  } finally {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = hook;
  }
}

const FRAME = /((?:file:\/\/|\/|[A-Za-z]:\\)[^\n()]*?):(\d+):(\d+)(?=\)?$)/gm;

/**
 * The stack with every frame that has a map shown by its source; mapping it again changes nothing. Code that runs under its
 * source's own name (tsx, `millrace run`) has file: URLs in its frames, and the path once it has been mapped, by Node or here.
 */
export function mapStack(stack: string): string {
  return stack.replace(FRAME, (whole, file: string, line: string, column: string) => {
    const map = mapOf(file);
    if (map === null || (!file.startsWith("file:") && isSourceOf(map, file))) return whole;
    const mapped = mapPosition(file, Number(line), Number(column));
    return `${mapped.file}:${mapped.line}:${mapped.column}`;
  });
}

/** `file:line:column` of a compiled position from 0, for messages. "" for code without a file. */
export function sourcePlace(url: string, line: number, column: number): string {
  if (url === "") return "";
  const mapped = mapPosition(url, line + 1, column + 1);
  return `${mapped.file}:${mapped.line}:${mapped.column}`;
}

interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

function mapPosition(file: string, line: number, column: number): Position {
  const map = mapOf(file);
  if (map !== null) {
    const found = tracing().originalPositionFor(map, { line, column: Math.max(0, column - 1) });
    if (found.source !== null) return { file: toPath(found.source), line: found.line, column: found.column + 1 };
  }
  return { file: toPath(file), line, column };
}

function isSourceOf(map: TraceMap, file: string): boolean {
  const url = keyOf(file);
  return map.resolvedSources.some((source) => keyOf(source) === url);
}

function mapOf(file: string): TraceMap | null {
  const maps = sharedMaps();
  const key = keyOf(file);
  let map = maps.get(key);
  if (map === undefined) {
    map = findMap(key);
    maps.set(key, map);
  }
  return map;
}

function findMap(url: string): TraceMap | null {
  const path = toPath(url);
  const known = findSourceMap(path) ?? findSourceMap(url);
  if (known !== undefined) return traceMap(known.payload as unknown as RawMap, url);
  if (!url.startsWith("file:") || url.includes("/node_modules/")) return null;
  try {
    const text = readFileSync(path, "utf8");
    const at = text.lastIndexOf("//# sourceMappingURL=");
    if (at < 0) return null;
    const target =
      text
        .slice(at + 21)
        .split("\n", 1)[0]
        ?.trim() ?? "";
    const inline = /^data:application\/json[^,]*,/.exec(target);
    if (inline === null) return traceMap(readFileSync(new URL(target, url), "utf8"), url);
    const body = target.slice(inline[0].length);
    return traceMap(
      inline[0].includes("base64") ? Buffer.from(body, "base64").toString() : decodeURIComponent(body),
      url,
    );
  } catch {
    // No such file, or a map that is gone: the compiled position is the best there is.
    return null;
  }
}

let tracingModule: typeof import("@jridgewell/trace-mapping") | null = null;
function tracing(): typeof import("@jridgewell/trace-mapping") {
  tracingModule ??= createRequire(import.meta.url)(
    "@jridgewell/trace-mapping",
  ) as typeof import("@jridgewell/trace-mapping");
  return tracingModule;
}

function traceMap(map: RawMap, url: string): TraceMap {
  const { TraceMap: Make } = tracing();
  return new Make(map, url);
}

function keyOf(file: string): string {
  return file.startsWith("/") || /^[A-Za-z]:\\/.test(file) ? pathToFileURL(file).href : file;
}

function toPath(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url.replace(/[?#].*$/, "")) : url;
}

function parseFrame(stack: string): Position {
  const [found] = stack.matchAll(FRAME);
  return { file: toPath(found?.[1] ?? ""), line: Number(found?.[2] ?? 0), column: Number(found?.[3] ?? 0) };
}
