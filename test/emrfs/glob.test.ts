import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expandBraces, expandPaths } from "../../src/emrfs/glob.js";
import { fileSystemFor } from "../../src/emrfs/registry.js";
import { displayUrl, toAbsoluteUrl } from "../../src/emrfs/url.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const root = scratchDirectory();
writeTree(root, {
  "logs/a.txt": "1",
  "logs/b.txt": "2",
  "logs/c.log": "3",
  "logs/_SUCCESS": "",
  "logs/.hidden.txt": "",
  "logs/2024/01/x.txt": "4",
  "logs/2024/02/y.txt": "5",
  "logs/_temporary/z.txt": "",
  "odd/data[1].txt": "6",
  "odd/data1.txt": "7",
  "odd/report (1).txt": "8",
  "odd/a+b.txt": "9",
  "odd/ä #%.txt": "10",
  "nested/one/f.txt": "11",
});
mkdirSync(join(root, "empty"));
symlinkSync("..", join(root, "logs/2024/up"));

async function expand(...paths: string[]): Promise<string[]> {
  const files = await expandPaths(
    paths.map((path) => toAbsoluteUrl(path, root)),
    fileSystemFor,
  );
  return files.map((file) => displayUrl(file.url).slice(root.length + 1));
}

describe("expandPaths", () => {
  it.each<[string, string[]]>([
    ["logs/a.txt", ["logs/a.txt"]],
    ["logs", ["logs/a.txt", "logs/b.txt", "logs/c.log"]],
    ["logs/", ["logs/a.txt", "logs/b.txt", "logs/c.log"]],
    ["logs/*.txt", ["logs/a.txt", "logs/b.txt"]],
    ["l*s/[ac].*", ["logs/a.txt", "logs/c.log"]],
    ["logs/[!a].txt", ["logs/b.txt"]],
    ["logs/{a,c}.{txt,log}", ["logs/a.txt", "logs/c.log"]],
    ["{logs/a,nested/one/f}.txt", ["logs/a.txt", "nested/one/f.txt"]],
    ["logs/?.txt", ["logs/a.txt", "logs/b.txt"]],
    [
      "logs/*/*/*.txt",
      ["logs/2024/01/x.txt", "logs/2024/02/y.txt"].concat(["logs/2024/up/a.txt", "logs/2024/up/b.txt"]),
    ],
    ["logs/2024/0*", ["logs/2024/01/x.txt", "logs/2024/02/y.txt"]],
    ["logs/**/*.txt", ["logs/2024/01/x.txt", "logs/2024/02/y.txt", "logs/a.txt", "logs/b.txt"]],
    ["logs/2024/**", ["logs/2024/01/x.txt", "logs/2024/02/y.txt"]],
    ["logs/_*", ["logs/_SUCCESS", "logs/_temporary/z.txt"]],
    ["logs/.h*", ["logs/.hidden.txt"]],
    ["odd/data[1].txt", ["odd/data[1].txt"]],
    ["odd/data[0-9].txt", ["odd/data1.txt"]],
    ["odd/report (?).txt", ["odd/report (1).txt"]],
    ["odd/[a]+*.txt", ["odd/a+b.txt"]],
    ["odd/ä #%.txt", ["odd/ä #%.txt"]],
    ["odd/ä #*", ["odd/ä #%.txt"]],
    ["nested/*", ["nested/one/f.txt"]],
    ["empty", []],
  ])("%s", async (pattern, files) => {
    expect(await expand(pattern)).toEqual(files);
  });

  it("keeps the order of the paths given", async () => {
    expect(await expand("logs/c.log", "logs/a.txt")).toEqual(["logs/c.log", "logs/a.txt"]);
  });

  it.each([
    ["nothing.txt", "PATH_NOT_FOUND"],
    ["logs/a.txt/x", "PATH_NOT_FOUND"],
    ["logs/*.csv", "GLOB_MATCHED_NOTHING"],
    ["nowhere/*", "GLOB_MATCHED_NOTHING"],
    ["nested", "IS_A_DIRECTORY"],
    ["s3://bucket/x", "UNSUPPORTED_SCHEME"],
    ["gopher://x/y", "UNSUPPORTED_SCHEME"],
  ])("%s fails with %s", async (pattern, code) => {
    await expect(expand(pattern)).rejects.toMatchObject({ code });
  });

  it("stops on an aborted signal", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(expandPaths([toAbsoluteUrl("logs/*", root)], fileSystemFor, signal)).rejects.toThrow("enough");
  });
});

it("writes braces out", () => {
  expect(expandBraces("a{b,c{d,e}}f")).toEqual(["abf", "acdf", "acef"]);
  expect(expandBraces("{x}{y")).toEqual(["{x}{y"]);
  expect(expandBraces("\\{a,b}")).toEqual(["\\{a,b}"]);
});
