// Which lines and branches of src/ no test runs, by file, worst first: a report to read, not a gate. Tests on the sources count;
// what tests run in processes of their own (dist/) does not, so wiring shows low.
//
//   node scripts/coverage.mjs                     the pure tests
//   node scripts/coverage.mjs test/master         some tests
//
// Writes coverage/coverage-summary.json and coverage/lcov.info as well.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Folders whose tests run the sources. */
const PURE = [
  "master",
  "operators",
  "codec",
  "closure",
  "plan",
  "rdd",
  "session",
  "shuffle",
  "formats",
  "emrfs",
  "core",
];
const SHOWN = 40;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tests = process.argv.length > 2 ? process.argv.slice(2) : PURE.map((name) => `test/${name}`);

const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    ...tests,
    "--coverage",
    "--coverage.provider=v8",
    "--coverage.include=src/**/*.ts",
    "--coverage.exclude=src/rpc/generated/**",
    ...["json", "json-summary", "lcovonly"].map((name) => `--coverage.reporter=${name}`),
    "--coverage.reportOnFailure",
    "--reporter=dot",
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
const { total, ...files } = JSON.parse(readFileSync(join(root, "coverage/coverage-summary.json"), "utf8"));
const details = JSON.parse(readFileSync(join(root, "coverage/coverage-final.json"), "utf8"));

const loaded = Object.entries(files).filter(([, { lines }]) => lines.covered > 0);
const rows = loaded
  .map(([path, { branches }]) => ({ path, ...branches, never: branches.total - branches.covered }))
  .filter(({ never }) => never > 0)
  .sort((a, b) => b.never - a.never);
console.log(`\n${Object.keys(files).length - loaded.length} files were not loaded; of the others, branches never run:`);
for (const { path, never, total: all } of rows.slice(0, SHOWN)) {
  const { branchMap, b } = details[path];
  const lines = Object.keys(branchMap).filter((id) => b[id].some((count) => count === 0));
  const places = [...new Set(lines.map((id) => branchMap[id].loc.start.line))].sort((x, y) => x - y);
  const more = places.length > 12 ? " ..." : "";
  console.log(
    `${String(never).padStart(5)} of ${String(all).padEnd(5)} ${relative(root, path)}: ${places.slice(0, 12).join(", ")}${more}`,
  );
}
if (rows.length > SHOWN) console.log(`and ${rows.length - SHOWN} files more`);
const percent = ({ pct }) => `${pct.toFixed(1)} %`;
console.log(
  `all: lines ${percent(total.lines)}, branches ${percent(total.branches)}, functions ${percent(total.functions)}`,
);
process.exit(status ?? 1);
