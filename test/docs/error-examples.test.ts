// The example of each error code is what the code says: some text of a source file that uses the code fits it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import { expect, test } from "vitest";
import { errorCatalog } from "../../src/core/error-codes.js";
import { errorExamples } from "../../src/core/error-examples.js";
import { root } from "./markdown.js";

/** Fixed characters of a text below which it would fit anything. */
const MIN_FIXED = 10;

interface SourceTexts {
  readonly codes: ReadonlySet<string>;
  readonly texts: readonly RegExp[];
}

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !/generated|core\/error-(codes|examples)/.test(name))
  .map((name) => textsOf(join(root, "src", name)));

function textsOf(path: string): SourceTexts {
  const codes = new Set<string>();
  const texts: RegExp[] = [];
  const add = (quoted: readonly string[]) => {
    // ": " before what comes last is not shown where that is put in front (session/job-errors.ts).
    const fixed = quoted.at(-1) === "" && quoted.at(-2) === ": " ? [...quoted.slice(0, -2), ""] : quoted;
    if (fixed.join("").length < MIN_FIXED) return;
    texts.push(new RegExp(fixed.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".+")));
  };
  new Visitor({
    Literal: ({ value }) => {
      if (typeof value !== "string") return;
      if (value in errorCatalog) codes.add(value);
      else add([value]);
    },
    TemplateLiteral: ({ quasis }) => add(quasis.map(({ value }) => value.cooked ?? "")),
    // Codes by the system's: { ENOENT: "PATH_NOT_FOUND" } is a literal; { PATH_NOT_FOUND: "text" } is not.
    Property: ({ key }) => {
      if (key.type === "Identifier" && key.name in errorCatalog) codes.add(key.name);
    },
  }).visit(parseSync(path, readFileSync(path, "utf8")).program);
  return { codes, texts };
}

test.each(Object.keys(errorCatalog))("%s has a cause, a cure, and a message that its code writes", (code) => {
  const { cause, cure } = errorCatalog[code as keyof typeof errorCatalog];
  for (const text of [cause, cure]) expect(text).toMatch(/^[\p{Lu}\d`].+[.]$/su);
  const example = errorExamples[code as keyof typeof errorExamples];
  const found = sources.filter(({ codes }) => codes.has(code)).flatMap(({ texts }) => texts);
  expect(
    found.some((text) => text.test(example)),
    `nothing that uses ${code} writes: ${example}`,
  ).toBe(true);
});
