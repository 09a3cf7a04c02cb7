// Writes the figures table of the README from the JSON of a bench run: nothing stands there that was not measured.
//
//   node bench/readme-figures.mjs bench/results/full.json

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BEGIN = /<!-- figures: begin[^\n]*\n/;
const END = "<!-- figures: end -->";
const readme = join(dirname(dirname(fileURLToPath(import.meta.url))), "README.md");
const [source] = process.argv.slice(2);
if (source === undefined) {
  console.error("usage: node bench/readme-figures.mjs <json of a bench run>");
  process.exit(1);
}

const { time, size, machine, reports } = JSON.parse(readFileSync(source, "utf8"));
const wrong = reports.filter(({ disagreements }) => disagreements.length > 0).map(({ workload }) => workload);
if (wrong.length > 0) throw new Error(`answers differ in ${wrong.join(", ")}: no figures from this run`);

// Local clusters of different sizes share a column: each row has one.
const column = (engine) => engine.replace(/^local-cluster\[.*/, "local-cluster");
const engines = [...new Set(reports.flatMap(({ measurements }) => measurements.map(({ engine }) => column(engine))))];
const rows = reports.map(({ title, measurements }) => {
  const cells = engines.map((name) => cell(measurements.find(({ engine }) => column(engine) === name)));
  return `| ${title} | ${cells.join(" | ")} |`;
});
const memory = (machine.memoryBytes / 2 ** 30).toFixed(0);
const scale = size === 1 ? "" : `, at ${size} of the sizes named`;
const figures = `Seconds, first / warm, on ${machine.cpus} cores (${machine.model}), ${memory} GB, Node ${machine.node.slice(1)}, ${time.slice(0, 10)}${scale}:

| work | ${engines.join(" | ")} |
|---|${engines.map(() => "---|").join("")}
${rows.join("\n")}
`;

const text = readFileSync(readme, "utf8");
const begin = text.match(BEGIN);
const end = text.indexOf(END);
if (begin === null || end < 0) throw new Error("README.md has no lines that mark its figures");
writeFileSync(readme, text.slice(0, begin.index + begin[0].length) + figures + text.slice(end));

function cell(measurement) {
  if (measurement === undefined) return "";
  const { first, warm, notes } = measurement;
  const seconds = [first, warm].filter((value) => value !== null).map((value) => value.toFixed(value < 1 ? 2 : 1));
  return [seconds.join(" / "), notes].filter(Boolean).join("; ");
}
