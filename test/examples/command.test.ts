// `millrace example`: the list, each program's help, and that they work from any directory on the data that they bring.

import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { examples } from "../../src/cli/examples.js";
import { scratchDirectory } from "../support/scratch.js";
import { millrace } from "./run-example.js";

const folder = scratchDirectory();
const example = (...args: string[]) => millrace(["example", ...args], folder);

test("without a name it lists what there is, as text and as one JSON document", async () => {
  const { code, stdout, stderr } = await example();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.split("\n").map((line) => line.split(/ {2,}/));
  for (const { name, about } of examples) expect(lines).toContainEqual([name, about]);
  const rows = JSON.parse((await example("--json")).stdout) as { name: string; about: string; file: string }[];
  expect(rows.map(({ name, about }) => ({ name, about }))).toEqual(examples);
  for (const { file } of rows) expect(existsSync(file)).toBe(true);
});

test.each(examples)("$name --help has a usage line, its sentence, defaults and an example", async ({ name, about }) => {
  const { code, stdout, stderr } = await example(name, "--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.startsWith(`Usage: millrace example ${name} [options]`)).toBe(true);
  expect(stdout).toContain(`\n\n${about}\n\n`);
  expect(stdout).toMatch(/\(default: [^)]+\)/);
  expect(stdout).toContain(`\nExample:\n  millrace example ${name} `);
});

test("an option that it has not, a number that is none and an argument too many are refused with the usage line", async () => {
  for (const [args, message] of [
    [["--tpo", "3"], /^wordcount: Unknown option '--tpo'/],
    [["--top", "many"], /^wordcount: --top many: expected a whole number from 1 on\n/],
    [["a", "b", "c"], /^wordcount: nothing is known of the argument c\n/],
  ] as const) {
    const { code, stdout, stderr } = await example("wordcount", ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toContain("usage: millrace example wordcount [options] [input] [output]\n");
  }
});

test("--master may stand before the name and behind it", async () => {
  const before = await example("--master", "local[1]", "pi", "--samples", "1000");
  expect(before).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringMatching(/^pi is about 3\.\d+ \(\d+ of 1000/),
  });
  expect(await example("pi", "--samples", "1000", "--master", "local-cluster[1,1,512m]")).toEqual(before);
  const refused = await example("pi", "--master", "lokal");
  expect(refused.stderr).toMatch(/INVALID_MASTER_URL/);
  expect(refused.code).toBe(1);
});

test("from any directory they work on the data that they bring", async () => {
  const run = await example("pagerank", "--top", "1");
  expect(run).toEqual({ code: 0, stderr: "", stdout: "ATL  10.830887\n" });
});
