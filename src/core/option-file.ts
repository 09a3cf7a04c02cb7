// millrace.json: options beside a program, as { "task.maxFailures": 2 } or nested, { "task": { "maxFailures": 2 } }. Every value
// keeps the line of its name, for messages and for `millrace config`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "./errors.js";
import { takesObject } from "./option-table.js";

export interface FileOption {
  readonly name: string;
  readonly value: unknown;
  /** path:line */
  readonly place: string;
}

const fileName = "millrace.json";

/** The options of the directory's file; none when there is no file. @throws PERMISSION_DENIED, INVALID_OPTION */
export function readOptionFile(directory: string): FileOption[] {
  const path = join(directory, fileName);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw new MillraceError("PERMISSION_DENIED", `cannot read ${path}: ${String(cause)}`, { fields: { path }, cause });
  }
  const value = parse(text, path);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MillraceError("INVALID_OPTION", `${path} must hold one object of options`, { fields: { path } });
  }
  const lines = linesOfNames(text);
  return flatten(value).map(([name, value]) => ({ name, value, place: `${path}:${lines.get(name) ?? 1}` }));
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    // "... in JSON at position 17"; without one it ends too early.
    const at = Number(/at position (\d+)/.exec(message)?.[1] ?? text.length);
    const before = text.slice(0, at).split("\n");
    const place = `${path}:${before.length}:${before.at(-1)!.length + 1}`;
    throw new MillraceError("INVALID_OPTION", `${place} is not JSON: ${message}`, { fields: { path, place }, cause });
  }
}

/** { task: { maxFailures: 2 } } is "task.maxFailures": 2. */
function flatten(value: object, prefix = ""): [name: string, value: unknown][] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner) && !takesObject(prefix + key)
      ? flatten(inner, `${prefix}${key}.`)
      : [[prefix + key, inner] as [string, unknown]],
  );
}

const TOKENS = /\n|"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The line, from 1, of every name of an object's member, by the dotted path to it. The text is JSON. */
export function linesOfNames(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  const open: { readonly isObject: boolean; readonly prefix: string }[] = [];
  let line = 1;
  let name = "";
  let before = "";
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "\n") {
      line++;
      continue;
    }
    const inner = open.at(-1);
    if (token.startsWith('"')) {
      // A string right after "{" or "," of an object is a name; others are values.
      if (inner?.isObject === true && before !== '"') {
        name = inner.prefix + JSON.parse(token);
        lines.set(name, line);
      }
    } else if (token === "{" || token === "[")
      open.push({ isObject: token === "{", prefix: inner === undefined ? "" : `${name}.` });
    else if (token !== ",") open.pop();
    before = token[0] as string;
  }
  return lines;
}
