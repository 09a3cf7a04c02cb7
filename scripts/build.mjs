// Builds dist/: protobuf code (src/rpc/generated, not kept in git), one bundle an entry, type declarations for both module
// systems. Bundles are made first and each by itself, so that an entry that does not compile keeps no other one back; any
// failure ends with exit code 1 after everything else was tried. Files appear by rename: a reader never sees half of one.
//
//   node scripts/build.mjs              everything
//   node scripts/build.mjs --if-stale   nothing, if dist is newer than its sources
//   node scripts/build.mjs --no-types   without declarations

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleOptions, ENTRIES } from "./bundles.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const stamp = join(dist, ".built");
const require = createRequire(import.meta.url);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const options = new Set(process.argv.slice(2));
const started = performance.now();
const failures = [];

if (options.has("--if-stale") && !isStale()) process.exit(0);
mkdirSync(dist, { recursive: true });
generateProtobuf();
await Promise.all(ENTRIES.map(bundle));
if (!options.has("--no-types")) declareTypes();

if (failures.length > 0) {
  for (const failure of failures) console.error(`build: ${failure}`);
  process.exit(1);
}
if (!options.has("--no-types")) writeFileSync(stamp, "");
console.log(`built dist/ in ${Math.round(performance.now() - started)} ms`);

function isStale() {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  const sources = [
    "src",
    "proto",
    "bench",
    "test/simulation",
    "scripts/build.mjs",
    "scripts/bundles.mjs",
    "package-lock.json",
    "tsconfig.json",
  ];
  return sources.some((source) => newest(join(root, source)) > built);
}

/** Latest modification below a path; 0 when there is nothing. Generated code and data do not count. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return readdirSync(path)
    .filter((name) => name !== "generated" && name !== "data" && name !== "results")
    .reduce((latest, name) => Math.max(latest, newest(join(path, name))), stats.mtimeMs);
}

/** Takes 2 s, so only when a .proto, this script or the generator changed. */
function generateProtobuf() {
  const folder = join(root, "src/rpc/generated");
  const out = join(folder, "messages.js");
  const protos = readdirSync(join(root, "proto"))
    .filter((name) => name.endsWith(".proto"))
    .map((name) => join(root, "proto", name));
  const generator = require.resolve("protobufjs-cli/package.json");
  const inputs = [...protos, generator, fileURLToPath(import.meta.url)];
  const types = join(folder, "messages.d.ts");
  if (existsSync(out) && existsSync(types) && inputs.every((input) => newest(input) <= statSync(out).mtimeMs)) return;
  const draft = join(folder, `.draft-${process.pid}`);
  mkdirSync(draft, { recursive: true });
  // Only encode and decode are wanted: the codecs in src/rpc do the checking.
  const flags = ["create", "verify", "convert", "delimited", "typeurl", "service"].map((part) => `--no-${part}`);
  const target = ["-t", "static-module", "-w", "esm", "--dts", "-r", "millrace", "--force-number", "--null-semantics"];
  const pbjs = join(dirname(generator), "bin/pbjs");
  run(process.execPath, [
    pbjs,
    ...target,
    ...flags,
    "-p",
    join(root, "proto"),
    "-o",
    join(draft, "messages.js"),
    ...protos,
  ]);
  renameSync(join(draft, "messages.d.ts"), types);
  renameSync(join(draft, "messages.js"), out);
  rmSync(draft, { recursive: true });
}

async function bundle(bundled) {
  const { out, source, executable = false } = bundled;
  const entry = join(root, source);
  if (!existsSync(entry)) {
    console.log(`build: ${out} skipped, ${source} is not there`);
    return;
  }
  const shebang = executable && !readFileSync(entry, "utf8").startsWith("#!") ? "#!/usr/bin/env node\n" : "";
  try {
    const given = bundleOptions({ root, entry: bundled, outdir: dist, version, shebang });
    const result = await build({ ...given, write: false });
    for (const file of result.outputFiles) {
      const draft = `${file.path}.${process.pid}`;
      writeFileSync(draft, file.contents);
      if (executable && file.path.endsWith(out)) chmodSync(draft, 0o755);
      renameSync(draft, file.path);
    }
  } catch (error) {
    const messages = error.errors ?? [{ text: error.message, location: null }];
    for (const { text, location } of messages.slice(0, 5)) {
      failures.push(`${out}: ${location === null ? "" : `${location.file}:${location.line}: `}${text}`);
    }
  }
}

/**
 * dist/types for `import`, dist/types-cjs for `require`: the same files, read as CommonJS because of the package.json
 * beside them. tsc writes declarations even where it finds errors; they count as a failure of the build all the same.
 */
function declareTypes() {
  if (!existsSync(join(root, "src/index.ts"))) {
    console.log("build: declarations skipped, src/index.ts is not there");
    return;
  }
  const draft = join(dist, `.types-${process.pid}`);
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", draft], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0)
    failures.push(`declarations (tsc ended with ${status}):\n${stdout.split("\n").slice(0, 20).join("\n")}`);
  if (!existsSync(draft)) return;
  const generated = join(root, "src/rpc/generated/messages.d.ts");
  if (existsSync(join(draft, "rpc"))) cpSync(generated, join(draft, "rpc/generated/messages.d.ts"));
  for (const name of ["types", "types-cjs"]) {
    const copy = `${draft}-${name}`;
    cpSync(draft, copy, { recursive: true });
    if (name === "types-cjs") writeFileSync(join(copy, "package.json"), '{ "type": "commonjs" }\n');
    rmSync(join(dist, name), { recursive: true, force: true });
    renameSync(copy, join(dist, name));
  }
  rmSync(draft, { recursive: true });
}

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (status === 0) return;
  console.error(`build: ${relative(root, args[0])} ended with ${status}:\n${stdout}${stderr}`);
  process.exit(1);
}
