// The cluster's secret: from a file that nobody else may read, from MILLRACE_SECRET, or made afresh for a cluster of one's
// own. It is kept where neither inspection, JSON nor a template string shows it, and never crosses the wire.

import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inspect } from "node:util";
import { MillraceError } from "../../core/errors.js";

const MIN_LENGTH = 16;
const MAX_BYTES = 4096;

export class Secret {
  readonly #text: string;

  /** @throws INVALID_OPTION when shorter than 16 characters */
  constructor(text: string) {
    if (text.length < MIN_LENGTH) {
      throw new MillraceError(
        "INVALID_OPTION",
        `the secret has ${text.length} characters, at least ${MIN_LENGTH} are needed (openssl rand -hex 32 makes a good one)`,
        { fields: { option: "secret", length: text.length } },
      );
    }
    this.#text = text;
  }

  /** A secret of 256 random bits. */
  static generate(): Secret {
    return new Secret(randomBytes(32).toString("hex"));
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, "utf8");
  }

  /** In clear, for the private pipe or environment of a child process. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

export interface SecretSource {
  /** Path of a file of mode 0600 or stricter. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The configured secret: the file's if one is named, else MILLRACE_SECRET's; null when there is neither.
 * @throws PATH_NOT_FOUND, PERMISSION_DENIED (the file can be read by others, or not by us), INVALID_OPTION (too short)
 */
export function loadSecret({ file, env = {} }: SecretSource): Secret | null {
  if (file !== undefined) return new Secret(readSecretFile(file));
  const text = env.MILLRACE_SECRET?.trim();
  return text === undefined || text === "" ? null : new Secret(text);
}

/** Mode and content of the same open file: it cannot be swapped between the two. */
function readSecretFile(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code === "ENOENT" ? "PATH_NOT_FOUND" : "PERMISSION_DENIED";
    throw new MillraceError(code, `the secret file ${path} cannot be opened`, { fields: { path }, cause: error });
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new MillraceError("INVALID_OPTION", `the secret file ${path} is not a file`, { fields: { path } });
    }
    const mode = stats.mode & 0o777;
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      const found = mode.toString(8).padStart(4, "0");
      throw new MillraceError(
        "PERMISSION_DENIED",
        `the secret file ${path} has mode ${found}, so others may read it: chmod 600 ${path}`,
        { fields: { path, mode: found } },
      );
    }
    const buffer = Buffer.alloc(MAX_BYTES);
    const length = readSync(fd, buffer, 0, MAX_BYTES, 0);
    return buffer.toString("utf8", 0, length).trim();
  } finally {
    closeSync(fd);
  }
}
