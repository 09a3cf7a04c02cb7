// What the compiler says of programs that use the package as its users do: its own declarations, Node's types, `strict`.

import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { writeTree } from "../support/scratch.js";
import { root } from "./markdown.js";

/** A user's project in `folder`: the package, Arrow and Node's types, and these files. */
export function makeProject(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/millrace"), "dir");
  for (const name of ["apache-arrow", "@types/node"])
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "dir");
  writeTree(folder, { "package.json": '{ "type": "module" }', ...files });
}

export interface Program {
  readonly folder: string;
  readonly source: string;
  /** Where a line of `source` comes from, for messages. */
  place(line: number): string;
}

const NAME = "checked.ts";

/** The compiler's errors, each with its place. All programs are checked in one go. */
export function typeErrors(programs: readonly Program[]): string[] {
  for (const { folder, source } of programs) writeTree(folder, { [NAME]: source });
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  const flags = ["--noEmit", "--strict", "--pretty", "false", "--module", "nodenext", "--target", "es2023"];
  const files = programs.map(({ folder }) => join(folder, NAME));
  const { stdout, stderr, status } = spawnSync(process.execPath, [tsc, ...flags, "--types", "node", ...files], {
    cwd: programs[0]!.folder,
    encoding: "utf8",
  });
  const lines = stdout.trim() === "" ? [] : stdout.trim().split("\n");
  if (status !== 0 && lines.length === 0) throw new Error(`tsc ended with ${status}: ${stderr}`);
  return lines.map((line) => {
    const [, path, at, said] = /^(.*)\/?checked\.ts\((\d+),\d+\): (.*)$/.exec(line) ?? [];
    const end = path?.replace(/^(\.\.\/)+|\/$/g, "");
    const program = programs.find(({ folder }) => end !== undefined && folder.endsWith(end));
    return program === undefined ? line : `${program.place(Number(at))}: ${said}`;
  });
}
