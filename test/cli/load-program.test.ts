// Programs anywhere on disk, without package.json or node_modules, loaded as `millrace run` does.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadProgram } from "../../src/cli/load-program.js";
import { Capturer, mapStack, Reviver } from "../../src/closure/index.js";

/** What the programs hand over; none of them all of it. */
interface Out {
  readonly argv: readonly string[];
  readonly hi: { readonly own: boolean };
  readonly x: string;
  readonly text: string;
  readonly version: number;
  readonly deep: { readonly version: number; readonly required: number; readonly place: readonly string[] };
  readonly here: () => string;
  readonly fn: (x: number) => { readonly v: number };
  readonly join: () => string;
  readonly boom: () => never;
  readonly meta: () => string;
}
let folder = "";
const argv = process.argv;

const own = () => pathToFileURL(join(folder, "own.mjs")).href;
async function run(name: string, text: string, ...args: string[]): Promise<Out> {
  const path = join(folder, name);
  writeFileSync(path, text);
  await loadProgram(path, args, own());
  return (globalThis as unknown as { out: Out }).out;
}
const trip = <T extends (...args: never[]) => unknown>(fn: T): T => {
  const ref = new Capturer({ reference: () => undefined, bundlePackages: false }).capture(fn, "map");
  return new Reviver({ dereference: () => undefined, moduleRoots: [] }).revive(ref) as T;
};

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "millrace-load-")));
  writeFileSync(join(folder, "own.mjs"), "export const hi = { own: true };");
  writeFileSync(
    join(folder, "lib.ts"),
    `import { basename } from "node:path";
export const here = (s: string): string => basename(s) + ":" + basename(import.meta.url);
export class Box { constructor(readonly v: number) {} }
`,
  );
});
afterAll(() => {
  process.argv = argv;
  rmSync(folder, { recursive: true });
});

test("a TypeScript program with top-level await runs, and its functions can be captured", async () => {
  const out = await run(
    "main.ts",
    `import { hi } from "millrace";
import { here, Box } from "./lib.js";
import path, { join as j } from "node:path";

interface Unused { a: string }
const base: number = await Promise.resolve(41);
(globalThis as any).out = { argv: process.argv.slice(1), here: () => here("a/b"), hi, fn: (x: number) => new Box(x + base), join: () => j("a", path.sep), boom: () => {
  throw new Error("boom");
} };
`,
    "one",
    "--two",
  );
  expect(out.argv).toEqual([join(folder, "main.ts"), "one", "--two"]);
  expect(out.hi).toBe(((await import(own())) as Out).hi);
  expect(trip(out.here)()).toBe("b:lib.ts");
  expect(trip(out.fn)(1).v).toBe(42);
  expect(trip(out.join)()).toBe("a/");
  for (const boom of [out.boom, trip(out.boom)]) {
    try {
      boom();
      expect.unreachable();
    } catch (error) {
      expect(mapStack((error as Error).stack as string)).toContain(`${join(folder, "main.ts")}:8:9`);
    }
  }
});

test("a CommonJS program has require, module and __filename", async () => {
  const out = await run(
    "old.cjs",
    `const fs = require("fs"); const m = require("millrace"); const k = 3;
module.exports = 1;
globalThis.out = { x: __filename, hi: m.hi, join: () => fs.existsSync(__filename) && k };`,
  );
  expect([out.x, out.hi.own, trip(out.join)()]).toEqual([join(folder, "old.cjs"), true, 3]);
});

test("strings that look like modules' syntax stay; every file has its own place and its own packages", async () => {
  const inner = join(folder, "inner");
  for (const [at, version] of [
    [folder, 1],
    [inner, 2],
  ] as const) {
    mkdirSync(join(at, "node_modules/thing"), { recursive: true });
    writeFileSync(join(at, "node_modules/thing/package.json"), `{ "name": "thing", "version": "${version}.0.0" }`);
    writeFileSync(join(at, "node_modules/thing/index.js"), `exports.version = ${version};`);
  }
  writeFileSync(
    join(inner, "deep.ts"),
    `import { version } from "thing";
export { version };
export const place = [__dirname, import.meta.url, "import.meta.url"];
export const required = require("thing").version;
`,
  );
  const out = await run(
    "texts.ts",
    `import { fileURLToPath } from "node:url";
import { version } from "thing";
import * as deep from "./inner/deep.js";
const __filename = fileURLToPath(import.meta.url);
const text = \`
import x from "y";
export { x };
\${__filename}\`;
const { hi } = await import("millrace");
(globalThis as any).out = { text, hi, version, deep, meta: () => import.meta.url };
`,
  );
  expect(out.text).toBe(`\nimport x from "y";\nexport { x };\n${join(folder, "texts.ts")}`);
  expect([out.hi.own, out.version, out.deep.version, out.deep.required]).toEqual([true, 1, 2, 2]);
  expect(out.deep.place).toEqual([inner, pathToFileURL(join(inner, "deep.ts")).href, "import.meta.url"]);
  expect(trip(out.meta)()).toBe(pathToFileURL(join(folder, "texts.ts")).href);
});

test("a syntax error and a missing import are PROGRAM_FAILED with their place", async () => {
  await expect(run("bad.ts", "const a: number = ;\n")).rejects.toMatchObject({
    code: "PROGRAM_FAILED",
    message: expect.stringMatching(/bad\.ts:1:19/),
  });
  await expect(run("miss.ts", 'import x from "nope-nope";\nconsole.log(x);')).rejects.toMatchObject({
    code: "PROGRAM_FAILED",
    message: expect.stringMatching(/nope-nope/),
  });
  await expect(run("gone.ts", 'import "./gone-away.js";')).rejects.toMatchObject({
    code: "PROGRAM_FAILED",
    message: expect.stringMatching(/gone-away/),
  });
  await expect(loadProgram(join(folder, "none.ts"), [])).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});
