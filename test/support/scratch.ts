// A directory of a test's own, removed when the test's file ends.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

/** Call at the top of a test file or of a describe. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "millrace-test-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Writes files below `directory`, making what is missing: { "a/b.txt": "content" }. */
export function writeTree(directory: string, tree: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}
