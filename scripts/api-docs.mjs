// `npm run docs:api`: the API reference as HTML in .cache/api, made by TypeDoc from the declarations in dist/types. TypeDoc and
// the compiler it needs are a project of their own in scripts/typedoc, installed when this runs first: they are 46 MB that
// nobody else needs, and its TypeScript is another one than ours.
//
//   node scripts/api-docs.mjs       builds what is stale, installs, writes; ends with 1 when something is not documented well

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tool = join(root, "scripts/typedoc");

run(process.execPath, [join(root, "scripts/build.mjs"), "--if-stale"], root);
if (!isInstalled()) run("npm", ["ci", "--no-audit", "--no-fund"], tool);
run(process.execPath, [join(tool, "node_modules/typedoc/bin/typedoc"), "--options", join(tool, "typedoc.json")], tool);
console.log("open .cache/api/index.html");

/** With the versions that package.json names. */
function isInstalled() {
  const { dependencies } = JSON.parse(readFileSync(join(tool, "package.json"), "utf8"));
  return Object.entries(dependencies).every(([name, version]) => {
    const installed = join(tool, "node_modules", name, "package.json");
    return existsSync(installed) && JSON.parse(readFileSync(installed, "utf8")).version === version;
  });
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status === 0) return;
  console.error(`api-docs: ${command} ${args[0]} ended with ${status ?? error?.message}`);
  process.exit(1);
}
