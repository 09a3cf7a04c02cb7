// Bundles the simulation together with the sources that it runs: time, files, threads and chance of these are the virtual
// world's (world/). Where a seeded bug is given, the sources are changed on the way (mutants.ts).

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import type { runSeeds } from "./run-seeds.js";
import { replacedGlobals } from "./world/runtime.js";

export interface SourceChange {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** Which modules of node (or ours) are the virtual world's, for which sources. */
const replacedModules: readonly { readonly module: RegExp; readonly from: RegExp; readonly by: string }[] = [
  { module: /^node:fs$/, from: /\/src\/(worker|shuffle|emrfs|master)\//, by: "fs.ts" },
  { module: /^node:fs\/promises$/, from: /\/src\/(worker|shuffle|emrfs|master)\//, by: "fs-promises.ts" },
  { module: /^node:timers\/promises$/, from: /\/src\/worker\//, by: "timers-promises.ts" },
  { module: /^node:worker_threads$/, from: /\/src\/worker\//, by: "worker-threads.ts" },
  { module: /^node:crypto$/, from: /\/src\/(master\/driver-desk|emrfs\/)/, by: "crypto.ts" },
  // The package makes room for all that it may ever hold, which costs more than a whole run.
  { module: /^lru-cache$/, from: /\/src\/worker\/cache-store/, by: "lru-cache.ts" },
  { module: /closure\/index\.js$/, from: /\/src\/worker\/slot\//, by: "reviver.ts" },
];

/** Throws when a change's text does not stand exactly once in its file, or the simulation does not use the file. */
export async function bundleSimulation(
  root: string,
  name: string,
  changes: readonly SourceChange[] = [],
): Promise<typeof runSeeds> {
  // Below the project, so that packages are found.
  const directory = join(root, "dist", `.simulation-${process.pid}`);
  const outfile = join(directory, `${name}.mjs`);
  mkdirSync(directory, { recursive: true });
  const applied = new Set<string>();
  try {
    await build({
      entryPoints: [join(root, "test/simulation/run-seeds.ts")],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      define: replacedGlobals,
      logLevel: "silent",
      plugins: [virtualWorld(root), changed(root, changes, applied)],
    });
    if (applied.size !== new Set(changes.map((change) => change.find)).size)
      throw new Error(`${name}: the simulation does not use all of its files`);
    return ((await import(pathToFileURL(outfile).href)) as { runSeeds: typeof runSeeds }).runSeeds;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function virtualWorld(root: string): Plugin {
  return {
    name: "virtual world",
    setup({ onResolve }) {
      for (const { module, from, by } of replacedModules) {
        onResolve({ filter: module }, ({ importer }) =>
          from.test(importer) ? { path: join(root, "test/simulation/world", by) } : undefined,
        );
      }
    },
  };
}

function changed(root: string, changes: readonly SourceChange[], applied: Set<string>): Plugin {
  return {
    name: "changed sources",
    setup({ onLoad }) {
      for (const file of new Set(changes.map((change) => change.file))) {
        const filter = new RegExp(`${file.replaceAll(/[.]/g, "\\.")}$`);
        onLoad({ filter }, () => {
          let contents = readFileSync(join(root, file), "utf8");
          for (const { find, put } of changes.filter((change) => change.file === file)) {
            if (contents.split(find).length !== 2)
              throw new Error(`${file} has not exactly one ${JSON.stringify(find)}`);
            contents = contents.replace(find, () => put);
            applied.add(find);
          }
          return { contents, loader: "ts" };
        });
      }
    },
  };
}
