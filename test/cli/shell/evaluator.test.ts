// Lines of the prompt: what one declares later lines and captured functions see, errors have the user's places, and a text that
// breaks off is told from one that is wrong.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { IncompleteLine } from "../../../src/cli/shell/compile-line.js";
import { Evaluator } from "../../../src/cli/shell/evaluator.js";
import { Variables } from "../../../src/cli/shell/variables.js";
import { Capturer, Reviver } from "../../../src/closure/index.js";
import type { FunctionRef } from "../../../src/plan/function.js";

const own = { hi: { own: true } };
const before = process.cwd();
let folder = "";
let evaluator: Evaluator;
let notes: string[];

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "millrace-shell-")));
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  notes = [];
  evaluator = new Evaluator(new Variables({ trip }), own, new Map(), (text) => notes.push(text));
});

/** The function as a task has it. */
function trip<T extends (...args: never[]) => unknown>(fn: T): T {
  const ref = new Capturer({ reference: () => undefined, bundlePackages: false }).capture(fn, "map");
  return new Reviver({ dereference: () => undefined, moduleRoots: [] }).revive(ref) as T;
}

async function run(...lines: string[]): Promise<unknown> {
  let value: unknown;
  for (const line of lines) value = await evaluator.compile(line)();
  return value;
}

describe("a later line and a captured function see", () => {
  test.each<[string, string[], unknown]>([
    ["const, let and var", ["const a: number = 1", "let b = 2", "var c = 3", "trip(() => [a, b, c])()"], [1, 2, 3]],
    [
      "patterns",
      ["const { a, b: [c, ...d], e = 5 } = { a: 1, b: [2, 3] } as any", "trip(() => [a, c, d, e])()"],
      [1, 2, [3], 5],
    ],
    ["names of one line", ["let a = 1, b = a + 1, c", "trip(() => [a, b, c])()"], [1, 2, undefined]],
    [
      "functions that call functions",
      ["const two = () => 2", "function four() { return two() * 2 }", "trip(() => four())()"],
      4,
    ],
    ["functions above their declaration", ["const x = later()\nfunction later() { return 7 }", "x"], 7],
    [
      "classes and what they extend",
      [
        "class A { constructor(readonly v: number) {} }",
        "class B extends A { get twice() { return this.v * 2 } }",
        "trip(() => new B(4).twice)()",
      ],
      8,
    ],
    ["enums", ["enum Color { Red, Green }", "trip((x: number) => Color[x])(1)"], "Green"],
    ["what was assigned since", ["let n = 1", "const f = () => n", "n = 5", "[f(), trip(f)()]"], [5, 5]],
    ["what was declared anew since", ["const n = 1", "const f = () => n", "const n = 9", "[f(), trip(f)()]"], [9, 9]],
    [
      "var of loops and blocks",
      ["for (var i = 0; i < 3; i++) { var { d } = { d: i } }", "for (var k of [7, 8]) ;", "[i, d, k]"],
      [3, 2, 8],
    ],
    ["awaited values", ["const a = await Promise.resolve(4)", "trip(() => a)()"], 4],
    [
      "names of globals",
      ["const process = 1, performance = 2, Array = 3", "trip(() => process + performance + Array)()"],
      6,
    ],
    [
      "a variable that functions of several lines share",
      ["let n = 0", "const up = () => ++n", "const now = () => n", "trip(() => { up(); up(); return now() })()"],
      2,
    ],
    ["exported lists and values", ["const a = 1; export { a }; export default class {}", "trip(() => a)()"], 1],
    ["exported things", ["export const a = 1; export default function f() { return a }", "trip(f)()"], 1],
  ])("%s", async (_what, lines, value) => {
    expect(await run(...lines)).toEqual(value);
  });
});

test("names do not get out of the prompt", async () => {
  await run("const process = 1; var Map = 2");
  expect(globalThis.process.pid).toBeGreaterThan(0);
  expect(new Map()).toBeInstanceOf(Map);
});

test("a constant cannot be assigned, and keeps its value", async () => {
  await run("const a = 1");
  await expect(run("a = 2")).rejects.toThrow(TypeError);
  expect(await run("a")).toBe(1);
});

test("a declaration that fails leaves what was there, or nothing", async () => {
  await run("const a = 1");
  await expect(run("const a = null!.x")).rejects.toThrow(TypeError);
  await expect(run("const b = null!.x")).rejects.toThrow(TypeError);
  expect(await run("a")).toBe(1);
  await expect(run("b")).rejects.toThrow("b is not defined");
});

test("the value is that of the last statement, a promise's result, an object rather than a block", async () => {
  expect(await run("1; 2")).toBe(2);
  expect(await run("Promise.resolve(3)")).toBe(3);
  expect(await run("{ a: 1 }")).toEqual({ a: 1 });
  expect(await run("{ let a = 1; a }")).toBeUndefined();
  expect(await run("const a = 1")).toBeUndefined();
  expect(await run("interface Visit { page: string }")).toBeUndefined();
  expect(await run('"text"')).toBe("text");
});

describe("imports", () => {
  test("of Node, of a package and of millrace travel as references", async () => {
    await run(
      'import { basename as base } from "node:path"',
      'import * as path from "node:path"',
      'import { hi } from "millrace"',
    );
    expect(await run('trip(() => base("/a/b") + path.extname("c.d"))()')).toBe("b.d");
    expect(await run("hi")).toBe(own.hi);
    expect(await run('(await import("millrace")).hi')).toBe(own.hi);
    const capture = await run("() => base");
    const bytes = new Capturer({ reference: () => undefined, bundlePackages: false }).capture(
      capture as () => void,
      "map",
    );
    expect(Buffer.from(bytes.bytes).toString("latin1")).toContain("node:path");
  });

  test("of a package's class travel by where it is exported: its source may need what cannot travel", async () => {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(join(before, "node_modules/lru-cache"), join(folder, "node_modules/lru-cache"), "dir");
    // Its constructor publishes to a channel of node:diagnostics_channel.
    await run('import { LRUCache } from "lru-cache"');
    const fn = (await run("(max: number) => new LRUCache({ max }).max")) as (max: number) => number;
    const refs = [1, 2].map(() =>
      new Capturer({ reference: () => undefined, bundlePackages: false }).capture(fn, "map"),
    );
    expect(refs[0]?.classes).toEqual([expect.stringMatching(/^\w+@[\w-]{22}$/)]);
    expect(refs[1]?.classes).toEqual(refs[0]?.classes);
    const reviver = new Reviver({ dereference: () => undefined, moduleRoots: [] });
    await reviver.prepare(refs[0] as FunctionRef);
    expect((reviver.revive(refs[0] as FunctionRef) as typeof fn)(3)).toBe(3);
  });

  test("of the user's own file are run anew by each import, TypeScript too", async () => {
    writeFileSync(join(folder, "lib.ts"), "export const add = (a: number, b: number): number => a + b + 0;\n");
    await run('import { add } from "./lib.js"', "const first = add");
    expect(await run("trip(() => add(1, 2))()")).toBe(3);
    writeFileSync(join(folder, "lib.ts"), "export const add = (a: number, b: number): number => a + b + 100;\n");
    await run('import { add } from "./lib"');
    expect(await run("[trip(first)(1, 2), trip(add)(1, 2)]")).toEqual([3, 103]);
  });

  test("of what is not there fail, and of what may be a type are noted", async () => {
    await expect(run('import { x } from "no-such-package"')).rejects.toMatchObject({ code: "MODULE_NOT_FOUND" });
    await expect(run('import { x } from "./no-such-file"')).rejects.toMatchObject({ code: "MODULE_NOT_FOUND" });
    await run('import { basename, PathLike } from "node:path"');
    expect(notes).toEqual(["node:path has no export PathLike: PathLike is taken for a type"]);
  });

  test("a name that is declared anew is no import any more", async () => {
    await run('import { basename } from "node:path"', 'const basename = (x: string) => "mine " + x');
    expect(await run('trip(() => basename("a"))()')).toBe("mine a");
  });
});

test.each(["function f() {", "const a =", "[1, 2", "`a\n", "/* a", "if (true) {", "f(() => {\n  return 1;"])(
  "%j breaks off",
  (text) => {
    expect(() => evaluator.compile(text)).toThrow(IncompleteLine);
  },
);

test("what is wrong is told with its place and does not count as a line", async () => {
  expect(() => evaluator.compile("const x: number = ;")).toThrow(
    'Unexpected ";" (<line 1>:1:19)\n  const x: number = ;\n                    ^',
  );
  expect(() => evaluator.compile("const x: number = ;")).not.toThrow(IncompleteLine);
  expect(() => evaluator.compile('const x = "a\n')).not.toThrow(IncompleteLine);
  const { stack } = (await run("bad").catch((error: unknown) => error)) as Error;
  expect(stack).toContain(`ReferenceError: bad is not defined\n    at ${folder}/<line 1>:1:1\n`);
});

test.each([
  ["\n\n  null!.x", "3:9"],
  ["const a: number = 1;\nconst b: string = null!.x;", "2:25"],
  ["class A { f(): void { null!.x } }\nnew A().f();", "1:29"],
  ['import { basename } from "node:path";\nbasename(null!.x)', "2:16"],
  ["type T = number;\nfunction f(x: T): T { return null!.x }\nf(1)", "2:36"],
])("an error in %j has its place", async (text, place) => {
  const { stack } = (await run(text).catch((error: unknown) => error)) as Error;
  expect(/<line 1>:(\d+:\d+)/.exec(stack as string)?.[1]).toBe(place);
});
