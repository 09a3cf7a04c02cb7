// Writes the pages of docs/ that are tables of the code: errors.md from the error catalogue, options.md from the option table,
// the table in memory.md from the plan that workers divide their memory by, those of options in tuning.md.
//
//   node scripts/docs.mjs           writes them
//   node scripts/docs.mjs --check   writes nothing; ends with 1 and names the pages that are not current

import { readFileSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const check = process.argv.includes("--check");

const { errorCatalog } = await load("src/core/error-codes.ts");
const { errorExamples } = await load("src/core/error-examples.ts");
const { optionNames, optionTable, variableOfOption } = await load("src/core/options.ts");
const { divisionOf } = await load("src/worker/memory-plan.ts");
const pages = {
  "docs/errors.md": errorsPage(),
  "docs/options.md": optionsPage(),
  "docs/memory.md": memoryPage(),
  "docs/tuning.md": tuningPage(),
};

const stale = [];
for (const [path, text] of Object.entries(pages)) {
  const file = join(root, path);
  if (current(file) === text) continue;
  stale.push(path);
  if (!check) writeFileSync(file, text);
}
if (check && stale.length > 0) {
  console.error(`not current: ${stale.join(", ")}; run node scripts/docs.mjs`);
  process.exitCode = 1;
} else if (stale.length > 0) {
  console.log(`wrote ${stale.join(", ")}`);
}

/** The page as it stands, with the table of the division made anew. */
function memoryPage() {
  const sizes = [512, 2048, 8192].map((mb) => divisionOf(mb * 1048576, 1));
  const rows = sizes[0].map(({ part, what }, i) => {
    const cells = sizes.map((division) => `${Math.round(division[i].bytes / 1048576)} MiB`);
    return `| ${part} | ${what} | ${cells.join(" | ")} |`;
  });
  const text = readFileSync(join(root, "docs/memory.md"), "utf8");
  return text.replace(
    /<!-- division -->[\s\S]*<!-- \/division -->/,
    () =>
      `<!-- division -->\n\n| part | what it is for | 512m | 2g | 8g |\n|---|---|---|---|---|\n${rows.join("\n")}\n\n<!-- /division -->`,
  );
}

/** The page as it stands, with a table of the options that each `<!-- options ... -->` names. */
function tuningPage() {
  const text = readFileSync(join(root, "docs/tuning.md"), "utf8");
  return text.replace(/<!-- options (.*) -->[\s\S]*?<!-- \/options -->/g, (_, names) => {
    const rows = names.split(", ").map((name) => {
      if (!optionNames.includes(name)) throw new Error(`docs/tuning.md: there is no option ${name}`);
      return `| \`${name}\` | ${cell(shownDefault(name))} | ${cell(optionTable[name].help)} |`;
    });
    const table = `| option | default | what |\n|---|---|---|\n${rows.join("\n")}`;
    return `<!-- options ${names} -->\n\n${table}\n\n<!-- /options -->`;
  });
}

function errorsPage() {
  const sections = Object.entries(errorCatalog).map(
    ([code, { cause, cure }]) => `## ${code}\n\n${cause}\n\n**What to do:** ${cure}\n\n> ${errorExamples[code]}\n`,
  );
  const index = Object.keys(errorCatalog).map((code) => `[\`${code}\`](#${code.toLowerCase()})`);
  return `# Errors

Every failure of millrace is a \`MillraceError\` with a \`code\`, a message that says who, what, expected against actual and what
to do next, \`fields\` (ids, paths, the operator, the partition, the attempt) and, where there is one, the \`cause\`. Codes are
stable: branch on them, not on messages.

<!-- given
const counts = session.parallelize(["a", "b"]).map((word) => [word, 1]);
-->

\`\`\`ts
import { isMillraceError } from "millrace";

try {
  await counts.saveAsTextFile("out/counts");
} catch (error) {
  if (isMillraceError(error) && error.code === "OUTPUT_EXISTS") console.error("remove out/counts first");
  else throw error;
}
\`\`\`

Each code below has its cause, what to do, and a message as an example. The page is made from src/core/error-codes.ts and
src/core/error-examples.ts by \`node scripts/docs.mjs\`.

${wrapped(index)}

${sections.join("\n")}`;
}

/** Links on lines of at most so many, a comma after each. */
function wrapped(links, perLine = 4) {
  const lines = [];
  for (let at = 0; at < links.length; at += perLine) lines.push(links.slice(at, at + perLine).join(", "));
  return lines.join(",\n");
}

function optionsPage() {
  const rows = optionNames.map((name) => {
    const { form, help } = optionTable[name];
    return `| \`${name}\` | \`${variableOfOption(name)}\` | ${cell(help)} | ${cell(form)} | ${cell(shownDefault(name))} |`;
  });
  return `# Options

What stands in the program, \`Session.open({ ... })\`, beats the command line (\`--master\`, \`--conf\` and the like), that beats \`MILLRACE_*\`
variables, those beat \`millrace.json\` beside the program, that beats the defaults. A name that no option has, and a value that cannot be
read, are errors that name the nearest valid one. \`millrace config\` shows every value and where it comes from.

\`\`\`ts
const session = await Session.open({ master: "local[4]", "task.maxFailures": 2, memory: "4g" });
\`\`\`

\`\`\`sh
MILLRACE_TASK_MAX_FAILURES=2 millrace run counts.ts
millrace run --conf task.maxFailures=2 counts.ts
\`\`\`

\`\`\`json
{ "master": "local[4]", "task.maxFailures": 2 }
\`\`\`

In \`millrace.json\` names may be nested, too: \`{ "task": { "maxFailures": 2 } }\`. A master and a worker that are started by hand read no
\`millrace.json\`. \`MILLRACE_SECRET\` is no option: it holds the cluster's secret and is shown nowhere ([security](security.md)).

This page is made from src/core/option-table.ts by \`node scripts/docs.mjs\`.

| option | variable | what | values | default |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** The same on every machine: what depends on one is put in words. */
function shownDefault(name) {
  const limits = (memoryBytes) => ({ memoryBytes, cpus: 2, slots: 2 });
  const [small, large] = [2 ** 32, 2 ** 34].map((memory) => optionTable[name].default(limits(memory)));
  if (small === null) return "";
  if (small !== large) return "by the machine";
  if (small === tmpdir()) return "the system's temporary directory";
  if (typeof small === "string") return `\`${small.replace(homedir(), "~")}\``;
  return `\`${form(name, small)}\``;
}

function form(name, value) {
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value !== "number") return String(value);
  const { form } = optionTable[name];
  if (form.startsWith("a duration")) return value % 60_000 === 0 ? `${value / 60_000}min` : `${value / 1000}s`;
  if (form.startsWith("a size")) return value % 2 ** 30 === 0 ? `${value / 2 ** 30}g` : `${value / 2 ** 20}m`;
  return String(value);
}

function cell(text) {
  return text.replaceAll("|", "\\|");
}

function current(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

/** The exports of a TypeScript file without a build before it. */
async function load(source) {
  const options = { bundle: true, write: false, platform: "node", format: "esm", logLevel: "silent" };
  const { outputFiles } = await build({ entryPoints: [join(root, source)], ...options });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
