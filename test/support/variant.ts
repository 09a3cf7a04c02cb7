// A variant of the built engine: the sources with named places changed, bundled into a directory of its own below dist/, so
// that it finds its packages. The engine itself knows nothing of it. A place whose text does not stand exactly once in its
// file is an error: then the list of changes is to be brought up to date.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { bundleOptions, ENTRIES } from "../../scripts/bundles.mjs";
import { repository } from "./cli.js";

export interface Change {
  /** Below the repository. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export interface VariantSpec {
  readonly name: string;
  readonly changes: readonly Change[];
  /** A module whose export `chaos` the changed places may call: below the repository. */
  readonly runtime: string;
}

const BUNDLES = ["index.js", "service.js", "slot.js", "worker.js", "cli.js"];

/** The directory of the variant's bundles, built now unless the same sources were built before. */
export async function buildVariant(spec: VariantSpec): Promise<string> {
  const dist = join(repository, "dist");
  const directory = join(dist, `.${spec.name}-${hashOf(spec)}`);
  if (existsSync(directory)) return directory;
  const draft = `${directory}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
  const applied = new Set<Change>();
  const entries = ENTRIES.filter(({ out }) => BUNDLES.includes(out));
  const plugins = [changing(spec, applied)];
  await Promise.all(
    entries.map((entry) => build({ ...bundleOptions({ root: repository, entry, outdir: draft, version }), plugins })),
  );
  const unused = spec.changes.filter((change) => !applied.has(change));
  if (unused.length > 0) throw new Error(`no bundle has ${unused.map(({ file }) => file).join(", ")}`);
  // Those of older sources. Tests that run beside this one have the same.
  for (const name of readdirSync(dist)) {
    if (!name.startsWith(`.${spec.name}-`) || join(dist, name) === draft || join(dist, name) === directory) continue;
    if (/\.\d+$/.test(name)) continue;
    rmSync(join(dist, name), { recursive: true, force: true });
  }
  try {
    renameSync(draft, directory);
  } catch (error) {
    // Another process was first.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(directory)) throw error;
  }
  return directory;
}

/** Changes whose text does not stand exactly once in the sources. */
export function staleChanges(changes: readonly Change[]): string[] {
  return changes.flatMap(({ file, find }) => {
    const found = readFileSync(join(repository, file), "utf8").split(find).length - 1;
    return found === 1 ? [] : [`${file} has ${JSON.stringify(find)} ${found} times`];
  });
}

function changing({ changes, runtime }: VariantSpec, applied: Set<Change>): Plugin {
  return {
    name: "variant",
    setup({ onLoad }) {
      for (const file of new Set(changes.map((change) => change.file))) {
        const path = join(repository, file);
        onLoad({ filter: new RegExp(`${file.replaceAll(".", "\\.")}$`) }, () => {
          let contents = readFileSync(path, "utf8");
          for (const change of changes.filter((one) => one.file === file)) {
            if (contents.split(change.find).length !== 2)
              throw new Error(`${file} has not exactly one ${JSON.stringify(change.find)}`);
            contents = contents.replace(change.find, () => change.put);
            applied.add(change);
          }
          // On the first line, which is a comment: the others keep their numbers.
          const head = `import { chaos, chaosNumber } from ${JSON.stringify(join(repository, runtime))}; `;
          return { contents: head + contents, loader: "ts" };
        });
      }
    },
  };
}

/** Of everything that the bundles are made of. */
function hashOf(spec: VariantSpec): string {
  const hash = createHash("sha256").update(JSON.stringify(spec));
  const add = (path: string) => hash.update(path).update(readFileSync(join(repository, path)));
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(repository, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else add(path);
    }
  };
  walk("src");
  for (const path of ["scripts/bundles.mjs", "package-lock.json", spec.runtime]) add(path);
  return hash.digest("hex").slice(0, 16);
}
