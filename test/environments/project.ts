// A user's project in a directory of its own: one program in every form that users write or build, with a helper module, a
// CommonJS package and an ES package of several files beside it. Each form prints, for every master named in its arguments,
// the same line of JSON.

import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { writeTree } from "../support/scratch.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const cli = join(root, "dist/cli.js");
export const MASTERS = ["local", "local[2]", "local-cluster[2,1,512m]"] as const;

const DEADLINE_MS = 100_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `node ...command` in `cwd` and takes what it says; killed after 100 s. */
export function runNode(
  command: readonly string[],
  { cwd, env = {}, input = "" }: { cwd: string; env?: NodeJS.ProcessEnv; input?: string },
): Promise<Ended> {
  // A test runner's own variables would make its child believe that it is a worker of this runner.
  const { NODE_OPTIONS: _options, VITEST: _vitest, VITEST_WORKER_ID: _id, ...outer } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, {
      cwd,
      timeout: DEADLINE_MS,
      killSignal: "SIGKILL",
      env: { ...outer, MILLRACE_EVENT_LOG_ENABLED: "false", NO_COLOR: "1", ...env },
    });
    child.stdin.end(input);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The packages that the program uses, below `folder`; `millrace` is this repository, as `npm link` would have it. */
export function installPackages(folder: string): void {
  writeTree(join(folder, "node_modules"), {
    "cjs-words/package.json": '{ "name": "cjs-words", "version": "1.2.0", "main": "index.js" }',
    "cjs-words/index.js": `const SUFFIX = "!";
class Shout { constructor(text) { this.text = text; } toString() { return this.text.toUpperCase() + SUFFIX; } }
exports.shout = (text) => String(new Shout(text));
exports.Shout = Shout;
`,
    "esm-words/package.json":
      '{ "name": "esm-words", "version": "3.0.1", "type": "module", "exports": { ".": "./lib/index.js" } }',
    "esm-words/lib/index.js": `import { vowels } from "./vowels.js";
export function countVowels(text) { let n = 0; for (const letter of text) if (vowels.has(letter)) n++; return n; }
export default function reverse(text) { return [...text].reverse().join(""); }
`,
    "esm-words/lib/vowels.js": 'export const vowels = new Set("aeiou");\n',
  });
}

export function linkMillrace(folder: string): void {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/millrace"), "dir");
}

export const helperSource = `export const FACTOR: number = 3;
export class Point {
  constructor(readonly x: number, readonly y: number) {}
  get norm(): number { return Math.hypot(this.x, this.y); }
}
export class Point3 extends Point {
  constructor(x: number, y: number, readonly z: number) { super(x, y); }
  override get norm(): number { return Math.hypot(super.norm, this.z); }
}
export function triple(x: number): number { return x * FACTOR; }
`;

const staticEsm = 'import reverse, { countVowels } from "esm-words";';
// What CommonJS programs do on every Node and under tsx, whose require cannot load an ES package of several files.
const dynamicEsm = 'const { default: reverse, countVowels } = await import("esm-words");';

/** The imports and declarations, by how the helper is named. */
const head = (helper: string, form: Form) => `import { basename } from "node:path";
import * as os from "node:os";
import { Session } from "millrace";
import { shout } from "cjs-words";
${form === "esm" ? staticEsm : ""}
import { Point, Point3, triple } from "${helper}";

const OFFSET: number = 7;
const table = new Map([["a", 1], ["b", 2]]);
class Counter {
  #hidden = OFFSET;
  constructor(readonly word: string) {}
  value(): number { return this.word.length + this.#hidden; }
}
function factorial(n: number): number { return n <= 1 ? 1 : n * factorial(n - 1); }
`;

/** Everything that a session on `master` is asked; leaves `results`. Jest has no module URL in CommonJS, so that is apart. */
const body = (form: Form) => `
    ${form === "esm" ? "" : dynamicEsm}
    const session = await Session.open({ master, appName: "environments" });
    const local = "captured";
    const words = session.parallelize(["one", "three", "four", "eleven"], 2);
    const numbers = session.range(0, 3, 1, 2);
    const results = {
      constant: await words.map((w) => w.length + OFFSET).collect(),
      local: await words.map((w) => \`\${local} \${w}\`).take(1),
      map: await session.parallelize(["a", "b"], 2).map((k) => table.get(k)).collect(),
      privateField: await words.map((w) => new Counter(w).value()).collect(),
      recursion: await numbers.map((n) => factorial(n + 3)).collect(),
      helper: await numbers.map((n) => triple(n)).collect(),
      instancesOut: (await numbers.map((n) => (n % 2 === 0 ? new Point(n, 0) : new Point3(n, 2, 2))).collect())
        .map((p) => [p instanceof Point, p instanceof Point3, p.norm]),
      instancesIn: await session.parallelize([new Point(3, 4), new Point3(1, 2, 2)], 2)
        .map((p) => [p instanceof Point3, p.norm]).collect(),
      node: await words.map((w) => basename(\`/a/\${w}.txt\`, ".txt") + os.EOL.length).collect(),
      cjs: await words.map((w) => shout(w)).collect(),
      esm: await words.map((w) => countVowels(w)).collect(),
      esmDefault: await words.map((w) => reverse(w)).collect(),
      dynamicCjs: await words.map(async (w) => (await import("cjs-words")).shout(w)).collect(),
      dynamicEsm: await words.map(async (w) => (await import("esm-words")).countVowels(w)).collect(),
      pairs: await words.map((w) => [countVowels(w), 1]).reduceByKey((a, b) => a + b).sortByKey().collect(),
    };
    await session.stop();
`;

/** What every form prints for every master. */
export const expected = {
  constant: [10, 12, 11, 13],
  local: ["captured one"],
  map: [1, 2],
  privateField: [10, 12, 11, 13],
  recursion: [6, 24, 120],
  helper: [0, 3, 6],
  instancesOut: [
    [true, false, 0],
    [true, true, 3],
    [true, false, 2],
  ],
  instancesIn: [
    [false, 5],
    [true, 3],
  ],
  node: ["one1", "three1", "four1", "eleven1"],
  cjs: ["ONE!", "THREE!", "FOUR!", "ELEVEN!"],
  esm: [2, 2, 2, 3],
  esmDefault: ["eno", "eerht", "ruof", "nevele"],
  dynamicCjs: ["ONE!", "THREE!", "FOUR!", "ELEVEN!"],
  dynamicEsm: [2, 2, 2, 3],
  pairs: [
    [2, 3],
    [3, 1],
  ],
};

export type Form = "esm" | "cjs";

/** TypeScript that runs on the masters in its arguments. */
export function programSource(helper: string, form: Form): string {
  const end = form === "esm" ? "await main();" : "main();";
  return `${head(helper, form)}
async function main(): Promise<void> {
  for (const master of process.argv.slice(2)) {${body(form)}
    console.log(JSON.stringify(results));
  }
}
${end}
`;
}

/** A test file for vitest or Jest, which compares by itself. */
export function testSource(helper: string, form: Form, imports: string): string {
  return `${imports}
${head(helper, form)}
test.each(${JSON.stringify(MASTERS)})("%s", async (master) => {${body(form)}
  expect(JSON.parse(JSON.stringify(results))).toEqual(${JSON.stringify(expected)});
}, 90_000);
`;
}

export function toJavaScript(source: string, format: Form): string {
  return transformSync(source, { loader: "ts", format, platform: "node", target: "node20", sourcemap: "inline" }).code;
}
