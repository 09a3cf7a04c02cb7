// The same program under tsx as ESM and CommonJS, as plain ESM and CommonJS, and with a debugger port open: its functions are
// captured there and revived in a thread of its own.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { build, transformSync } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder = "";

const helper = `export const factor: number = 3;
export function triple(x: number): number { return x * factor; }
export class Point { constructor(readonly x: number) {} get double() { return this.x * 2; } }
`;
const imports = (extension: string) => `import path, { basename } from "node:path";
import picomatch from "picomatch";
import { triple, Point } from "./helper${extension}";
`;
const body = `
const K: number = 4;
let counter = 0;
class A { static s = 1; v = K; me() { return this.v + A.s; } }
class B extends A { override me() { return super.me() + 1; } }
const fns: Record<string, () => unknown> = {
  constant: () => K,
  classes: () => new B().me(),
  node: () => basename("/q/w") + path.sep,
  packaged: () => picomatch("*.ts")("a.ts"),
  dynamic: async () => (await import("node:os")).EOL,
  helper: () => triple(2) + new Point(3).double,
  count: () => ++counter,
  boom: () => { throw new Error("x"); },
};
async function main() {
  const { Capturer, mapStack } = await import("./closure.mjs");
  const capturer = new Capturer({ reference: () => undefined, bundlePackages: false });
  const refs = Object.fromEntries(Object.entries(fns).map(([name, fn]) => [name, capturer.capture(fn, name)]));
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(process.argv[2], { workerData: refs, execArgv: [] });
  worker.on("message", (out) => console.log(JSON.stringify({ ...out, boom: mapStack(out.boom) })));
}
main();
`;
const slot = `import { parentPort, workerData } from "node:worker_threads";
import { Reviver } from "./closure.mjs";
const reviver = new Reviver({ dereference: (x) => x, moduleRoots: [] });
const out = {};
for (const [name, ref] of Object.entries(workerData)) {
  await reviver.prepare(ref);
  try { out[name] = await reviver.revive(ref)(); } catch (error) { out[name] = error.stack.split("\\n")[1]; }
}
parentPort.postMessage(out);
`;

beforeAll(async () => {
  folder = mkdtempSync(join(import.meta.dirname, "run-"));
  const external = ["esbuild", "acorn", "eslint-scope", "@jridgewell/trace-mapping"];
  await build({
    entryPoints: [join(import.meta.dirname, "../../src/closure/index.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: join(folder, "closure.mjs"),
    external,
  });
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const js = (text: string, format: "esm" | "cjs") =>
    transformSync(text, { loader: "ts", format, target: "node20", sourcemap: "inline", sourcefile: "main.mts" }).code;
  put("slot.mjs", slot);
  for (const extension of [".mts", ".cts"]) {
    put(`helper${extension}`, helper);
    put(`main${extension}`, imports(extension) + body);
  }
  put("helper.mjs", js(helper, "esm"));
  put("helper.cjs", js(helper, "cjs"));
  put("main.mjs", js(imports(".mjs") + body, "esm"));
  put("main.cjs", js(imports(".cjs") + body, "cjs"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tsx = ["--import", "tsx"];
test.each([
  ["tsx, ESM", tsx, "main.mts"],
  ["tsx, CommonJS", tsx, "main.cts"],
  ["ESM", [], "main.mjs"],
  ["CommonJS", [], "main.cjs"],
  ["ESM with an inspector listening", ["--inspect=127.0.0.1:0"], "main.mjs"],
])("functions of a program under %s run in a slot", async (_name, flags, program) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, join(folder, program), join(folder, "slot.mjs")],
    { timeout: 50_000 },
  );
  const { boom, ...out } = JSON.parse(stdout);
  expect(out).toEqual({ constant: 4, classes: 6, node: "w/", packaged: true, dynamic: "\n", helper: 12, count: 1 });
  expect(boom).toMatch(/main\.[mc]ts:17:2\d/);
});
