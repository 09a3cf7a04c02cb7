// The programs of docs/scheduling.md run as they stand, and say what the page says.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { resolveOptions } from "../../src/core/options.js";
import { root, runProgram } from "../examples/run-example.js";

const page = readFileSync(join(root, "docs/scheduling.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map(([, text]) => text as string);
const scratch = mkdtempSync(join(tmpdir(), "millrace-docs-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.each([
  ["pools", 0, "1000 numbers counted\n400 records in the end\n"],
  ["groups", 1, "cancelled: report, because the user has left the page\n"],
  ["locality", 2, "998001\n"],
  ["speculation", 3, "999000\n"],
])(
  "the program on %s",
  async (name, at, said) => {
    const path = join(scratch, `${name}.ts`);
    writeFileSync(path, blocks("ts")[at] as string);
    const { code, stdout, stderr } = await runProgram(path, null);
    expect(stderr).toBe("");
    expect(stdout).toBe(said);
    expect(code).toBe(0);
  },
  60_000,
);

test("its millrace.json is one", () => {
  writeFileSync(join(scratch, "millrace.json"), blocks("json")[0] as string);
  const { values } = resolveOptions({ programDirectory: scratch });
  expect(values["scheduler.mode"]).toBe("FAIR");
  expect(Object.keys(values["scheduler.pools"])).toEqual(["interactive", "nightly"]);
});

test("every program of the page is run here", () => {
  expect(blocks("ts")).toHaveLength(4);
});
