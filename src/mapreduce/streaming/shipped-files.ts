// Files that go with a job (-files, -file): read in the driver, and put by their names into the working directory of every
// task, executable. A directory goes with all that is in it; `path#name` gives another name, as Hadoop has it.

import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MillraceError } from "../../core/errors.js";

export interface ShippedFile {
  /** Below the working directory. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Throws PATH_NOT_FOUND, and INVALID_ARGUMENT where two have one name. */
export function readShippedFiles(paths: readonly string[], workingDirectory: string): ShippedFile[] {
  const files = paths.flatMap((path) => {
    const [, given = path, alias] = /^(.+?)(?:#([^#/]+))?$/.exec(path) ?? [];
    const from = resolve(workingDirectory, given);
    return readTree(from, alias ?? basename(from), path);
  });
  const names = new Set<string>();
  for (const { name } of files) {
    if (names.has(name))
      throw new MillraceError(
        "INVALID_ARGUMENT",
        `streaming: two of the files are called ${name}; rename one: path#name`,
        {
          fields: { file: name },
        },
      );
    names.add(name);
  }
  return files;
}

function readTree(from: string, name: string, given: string): ShippedFile[] {
  try {
    if (!statSync(from).isDirectory()) return [{ name, bytes: Uint8Array.from(readFileSync(from)) }];
    return readdirSync(from)
      .sort()
      .flatMap((child) => readTree(join(from, child), `${name}/${child}`, given));
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError(
      "PATH_NOT_FOUND",
      `streaming: the file ${given} cannot be read: ${(error as Error).message}`,
      {
        fields: { path: from },
        cause: error,
      },
    );
  }
}

/** Makes the working directory of a task. */
export function placeFiles(directory: string, files: readonly ShippedFile[]): void {
  mkdirSync(join(directory, "tmp"), { recursive: true });
  for (const { name, bytes } of files) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    chmodSync(path, 0o755);
  }
}
