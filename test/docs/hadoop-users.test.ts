// docs/hadoop-users.md names every argument, setting and variable that streaming knows.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../support/cli.js";

const page = readFileSync(join(repository, "docs/hadoop-users.md"), "utf8");
const source = (path: string) => readFileSync(join(repository, path), "utf8");
const folder = "src/mapreduce/streaming";
const sources = [
  ...readdirSync(join(repository, folder)).map((name) => source(`${folder}/${name}`)),
  source("src/cli/commands/streaming.ts"),
].join("\n");

test("settings that the code reads", () => {
  const settings = new Set(
    [...sources.matchAll(/"((?:mapreduce|stream)\.[\w.]+)"/g)].map(([, name]) => name as string),
  );
  for (const side of ["map", "reduce"]) {
    settings.add(`stream.${side}.output.field.separator`);
    settings.add(`stream.num.${side}.output.key.fields`);
  }
  // Named by their old names, or with the setting that they belong to.
  const otherwise = /^mapreduce\.(?:partition\.keypartitioner\.fields|job\.partitioner\.class)$|\.compress\.codec$/;
  expect(settings.size).toBeGreaterThan(20);
  expect([...settings].filter((name) => !otherwise.test(name) && !page.includes(`\`${name}\``))).toEqual([]);
});

test("variables that commands get", () => {
  const own = source(`${folder}/environment.ts`)
    .match(/^ {4}mapreduce_\w+(?=:)/gm)!
    .map((line) => line.trim());
  expect(own.length).toBeGreaterThan(10);
  expect(own.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("arguments that the command line takes or refuses", () => {
  const tables = source("src/cli/streaming-arguments.ts").match(/(?<=^ {2})"?[\w-]+"?(?=: ")/gm)!;
  expect(tables.length).toBeGreaterThan(25);
  const missing = tables
    .map((name) => name.replaceAll('"', ""))
    .filter((name) => !new RegExp(`-${name}\\b`).test(page));
  expect(missing).toEqual([]);
});
