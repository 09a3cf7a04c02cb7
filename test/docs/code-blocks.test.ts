// The pages of docs/ do what they say: every block of TypeScript compiles against the package's own types, those marked `run`
// are executed and print what the text below them shows, every link leads to a file and a heading.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { runNode } from "../environments/project.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";
import { expected, type Page, readPage, root } from "./markdown.js";
import { outputs, pageProgram } from "./page-program.js";
import { makeProject, typeErrors } from "./type-check.js";

/** It has a test of its own, in which its blocks are one story. */
const TUTORIAL = "docs/tutorial.md";
/** For what shall be a type error or a sketch: `ts sketch`. */
const UNCHECKED = "sketch";
const RUN = "run";

const names = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = ["README.md", ...names.map((name) => `docs/${name}`)].map(readPage);
const scratch = scratchDirectory();

const typescript = (page: Page) =>
  page.path === TUTORIAL
    ? []
    : page.blocks.filter(({ language, words }) => language === "ts" && !words.includes(UNCHECKED));

function project(page: Page): string {
  const folder = join(scratch, page.path.replaceAll("/", "-"));
  makeProject(folder, page.files);
  return folder;
}

test("every block of TypeScript compiles against the public types", () => {
  const programs = pages
    .filter((page) => typescript(page).length > 0)
    .map((page) => {
      const { source, lineOfPage } = pageProgram(page, typescript(page));
      return { folder: project(page), source, place: (line: number) => `${page.path}:${lineOfPage(line)}` };
    });
  expect(programs.length).toBeGreaterThan(5);
  expect(typeErrors(programs)).toEqual([]);
});

describe("blocks that are marked to run print what the page shows", () => {
  const running = pages
    .map((page) => ({ page, blocks: typescript(page).filter(({ words }) => words.includes(RUN)) }))
    .filter(({ blocks }) => blocks.length > 0);

  test.each(running.map((one) => [one.page.path, one] as const))("%s", async (_, { page, blocks }) => {
    const folder = project({ ...page, path: `run-${page.path}` });
    writeTree(folder, { "page.ts": pageProgram(page, blocks).source });
    const ended = await runNode([join(root, "dist/cli.js"), "run", "page.ts"], { cwd: folder });
    expect(ended.stderr).toBe("");
    expect(ended.code).toBe(0);
    const printed = outputs(ended.stdout);
    expect(printed.size).toBe(blocks.length);
    for (const { line, output } of blocks) {
      const place = `${page.path}:${line}`;
      if (output === null) expect(`${place} prints ${printed.get(line)}`).toBe(`${place} prints `);
      else expect(`${place}\n${printed.get(line)}`).toMatch(new RegExp(`^${place}\n${expected(output).source}$`));
    }
  });

  test("there are pages with such blocks", () => expect(running.length).toBeGreaterThan(1));
});

test("every block of JSON can be parsed", () => {
  for (const page of pages)
    for (const { code } of page.blocks.filter(({ language }) => language === "json"))
      expect(() => JSON.parse(code)).not.toThrow();
});

test("every link within the repository leads to a file, and to a heading of it", () => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of page.text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [path = "", heading] = target!.split("#");
      const file = path === "" ? join(root, page.path) : join(root, dirname(page.path), path);
      if (!existsSync(file)) broken.push(`${page.path}: ${target}`);
      else if (heading !== undefined && !headingsOf(file).includes(heading)) broken.push(`${page.path}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

/** As GitHub names them. */
function headingsOf(file: string): string[] {
  const titles = readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm);
  return [...titles].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
