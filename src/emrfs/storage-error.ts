// The operating system's error codes as ours. One table: whoever calls node:fs in this project turns what it throws into a
// MillraceError here, with the operation and the path in the message.

import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type ErrorCode, isMillraceError, MillraceError } from "../core/errors.js";

const codeByErrno: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "PATH_NOT_FOUND",
  EISDIR: "IS_A_DIRECTORY",
  ENOTDIR: "NOT_A_DIRECTORY",
  EEXIST: "OUTPUT_EXISTS",
  EACCES: "PERMISSION_DENIED",
  EPERM: "PERMISSION_DENIED",
  ENOSPC: "DISK_FULL",
  EDQUOT: "DISK_FULL",
  EROFS: "READ_ONLY_FILE_SYSTEM",
};

const textByCode: Partial<Record<ErrorCode, string>> = {
  PATH_NOT_FOUND: "there is no such file or directory",
  IS_A_DIRECTORY: "it is a directory, a file was expected",
  NOT_A_DIRECTORY: "a part of the path is a file, a directory was expected",
  OUTPUT_EXISTS: "it exists already",
  PERMISSION_DENIED: "the operating system refused access",
  DISK_FULL: "the disk has no room left",
  READ_ONLY_FILE_SYSTEM: "the file system is mounted read-only",
};

/** `operation` completes "cannot ...": "open", "write", "list". */
export function toStorageError(error: unknown, operation: string, path: string): MillraceError {
  if (isMillraceError(error)) return error;
  const errno = errnoOf(error);
  const code = (errno === undefined ? undefined : codeByErrno[errno]) ?? "IO_ERROR";
  const reason = textByCode[code] ?? (error instanceof Error ? error.message : String(error));
  const free = code === "DISK_FULL" ? freeBytesAt(path) : null;
  const details = [...(errno === undefined ? [] : [errno]), ...(free === null ? [] : [`${free} bytes are free`])];
  return new MillraceError(
    code,
    `cannot ${operation} ${path}: ${reason}${details.length === 0 ? "" : ` (${details.join(", ")})`}`,
    {
      fields: {
        operation,
        path,
        ...(errno === undefined ? {} : { errno }),
        ...(free === null ? {} : { freeBytes: free }),
      },
      cause: error,
    },
  );
}

/** On the disk of `path`, which need not be there; null where the system does not tell. */
function freeBytesAt(path: string): number | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize;
    } catch {
      // Not there (yet, or any more), or not to be asked.
      if (at === dirname(at)) return null;
    }
  }
}

/** The system's own code ("ENOENT") of an error thrown by node, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
