// What the pages say of the command line, of options and of the sources is there: each `millrace` command in a block has the
// flags it is given, each variable and each path exists.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { optionNames, variableOfOption } from "../../src/core/options.js";
import { runCli } from "../support/cli.js";
import { readPage, root } from "./markdown.js";

const COMMANDS = ["run", "submit", "master", "worker decommission", "worker", "status", "config"];
/** Not options: the secret itself, and CI's own. */
const OTHER_VARIABLES = ["MILLRACE_SECRET", "MILLRACE_CI_KEEP"];

const names = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = ["README.md", "CONTRIBUTING.md", ...names.map((name) => `docs/${name}`)].map(readPage);

/** In a shell's or a unit's block: from the command's name to the end of its line. */
const calls = pages.flatMap(({ path, blocks }) =>
  blocks
    .filter(({ language }) => ["sh", "ini"].includes(language))
    .flatMap(({ code, line }) =>
      code.split("\n").flatMap((text, index) => {
        const found = new RegExp(`\\bmillrace (${COMMANDS.join("|")})\\b(.*)`).exec(text.replace(/ #.*/, ""));
        return found === null ? [] : [{ place: `${path}:${line + index}`, command: found[1]!, rest: found[2]! }];
      }),
    ),
);

test("every flag of a millrace command in a block is one that the command has", async () => {
  expect(calls.length).toBeGreaterThan(15);
  const wrong: string[] = [];
  for (const command of COMMANDS) {
    const { stdout } = await runCli([...command.split(" "), "--help"]);
    const known = new Set(stdout.match(/(?<=[\s,])--?[a-z][a-z-]*/gi));
    for (const { place, rest } of calls.filter((call) => call.command === command)) {
      // What follows the program is the program's own.
      const own = rest.split(/\S+\.[cm]?[jt]s\b/)[0]!;
      for (const [flag] of own.matchAll(/(?<=[\s[])--[a-z-]+/g)) if (!known.has(flag)) wrong.push(`${place}: ${flag}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("every variable MILLRACE_* that a page names is an option's", () => {
  const known = new Set([...optionNames.map(variableOfOption), ...OTHER_VARIABLES]);
  const unknown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bMILLRACE_[A-Z0-9_]+\b(?!\*)/g)]
      .filter(([name]) => !known.has(name))
      .map(([name]) => `${path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

test("every path of the sources that a page names is there", () => {
  const missing: string[] = [];
  for (const { path, text } of pages)
    for (const [, name] of text.matchAll(/`((?:src|test|bench|scripts|examples|proto)\/[\w./-]+)`/g))
      if (!existsSync(join(root, name!))) missing.push(`${path}: ${name}`);
  expect(missing).toEqual([]);
});

test("every folder of the sources stands in the table of docs/architecture.md", () => {
  const { text } = readPage("docs/architecture.md");
  const named = [...text.matchAll(/^\| ([a-z, ]+) \|/gm)].flatMap(([, cell]) => cell!.split(", "));
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(named).toEqual(expect.arrayContaining(folders.map(({ name }) => name)));
});

test("every npm script that a page names is in package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const { path, text } of pages)
    for (const [, name] of text.matchAll(/\bnpm run ([\w:-]+)/g))
      expect(scripts, `${path}: npm run ${name}`).toHaveProperty(name!);
});
