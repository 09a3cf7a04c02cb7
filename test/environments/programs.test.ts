// The same program in every form that users write, build and test it, on masters `local`, `local[2]` and local-cluster: its
// functions, classes, helpers and packages arrive in the tasks everywhere.

import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import {
  cli,
  type Ended,
  expected,
  helperSource,
  installPackages,
  linkMillrace,
  MASTERS,
  programSource,
  root,
  runNode,
  testSource,
  toJavaScript,
} from "./project.js";

const TIMEOUT_MS = 120_000;
const folder = scratchDirectory();
const at = (name: string) => join(folder, name);

function expectSameEverywhere({ code, stdout, stderr }: Ended): void {
  expect(stderr.replace(/^(?:Debugger listening|For help, see).*\n/gm, "")).toBe("");
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(MASTERS.length);
  for (const line of lines) expect(JSON.parse(line)).toEqual(expected);
}

describe("millrace run, without an install of millrace", () => {
  beforeAll(() => {
    installPackages(at("run"));
    writeTree(at("run"), {
      "helper.ts": helperSource,
      "helper.mjs": toJavaScript(helperSource, "esm"),
      "helper.cjs": toJavaScript(helperSource, "cjs"),
      "main.ts": programSource("./helper", "esm"),
      "main.cts": programSource("./helper", "cjs"),
      "main.mjs": toJavaScript(programSource("./helper.mjs", "esm"), "esm"),
      "main.cjs": toJavaScript(programSource("./helper.cjs", "cjs"), "cjs"),
    });
  });

  test.each(["main.ts", "main.cts", "main.mjs", "main.cjs"])(
    "%s without a package.json",
    async (program) => {
      expectSameEverywhere(await runNode([cli, "run", at(`run/${program}`), ...MASTERS], { cwd: root }));
    },
    TIMEOUT_MS,
  );

  test(
    ".ts beside the package.json of npm init -y, which says commonjs",
    async () => {
      writeTree(at("run"), { "package.json": '{ "name": "run", "version": "1.0.0", "type": "commonjs" }' });
      expectSameEverywhere(await runNode([cli, "run", "main.ts", ...MASTERS], { cwd: at("run") }));
    },
    TIMEOUT_MS,
  );
});

describe("node and tsx, with millrace installed", () => {
  beforeAll(() => {
    installPackages(folder);
    linkMillrace(folder);
  });

  test(
    "tsx, ES module",
    async () => {
      writeTree(at("tsx"), { "helper.mts": helperSource, "main.mts": programSource("./helper.mjs", "esm") });
      expectSameEverywhere(await runNode(["--import", tsx(), "main.mts", ...MASTERS], { cwd: at("tsx") }));
    },
    TIMEOUT_MS,
  );

  test(
    "tsx, CommonJS",
    async () => {
      writeTree(at("tsx"), { "helper.cts": helperSource, "main.cts": programSource("./helper.cjs", "cjs") });
      expectSameEverywhere(await runNode(["--import", tsx(), "main.cts", ...MASTERS], { cwd: at("tsx") }));
    },
    TIMEOUT_MS,
  );

  test(
    "built by tsc as ES modules, with a debugger's port open",
    async () => {
      writeTree(at("tsc"), {
        "package.json": '{ "type": "module" }',
        "src/helper.ts": helperSource,
        "src/main.ts": programSource("./helper.js", "esm"),
      });
      compile(at("tsc"), ["--module", "nodenext"]);
      expectSameEverywhere(await runNode(["--inspect=127.0.0.1:0", "out/main.js", ...MASTERS], { cwd: at("tsc") }));
    },
    TIMEOUT_MS,
  );

  test(
    "built by tsc as CommonJS",
    async () => {
      writeTree(at("tsc-cjs"), {
        "package.json": '{ "type": "commonjs" }',
        "src/helper.ts": helperSource,
        "src/main.ts": programSource("./helper.js", "cjs"),
      });
      compile(at("tsc-cjs"), ["--module", "nodenext"]);
      expectSameEverywhere(await runNode(["out/main.js", ...MASTERS], { cwd: at("tsc-cjs") }));
    },
    TIMEOUT_MS,
  );

  test(
    "one minified bundle",
    async () => {
      writeTree(at("bundle"), { "helper.ts": helperSource, "main.ts": programSource("./helper.js", "esm") });
      buildSync({
        entryPoints: [at("bundle/main.ts")],
        bundle: true,
        minify: true,
        platform: "node",
        format: "esm",
        packages: "external",
        outfile: at("bundle/out.mjs"),
      });
      expectSameEverywhere(await runNode(["out.mjs", ...MASTERS], { cwd: at("bundle") }));
    },
    TIMEOUT_MS,
  );
});

describe("test runners, with millrace installed", () => {
  beforeAll(() => {
    for (const project of ["vitest", "jest"]) {
      installPackages(at(project));
      linkMillrace(at(project));
      writeTree(at(project), {
        "helper.ts": helperSource,
        "helper.mjs": toJavaScript(helperSource, "esm"),
        "helper.cjs": toJavaScript(helperSource, "cjs"),
      });
    }
  });

  test(
    "vitest",
    async () => {
      const imports = 'import { expect, test } from "vitest";';
      writeTree(at("vitest"), { "program.test.ts": testSource("./helper.js", "esm", imports) });
      linkPackage("vitest", "vitest");
      const { code, stdout, stderr } = await runNode([join(packageFolder("vitest"), "vitest.mjs"), "run"], {
        cwd: at("vitest"),
      });
      expect(stdout + stderr).toMatch(/Tests +3 passed/);
      expect(code).toBe(0);
    },
    TIMEOUT_MS,
  );

  test.each([
    ["an ES module", "esm", "mjs", ["--experimental-vm-modules"]],
    ["CommonJS", "cjs", "cjs", ["--experimental-vm-modules"]],
  ] as const)(
    "Jest, a test that is %s",
    async (_name, form, extension, flags) => {
      writeTree(at("jest"), {
        "jest.config.cjs": 'module.exports = { testMatch: ["**/*.test.[cm]js"], transform: {} };',
        [`${form}.test.${extension}`]: toJavaScript(testSource(`./helper.${extension}`, form, ""), form),
      });
      const jest = join(packageFolder("jest"), "bin/jest.js");
      const { code, stderr } = await runNode([...flags, jest, "--no-watchman", `${form}.test`], { cwd: at("jest") });
      expect(stderr).toMatch(/Tests: +3 passed/);
      expect(code).toBe(0);
    },
    TIMEOUT_MS,
  );
});

function tsx(): string {
  return join(packageFolder("tsx"), "dist/loader.mjs");
}

function packageFolder(name: string): string {
  return join(root, "node_modules", name);
}

/** As installed in the user's project. */
function linkPackage(project: string, name: string): void {
  symlinkSync(packageFolder(name), at(`${project}/node_modules/${name}`), "dir");
}

function compile(project: string, flags: readonly string[]): void {
  const tsc = join(packageFolder("typescript"), "bin/tsc");
  const options = [
    "--rootDir",
    "src",
    "--outDir",
    "out",
    "--target",
    "es2022",
    "--skipLibCheck",
    "--noCheck",
    "--sourceMap",
  ];
  const { status, stdout } = spawnSync(process.execPath, [tsc, "src/main.ts", ...options, ...flags], {
    cwd: project,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`tsc ended with ${status}:\n${stdout}`);
}
