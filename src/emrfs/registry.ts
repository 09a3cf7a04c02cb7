// Which file system serves a URL. Schemes that Hadoop users know but that have no file system here are refused by name, with
// what to do instead.

import { MillraceError } from "../core/errors.js";
import type { FileSystem } from "./file-system.js";
import { LocalFileSystem } from "./local-file-system.js";
import { schemeOf } from "./url.js";

const hints: Readonly<Record<string, string>> = {
  s3: "object stores are not supported yet: copy the objects to a disk that all workers share",
  s3a: "object stores are not supported yet, and will be spelt s3: here",
  s3n: "object stores are not supported yet, and will be spelt s3: here",
  dfs: "the distributed file system is not part of this version",
  hdfs: "Hadoop's file system is not supported: copy the files to a disk that all workers share",
  http: "download the file first",
  https: "download the file first",
};

/** The file system of an absolute URL. They keep no state, so each call may have its own. */
export function fileSystemFor(url: string): FileSystem {
  const scheme = schemeOf(url);
  if (scheme === "file") return new LocalFileSystem();
  throw unsupportedScheme(url, scheme);
}

function unsupportedScheme(url: string, scheme: string | undefined): MillraceError {
  if (scheme === undefined) {
    return new MillraceError("UNSUPPORTED_SCHEME", `${url} is no absolute URL: it needs a scheme such as file:`, {
      fields: { url },
    });
  }
  const hint = hints[scheme] ?? "the scheme is unknown; use file: URLs or plain paths";
  return new MillraceError("UNSUPPORTED_SCHEME", `${url}: ${scheme}: has no file system here; ${hint}`, {
    fields: { url, scheme },
  });
}
