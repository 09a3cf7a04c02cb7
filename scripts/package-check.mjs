// Checks the package as its users get it: packs dist/ as it stands, has publint and attw (arethetypeswrong) look at the tarball,
// holds its size, installs the tarball into an empty project without
// development dependencies, and there runs the README's program as an ES module and as CommonJS, on threads and on worker
// processes, by node and by the command; has TypeScript check consumers of both kinds; prints the installed size.
//
//   node scripts/package-check.mjs          ends with 1 and says what failed
//
// The registry is asked for the dependencies, as npm is configured. Build first: node scripts/build.mjs.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MAX_INSTALLED_MB = 250;
/** Of the tarball, two thirds of which are source maps. */
const MAX_PACKED_MB = 10;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const work = mkdtempSync(join(tmpdir(), "millrace-package-"));
const project = join(work, "empty-project");
const failures = [];

try {
  install();
  checkContents();
  runPrograms();
  runExamples();
  checkTypes();
  checkSize();
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const failure of failures) console.error(`package: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);

function install() {
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(
    must("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", work], root),
  );
  console.log(
    `packed: ${megabytes(size)} MB (at most ${MAX_PACKED_MB}), ${megabytes(unpackedSize)} MB unpacked, ${entryCount} files`,
  );
  if (size > MAX_PACKED_MB * 1e6) failures.push(`the packed size is above ${MAX_PACKED_MB} MB`);
  checkTarball(join(work, filename));
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true }\n');
  must("npm", ["install", "--no-audit", "--no-fund", "--omit=dev", join(work, filename)], project);
}

/** Entries that no module system can take wrongly, and types that say of each what it is. */
function checkTarball(tarball) {
  for (const [name, ...args] of [
    ["publint", "run", tarball, "--strict"],
    ["attw", tarball, "--no-color", "--no-emoji"],
  ]) {
    const { status, stdout, stderr } = spawnSync(join(root, "node_modules/.bin", name), args, {
      encoding: "utf8",
      timeout: 120_000,
    });
    if (status === 0) console.log(`${name}: nothing found`);
    else failures.push(`${name} ended with ${status}:\n${stdout}${stderr}`);
  }
}

/** What must be there, and what is ours alone. */
function checkContents() {
  const installed = join(project, "node_modules/millrace");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const wanted = [
    "dist/index.js",
    "dist/index.cjs",
    "dist/cli.js",
    "dist/types/index.d.ts",
    "dist/types-cjs/index.d.ts",
    "examples/wordcount.ts",
    "examples/support/arguments.ts",
    "data/king-james-bible.txt",
    "data/README.md",
  ];
  for (const path of [...wanted, "LICENSE", "README.md", "CHANGELOG.md", "docs/README.md"])
    if (!existsSync(join(installed, path))) failures.push(`${path} is not in the package`);
  for (const path of ["src", "test", "bench", "dist/bench.js", "dist/simulate.js", "data/make.mjs"])
    if (existsSync(join(installed, path))) failures.push(`${path} is in the package`);
  const said = must(join(project, "node_modules/.bin/millrace"), ["--version"], project).trim();
  if (said !== version) failures.push(`millrace --version says ${said}, package.json ${version}`);
}

function runPrograms() {
  const text = (open) => `${open}
  const session = await Session.open({ master: process.argv[2], appName: "counts" });
  const counts = session
    .textFile("logs/*.txt")
    .flatMap((line) => line.split(/\\s+/))
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b);
  console.log(JSON.stringify(await counts.top(2, ([, n]) => n)));
  await session.stop();`;
  mkdirSync(join(project, "logs"));
  writeFileSync(join(project, "logs/a.txt"), "one two\ntwo three three\n");
  writeFileSync(join(project, "logs/b.txt"), "three three two\n");
  writeFileSync(join(project, "program.mjs"), text('import { Session } from "millrace";'));
  writeFileSync(join(project, "program.ts"), text('import { Session } from "millrace";'));
  writeFileSync(
    join(project, "program.cjs"),
    `${text('const { Session } = require("millrace");\nasync function main() {')}\n}\nmain();`,
  );
  const cli = join(project, "node_modules/.bin/millrace");
  for (const command of [["program.mjs"], ["program.cjs"], [cli, "run", "program.ts"]]) {
    for (const master of ["local[2]", "local-cluster[2,1,512m]"]) {
      const answer = must(process.execPath, [...command, master], project).trim();
      const name = command.at(-1);
      console.log(`${name} on ${master}: ${answer}`);
      if (answer !== '[["three",4],["two",3]]') failures.push(`${name} on ${master} answered ${answer}`);
    }
  }
}

/** The examples come as files and work on the data beside them, on threads and on processes. */
function runExamples() {
  const cli = join(project, "node_modules/.bin/millrace");
  const listed = JSON.parse(must(cli, ["example", "--json"], project));
  const usual = { grep: ["unicorn"], pi: ["--samples", "10000"] };
  for (const { name } of listed) {
    const answers = ["local[2]", "local-cluster[2,1,512m]"].map((master) =>
      must(cli, ["example", "--master", master, name, ...(usual[name] ?? [])], project),
    );
    console.log(`example ${name}: ${answers[0].split("\n")[0]}`);
    if (answers[0].trim() === "" || answers[0] !== answers[1])
      failures.push(`example ${name} answered on threads:\n${answers[0]}and on processes:\n${answers[1]}`);
  }
  if (listed.length < 8) failures.push(`${listed.length} examples are listed`);
}

/** Types as import and as require see them; nothing of ours may need a flag of the user's. */
function checkTypes() {
  const source = (open) => `${open}
async function main(): Promise<void> {
  const session = await Session.open({ master: "local[2]" });
  const counts: [string, number][] = (await session
    .parallelize(["a", "b", "a"])
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .collect()).map(([word, n]) => [word, n]);
  // @ts-expect-error: a session has no such option
  await Session.open({ mastr: "local" });
  console.log(counts);
}
void main();
`;
  writeFileSync(join(project, "consumer.mts"), source('import { Session } from "millrace";'));
  writeFileSync(join(project, "consumer.cts"), source('import { Session } from "millrace";'));
  const types = join(project, "node_modules/@types");
  if (!existsSync(join(types, "node"))) {
    mkdirSync(types, { recursive: true });
    symlinkSync(join(root, "node_modules/@types/node"), join(types, "node"), "dir");
  }
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...flags, "consumer.mts", "consumer.cts"], {
    cwd: project,
    encoding: "utf8",
  });
  if (status === 0) console.log("types: consumer.mts and consumer.cts check");
  else failures.push(`types (tsc ended with ${status}):\n${stdout.split("\n").slice(0, 20).join("\n")}`);
}

/** Bytes of files, which is what a disk's block size cannot change. Links are not followed. */
function checkSize() {
  const sizes = new Map();
  const folder = join(project, "node_modules");
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const parts = path.slice(folder.length + 1).split("/");
    const name = parts.slice(0, parts[0].startsWith("@") ? 2 : 1).join("/");
    sizes.set(name, (sizes.get(name) ?? 0) + statSync(path).size);
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const largest = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 6);
  console.log(`largest: ${largest.map(([name, size]) => `${name} ${megabytes(size)}`).join(", ")} MB`);
  console.log(`installed size: ${megabytes(total)} MB (at most ${MAX_INSTALLED_MB})`);
  if (total > MAX_INSTALLED_MB * 1e6) failures.push(`the installed size is above ${MAX_INSTALLED_MB} MB`);
}

/** The command's stdout. Ends everything when it fails. */
function must(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 240_000 });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} ended with ${status ?? error?.message}:\n${stdout}${stderr}`);
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
