// A user's function as it travels. Its bytes are the closure format (src/closure); the plan only carries and names them.

import type { BlobHash } from "../core/ids.js";

/** Where in the user's program an operation was called: what errors, logs and the progress bar name. */
export interface CallSite {
  /** Absolute path or file: URL as the user's source map gives it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** The public method, e.g. "flatMap". */
  readonly method: string;
}

export interface FunctionRef {
  /** Content hash of `bytes`: equal captures are revived once per slot and session. */
  readonly hash: BlobHash;
  readonly bytes: Uint8Array;
  /** Declared `async`: the chain is cut there. A plain function that answers a promise is found when it runs. */
  readonly async: boolean;
  /** For messages: the function's own name or its first characters. */
  readonly name: string;
  /** Ids of the travelling classes that reviving it makes known; absent when there are none. */
  readonly classes?: readonly string[];
}

/** Every function that plan data refers to, wherever it stands in it. Not those inside another function's bytes. */
export function functionsIn(data: unknown): FunctionRef[] {
  const found: FunctionRef[] = [];
  collect(data, found);
  return found;
}

function collect(data: unknown, found: FunctionRef[]): void {
  if (typeof data !== "object" || data === null || ArrayBuffer.isView(data)) return;
  if (Array.isArray(data)) {
    for (const item of data) collect(item, found);
    return;
  }
  const candidate = data as Partial<FunctionRef>;
  if (typeof candidate.hash === "string" && candidate.bytes instanceof Uint8Array) {
    found.push(data as FunctionRef);
    return;
  }
  for (const member of Object.values(data)) collect(member, found);
}

/** `flatMap at counts.ts:12:5`. */
export function formatCallSite(site: CallSite): string {
  const file = site.file.slice(site.file.lastIndexOf("/") + 1);
  return `${site.method} at ${file}:${site.line}:${site.column}`;
}
