// Paths as the user gave them (toAbsoluteUrl) to the files that they mean. A path that is there as written is taken as
// written, even if its name holds glob signs; a directory stands for the files directly in it. Else *, ?, [a-c], [!a],
// {a,b} and ** are expanded over any FileSystem, listing only directories that can hold a match. Names that start with
// "." or "_" are hidden (Hadoop's rule: _SUCCESS, _temporary) unless the pattern spells that sign.

import picomatch from "picomatch";
import { MillraceError } from "../core/errors.js";
import type { FileStatus, FileSystem, FileSystemLookup } from "./file-system.js";
import { baseName, displayUrl, joinUrl, schemeOf, toLocalPath } from "./url.js";

/**
 * The files of all paths: those of one path in the order of their URLs, the paths in the order given.
 * PATH_NOT_FOUND, GLOB_MATCHED_NOTHING, or IS_A_DIRECTORY for a directory that holds only directories.
 */
export async function expandPaths(
  urls: readonly string[],
  lookup: FileSystemLookup,
  signal?: AbortSignal,
): Promise<FileStatus[]> {
  const files: FileStatus[] = [];
  for (const url of urls) files.push(...(await expandPath(url, lookup(url), signal)));
  return files;
}

async function expandPath(url: string, files: FileSystem, signal?: AbortSignal): Promise<FileStatus[]> {
  const literal = await files.stat(url, signal);
  if (literal?.kind === "file") return [literal];
  if (literal?.kind === "directory") return filesOfDirectory(files, url, signal);
  const { root, names } = splitUrl(url);
  if (!names.some(hasMagic)) {
    throw new MillraceError("PATH_NOT_FOUND", `there is no file or directory ${displayUrl(url)}`, {
      fields: { path: displayUrl(url) },
    });
  }
  const found = new Map<string, FileStatus>();
  for (const pattern of expandBraces(names.join("/"))) {
    const walk: Walk = { files, segments: pattern.split("/").map(toSegment), found, signal };
    await descend(walk, root, 0);
  }
  if (found.size === 0) {
    throw new MillraceError("GLOB_MATCHED_NOTHING", `no file matches ${displayUrl(url)}`, {
      fields: { path: displayUrl(url) },
    });
  }
  return [...found.values()].sort((a, b) => (a.url < b.url ? -1 : 1));
}

async function filesOfDirectory(files: FileSystem, url: string, signal?: AbortSignal): Promise<FileStatus[]> {
  const inside: FileStatus[] = [];
  let directories = 0;
  for await (const child of files.list(url, signal)) {
    if (isHidden(baseName(child.url))) continue;
    if (child.kind === "file") inside.push(child);
    else directories++;
  }
  if (inside.length === 0 && directories > 0) {
    const path = displayUrl(url);
    throw new MillraceError(
      "IS_A_DIRECTORY",
      `${path} holds ${directories} ${directories === 1 ? "directory" : "directories"} and no file: add /* or /** to read what is in them`,
      { fields: { path } },
    );
  }
  return inside.sort((a, b) => (a.url < b.url ? -1 : 1));
}

/** One name of the pattern. `all` is `**`. */
type Segment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "all" }
  | { readonly kind: "glob"; readonly matches: (name: string) => boolean };

interface Walk {
  readonly files: FileSystem;
  readonly segments: readonly Segment[];
  readonly found: Map<string, FileStatus>;
  readonly signal: AbortSignal | undefined;
}

/** Collects what the segments from `index` on match below the directory `url`. */
async function descend(walk: Walk, url: string, index: number): Promise<void> {
  const segment = walk.segments[index]!;
  const last = index === walk.segments.length - 1;
  if (segment.kind === "name") {
    const child = joinUrl(url, segment.name);
    if (!last) return descend(walk, child, index + 1);
    const status = await walk.files.stat(child, walk.signal);
    return status === null ? undefined : collect(walk, status);
  }
  if (segment.kind === "all" && !last) await descend(walk, url, index + 1);
  for (const child of await childrenOf(walk, url)) {
    const name = baseName(child.url);
    if (segment.kind === "all") {
      if (isHidden(name)) continue;
      if (child.kind === "directory" && child.link !== true) await descend(walk, child.url, index);
      else if (child.kind === "file" && last) walk.found.set(child.url, child);
    } else if (segment.matches(name)) {
      if (last) await collect(walk, child);
      else if (child.kind === "directory") await descend(walk, child.url, index + 1);
    }
  }
}

/** A directory that matches stands for its files, as one that is named does. */
async function collect(walk: Walk, status: FileStatus): Promise<void> {
  if (status.kind === "file") {
    walk.found.set(status.url, status);
    return;
  }
  for (const child of await childrenOf(walk, status.url)) {
    if (child.kind === "file" && !isHidden(baseName(child.url))) walk.found.set(child.url, child);
  }
}

/** Nothing where there is no such directory: the pattern just does not match there. */
async function childrenOf(walk: Walk, url: string): Promise<readonly FileStatus[]> {
  const status = await walk.files.stat(url, walk.signal);
  if (status?.kind !== "directory") return [];
  const children: FileStatus[] = [];
  for await (const child of walk.files.list(url, walk.signal)) children.push(child);
  return children;
}

function toSegment(text: string): Segment {
  if (text === "**") return { kind: "all" };
  if (!hasMagic(text)) return { kind: "name", name: text.replace(/\\(.)/g, "$1") };
  // Signs that picomatch reads and a Hadoop glob does not are names' characters here.
  const pattern = text.replace(/\\?[(){}|+]/g, (sign) => (sign.length === 2 ? sign : `\\${sign}`));
  const matches = picomatch(pattern, { posix: true, dot: true, nonegate: true, noextglob: true, nobrace: true });
  const showsHidden = text.startsWith(".") || text.startsWith("_");
  return { kind: "glob", matches: (name) => (showsHidden || !isHidden(name)) && matches(name) };
}

function hasMagic(text: string): boolean {
  return /(^|[^\\])[*?[{]/.test(text);
}

function isHidden(name: string): boolean {
  return name.startsWith(".") || name.startsWith("_");
}

/** Every {a,b} written out, inner ones too; braces without a comma stay as they are. */
export function expandBraces(pattern: string): string[] {
  for (let open = pattern.indexOf("{"); open >= 0; open = pattern.indexOf("{", open + 1)) {
    if (pattern[open - 1] === "\\") continue;
    const cuts = topLevelCuts(pattern, open);
    if (cuts === null || cuts.length < 3) continue;
    const head = pattern.slice(0, open);
    const tail = pattern.slice(cuts[cuts.length - 1]! + 1);
    return cuts.slice(1).flatMap((cut, i) => expandBraces(`${head}${pattern.slice(cuts[i]! + 1, cut)}${tail}`));
  }
  return [pattern];
}

/** Positions of the brace at `open`, its own commas and its closing brace; null when it does not close. */
function topLevelCuts(pattern: string, open: number): number[] | null {
  const cuts = [open];
  let depth = 0;
  for (let i = open; i < pattern.length; i++) {
    const sign = pattern[i];
    if (sign === "\\") i++;
    else if (sign === "{") depth++;
    else if (sign === "," && depth === 1) cuts.push(i);
    else if (sign === "}" && --depth === 0) return [...cuts, i];
  }
  return null;
}

/** A URL as the directory at its root and the plain names below it. */
function splitUrl(url: string): { root: string; names: string[] } {
  if (schemeOf(url) === "file") {
    const path = toLocalPath(url);
    return { root: "file:///", names: path.split("/").filter((name) => name !== "") };
  }
  const [, root, rest] = /^([^:]+:\/\/[^/]*)\/?(.*)$/.exec(url) ?? [];
  return { root: root ?? url, names: (rest ?? "").split("/").filter((name) => name !== "") };
}
