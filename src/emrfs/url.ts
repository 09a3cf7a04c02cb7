// Paths as absolute URLs, one spelling each. A file: URL is percent-encoded, so that any name on a disk has a URL (spaces,
// #, %, ?, Unicode, glob signs); URLs of object stores are kept as written, because their keys are plain text. "~" is a
// name like any other: the shell expands it, we do not. Refuses empty paths and NUL.

import { resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MillraceError } from "../core/errors.js";

/** At least two letters, so that C:\ is a path; a slash must follow, so that "log:1.txt" is one too. */
const schemePattern = /^([a-zA-Z][a-zA-Z0-9+.-]+):\//;

/** The URL of a path as the user wrote it; relative ones are taken from `workingDirectory`. A trailing slash is dropped. */
export function toAbsoluteUrl(path: string, workingDirectory: string): string {
  if (typeof path !== "string" || path === "") {
    throw new MillraceError("INVALID_ARGUMENT", `a path must be a text that is not empty, not ${JSON.stringify(path)}`);
  }
  if (path.includes("\0")) {
    throw new MillraceError("INVALID_ARGUMENT", `the path ${JSON.stringify(path)} holds a NUL character`);
  }
  const scheme = schemeOf(path);
  if (scheme === undefined) return pathToUrl(resolve(workingDirectory, path));
  if (scheme === "file") return pathToUrl(pathOfFileUrl(path));
  const url = `${scheme}${path.slice(scheme.length)}`;
  return url.endsWith("/") && !/^[^:]+:\/+[^/]*\/$/.test(url) ? url.replace(/\/+$/, "") : url;
}

/** Lower case, without the colon; undefined for a plain path. */
export function schemeOf(path: string): string | undefined {
  return schemePattern.exec(path)?.[1]?.toLowerCase();
}

/** The local path of a file: URL. */
export function toLocalPath(url: string): string {
  if (schemeOf(url) !== "file") {
    throw new MillraceError("UNSUPPORTED_SCHEME", `${url} is not on a local disk: a file: URL was expected`, {
      fields: { url },
    });
  }
  return fileURLToPath(url);
}

/** The URL of an absolute local path. */
export function pathToUrl(path: string): string {
  // node's own function leaves * and [ as they are, as do we; everything else that a URL reads specially it encodes.
  return pathToFileURL(path).href;
}

/** `names` are plain names, not encoded ones. */
export function joinUrl(url: string, ...names: readonly string[]): string {
  const base = url.endsWith("/") ? url.slice(0, -1) : url;
  const encode = schemeOf(url) === "file";
  return [base, ...names.map((name) => (encode ? encodeName(name) : name))].join("/");
}

/** The decoded last name of a URL. */
export function baseName(url: string): string {
  const name = url.slice(url.lastIndexOf("/") + 1);
  return schemeOf(url) === "file" ? decodeURIComponent(name) : name;
}

/** A URL as people read it: file: URLs as local paths. */
export function displayUrl(url: string): string {
  return schemeOf(url) === "file" ? fileURLToPath(url) : url;
}

function encodeName(name: string): string {
  return pathToFileURL(`${sep}${name}`).href.slice("file:///".length);
}

/** file:/a, file:///a and file://localhost/a; `?` and `#` are characters of names here, as Hadoop has them. */
function pathOfFileUrl(text: string): string {
  const rest = text.slice("file:".length).replaceAll("?", "%3F").replaceAll("#", "%23");
  try {
    return resolve(fileURLToPath(`file:${rest}`));
  } catch (error) {
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(text)} is not a file: URL that can be read: file:///path was expected, a % in a name is written %25`,
      { cause: error },
    );
  }
}
