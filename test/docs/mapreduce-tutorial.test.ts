// docs/mapreduce-tutorial.md is what happens: its files are written, its calls are run, and they print what stands below them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { repository } from "../support/cli.js";
import { hasPython } from "../support/python.js";
import { scratchDirectory } from "../support/scratch.js";
import { blocksOf, callsOf, runCall, writeFiles } from "./runnable-page.js";

const directory = scratchDirectory();
const blocks = blocksOf(readFileSync(join(repository, "docs/mapreduce-tutorial.md"), "utf8"));
const calls = callsOf(blocks);

beforeAll(() => writeFiles(directory, blocks));

test("there is something to run", () => {
  expect(calls.length).toBeGreaterThanOrEqual(6);
});

// One after the other, in the page's order: a call may read what an earlier one has written.
describe("each call prints what the page says", () => {
  for (const { call, expected } of calls) {
    const needsPython = call.text.includes("python3");
    test.skipIf(needsPython && !hasPython)(`line ${call.line}${needsPython ? " (needs python3)" : ""}`, async () => {
      expect(await runCall(directory, call)).toBe(expected);
    });
  }
});

test("its programs are those of examples/mapreduce", () => {
  const programs = blocks.filter(({ language }) => language === "ts");
  expect(programs.map(({ file }) => file).sort()).toEqual(readdirSync(join(repository, "examples/mapreduce")).sort());
  for (const { file, text } of programs)
    expect(text).toBe(readFileSync(join(repository, "examples/mapreduce", file as string), "utf8"));
});

describe("a page that could not be run is noticed", () => {
  test("a call without an answer, a block that nobody runs, an open fence", () => {
    expect(() => callsOf(blocksOf("```sh\nls\n```\n"))).toThrow("call at line 1 is not followed");
    expect(() => callsOf(blocksOf("x\n```ts\n1;\n```\n"))).toThrow("block at line 2 is never run");
    expect(() => blocksOf("```ts\n")).toThrow("not closed");
  });

  test("a call that fails", async () => {
    await expect(runCall(directory, { language: "sh", file: null, text: "echo x; false\n", line: 7 })).rejects.toThrow(
      "the call at line 7 ended with 1: x",
    );
  });
});
