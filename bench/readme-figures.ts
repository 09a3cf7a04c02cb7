// Writes the figures table of README.md and bench/README.md and the chart beside them from the JSON of bench runs: nothing stands
// there that was not measured. Of several files, runs of parts of the workloads, a later one wins.
//
//   npm run bench:readme -- bench/results/full.json
//   npm run bench:readme -- --page bench/README.md bench/results/small.json

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chartOf } from "./chart.js";
import type { Measurement, WorkloadReport } from "./report.js";
import { type BenchResults, describeLoad, describeResults, readResults } from "./results-file.js";
import { workloadNames } from "./workloads/index.js";

const BEGIN = /<!-- figures: begin[^\n]*\n/;
const END = "<!-- figures: end -->";
/** From the project's root. */
const CHART = "bench/figures.svg";
const PAGES = [
  { page: "README.md", chart: CHART, cpu: false },
  { page: "bench/README.md", chart: "figures.svg", cpu: true },
];
/** The other engines share a column: each has few rows. */
const COLUMNS = ["local[2]", "local-cluster", "spark local[2]", "plain"];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { positionals: sources, values: flags } = parseArgs({
  allowPositionals: true,
  options: { page: { type: "string" } },
});
const pages = PAGES.filter(({ page }) => flags.page === undefined || flags.page === page);
if (sources.length === 0 || pages.length === 0) {
  const names = PAGES.map(({ page }) => page).join(" | ");
  console.error(`usage: npm run bench:readme -- [--page ${names}] <json of a bench run>...`);
  process.exit(1);
}
const results = merged(sources.map(readResults));
for (const { page, chart, cpu } of pages)
  writeFigures(join(root, page), `${tableOf(results, cpu)}\n![The same as bars](${chart})\n`);
writeFileSync(join(root, CHART), chartOf(results));

/** Their reports in the usual order. Throws when they are of different sizes or machines. */
function merged(runs: readonly BenchResults[]): BenchResults {
  const last = runs.at(-1)!;
  const reports = new Map<string, WorkloadReport>();
  for (const run of runs) {
    if (run.size !== last.size || JSON.stringify(run.machine) !== JSON.stringify(last.machine))
      throw new Error(`one table has one size and machine: ${describeResults(run)} against ${describeResults(last)}`);
    for (const report of run.reports) reports.set(report.workload, report);
  }
  return { ...last, reports: workloadNames.flatMap((name) => reports.get(name) ?? []) };
}

/** `withCpu`: processor seconds stand in brackets. */
function tableOf(run: BenchResults, withCpu: boolean): string {
  const rows = run.reports.map(({ title, measurements }) => {
    const cells = COLUMNS.map((name) =>
      cell(
        measurements.find(({ engine }) => columnOf(engine) === name),
        withCpu,
      ),
    );
    const others = measurements.filter(({ engine }) => !COLUMNS.includes(columnOf(engine)));
    return `| ${title} | ${cells.join(" | ")} | ${others.map((one) => `${one.engine} ${cell(one, withCpu)}`).join(", ")} |`;
  });
  return `Seconds, first / warm${withCpu ? " (processor seconds of the latter)" : ""}, on ${[describeResults(run), describeLoad(run)].filter(Boolean).join(", ")}:

| work | ${COLUMNS.join(" | ")} | others |
|---|${COLUMNS.map(() => "---|").join("")}---|
${rows.join("\n")}
`;
}

/** Local clusters of different sizes share a column: each row has one. */
function columnOf(engine: string): string {
  return engine.replace(/^local-cluster\[.*/, "local-cluster");
}

function cell(measurement: Measurement | undefined, withCpu: boolean): string {
  if (measurement === undefined) return "";
  const { first, warm, cpu, notes } = measurement;
  const figure = (seconds: number) => seconds.toFixed(seconds < 1 ? 2 : 1);
  const seconds = [first, warm].filter((one) => one !== null).map(figure);
  const used = withCpu && cpu !== null ? ` (${figure(cpu)})` : "";
  return [seconds.join(" / ") + used, shortened(notes)].filter(Boolean).join("; ");
}

/** Where there are ratios they are what the times beside them were taken for. */
function shortened(notes: string): string {
  const all = notes.split(", ");
  const ratios = all.filter((note) => note.includes(" ratio "));
  return (ratios.length > 0 ? ratios : all).join(", ");
}

function writeFigures(path: string, figures: string): void {
  const text = readFileSync(path, "utf8");
  const begin = text.match(BEGIN);
  const end = text.indexOf(END);
  if (begin?.index === undefined || end < 0) throw new Error(`${path} has no lines that mark its figures`);
  writeFileSync(path, text.slice(0, begin.index + begin[0].length) + figures + text.slice(end));
}
