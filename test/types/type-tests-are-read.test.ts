// vitest passes type tests that its tsconfig does not name, unread. So one that is wrong on purpose must fail.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const bin = (name: string, file: string) => join(dirname(require.resolve(`${name}/package.json`)), file);
const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: here, encoding: "utf8", timeout: 60_000 });

test("a wrong type test fails", () => {
  const run = node(bin("vitest", "vitest.mjs"), "run", "--root", join(here, "must-fail"));
  expect(run.stdout + run.stderr).toContain("words are not numbers");
  expect(run.status).toBe(1);
});

test("the tsconfig of the type tests names every one of them", () => {
  const run = node(bin("typescript", "bin/tsc"), "-p", join(here, "tsconfig.json"), "--listFilesOnly");
  const tests = readdirSync(here).filter((name) => name.endsWith(".test-d.ts"));
  expect(tests.length).toBeGreaterThan(0);
  for (const name of tests) expect(run.stdout).toContain(name);
});
