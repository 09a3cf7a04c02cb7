// The chaos suite with its table: which fault, whether it fired, whether the answer was the calm run's, what was computed
// again, and the seconds that it cost. Builds dist/ first where it is older than its sources.
//
//   npm run chaos            what CI runs
//   npm run chaos -- --all   every fault with and without spilling and speculation, blocks read from files and fetched

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const all = process.argv.includes("--all");
const filters = process.argv.slice(2).filter((argument) => argument !== "--all");
const scratch = mkdtempSync(join(tmpdir(), "millrace-chaos-table-"));
const rows = join(scratch, "rows.jsonl");
const run = (args, env = {}) =>
  spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } }).status ?? 1;

let status = run(["scripts/build.mjs", "--if-stale"]);
if (status === 0) {
  const paths = filters.length > 0 ? filters : ["test/cluster/chaos"];
  status = run(["node_modules/vitest/vitest.mjs", "run", ...paths], {
    MILLRACE_INTERNAL_CHAOS_TABLE: rows,
    ...(all ? { MILLRACE_INTERNAL_CHAOS_ALL: "1" } : {}),
  });
}
const lines = existsSync(rows) ? readFileSync(rows, "utf8").trim().split("\n").map(JSON.parse) : [];
rmSync(scratch, { recursive: true });
lines.sort((a, b) => (a.setting < b.setting ? -1 : a.setting > b.setting ? 1 : 0));
const head = ["fault", "setting", "fired", "answer", "recomputed tasks", "lost attempts", "copies", "added seconds"];
const table = new Table({ head, style: { head: [], border: [], compact: true } });
for (const { fault, setting, fired, answer, recomputed, lost, copies, addedSeconds } of lines) {
  table.push([
    fault,
    setting,
    fired ? "yes" : "NO",
    answer,
    recomputed,
    lost,
    copies,
    addedSeconds === null ? "" : addedSeconds.toFixed(1),
  ]);
}
console.log(table.toString());
const bad = lines.filter(({ fired, good }) => !fired || !good).length;
console.log(`${lines.length} faults, ${lines.length - bad} fired and ended as they may`);
process.exitCode = status !== 0 || bad > 0 ? 1 : 0;
