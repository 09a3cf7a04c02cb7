// The bundles of dist/ and how esbuild makes one: shared by the build and by the tests that build a variant of the engine
// (test/support/variant.ts). One file an entry, pure packages inside; native ones, and those that load files beside
// themselves, stay packages.

import { join } from "node:path";

const EXTERNAL = [
  "apache-arrow",
  "esbuild",
  "@node-rs/crc32",
  "@toondepauw/node-zstd",
  "piscina",
  "@aws-sdk/*",
  "@peculiar/x509",
  "reflect-metadata",
  "@duckdb/*",
  "lmdb",
  "millrace",
];

export const ENTRIES = [
  { out: "index.js", source: "src/index.ts" },
  { out: "index.cjs", source: "src/index.ts", format: "cjs" },
  { out: "service.js", source: "src/session/service-thread/main.ts" },
  { out: "slot.js", source: "src/worker/slot/main.ts" },
  { out: "worker.js", source: "src/worker/main.ts" },
  { out: "cli.js", source: "src/cli/main.ts", executable: true },
  { out: "simulate.js", source: "test/simulation/main.ts" },
  { out: "bench.js", source: "bench/main.ts" },
];

/** What esbuild is told for one entry of the project at `root`. `shebang`: the first line of an executable, or "". */
export function bundleOptions({ root, entry, outdir, version, shebang = "" }) {
  const esm = entry.format !== "cjs";
  // CommonJS packages inside an ESM bundle call require for Node's own modules; import.meta does not exist in CommonJS.
  const banner = esm
    ? 'import { createRequire as __millraceCreateRequire } from "node:module"; const require = __millraceCreateRequire(import.meta.url);'
    : 'const __millraceUrl = require("node:url").pathToFileURL(__filename).href;';
  return {
    entryPoints: [join(root, entry.source)],
    outfile: join(outdir, entry.out),
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    format: esm ? "esm" : "cjs",
    sourcemap: "linked",
    legalComments: "linked",
    minify: false,
    keepNames: false,
    external: EXTERNAL,
    banner: { js: shebang + banner },
    define: { ...(esm ? {} : { "import.meta.url": "__millraceUrl" }), __MILLRACE_VERSION__: JSON.stringify(version) },
    logLevel: "silent",
  };
}
