// Whatever src/index.ts exports has documentation, member by member: it is what an editor shows, and the API reference. Methods
// of RDDs and sessions have an example, and every example compiles.

import { expect, test } from "vitest";
import { scratchDirectory } from "../support/scratch.js";
import type { CodeBlock } from "./markdown.js";
import { pageProgram } from "./page-program.js";
import { publicMembers } from "./public-members.js";
import { makeProject, typeErrors } from "./type-check.js";

const members = publicMembers();
const named = (name: string) => members.find((member) => member.name === name);
const folder = scratchDirectory();

/** What the examples take as given. */
const GIVEN = `
declare const lines: RDD<string>;
declare const words: RDD<string>;
declare const codes: RDD<string>;
declare const numbers: RDD<number>;
declare const ages: RDD<number>;
declare const counts: RDD<readonly [string, number]>;
declare const sales: RDD<readonly [string, number]>;
declare const names: RDD<readonly [string, string]>;
declare function sum(values: Iterable<number>): number;
`;

/** What a user calls with a function, a path or another RDD; not \`keys\` or \`sum\`, of which there is nothing to show. */
const NEEDS_NO_EXAMPLE = new Set(
  "keys values glom cartesian zip cache unpersist setName numPartitions toString isEmpty first count max min stats sum mean variance stdev sampleVariance sampleStdev repartition emptyRDD longAccumulator doubleAccumulator stop onLog".split(
    " ",
  ),
);

test("every exported thing and every public member of it is documented", () => {
  expect(members.filter(({ doc }) => doc === null).map(({ name, place }) => `${name} (${place})`)).toEqual([]);
});

test("every method of RDDs and sessions has an example", () => {
  const without = members.filter(({ name, isMethod, doc }) => {
    const [owner, method = ""] = name.split(".");
    return (
      isMethod &&
      ["RDD", "Session"].includes(owner!) &&
      !NEEDS_NO_EXAMPLE.has(method) &&
      !/```ts|E\.g\. `/.test(doc ?? "")
    );
  });
  expect(without.map(({ name, place }) => `${name} (${place})`)).toEqual([]);
});

test("every example in a doc comment compiles against the public types", () => {
  const examples = members.flatMap(({ name, place, doc }) =>
    [...(doc ?? "").matchAll(/```ts\n([\s\S]*?)```|E\.g\. `([^`]*)`/g)].map(([, block, inline]) => ({
      where: `${name} (${place})`,
      code: block ?? `${inline};\n`,
    })),
  );
  expect(examples.length).toBeGreaterThan(50);
  const blocks = examples.map(
    ({ code }, index): CodeBlock => ({ line: index * 1000, language: "ts", words: [], code, output: null }),
  );
  const given = `import { hashPartitioner, isMillraceError, type RDD, rangePartitioner } from "millrace";\n${GIVEN}`;
  const { source, lineOfPage } = pageProgram({ path: "", text: "", blocks, given, files: {} }, blocks);
  makeProject(folder, {});
  const place = (line: number) => examples[Math.floor((lineOfPage(line) ?? 0) / 1000)]!.where;
  expect(typeErrors([{ folder, source, place }])).toEqual([]);
});

test("members of the classes above are looked at too", () => {
  for (const name of ["Session.open", "Session.textFile", "RDD.map", "RDD.collect", "RDD.persist", "TaskContext.write"])
    expect(named(name), name).toBeDefined();
  expect(members.length).toBeGreaterThan(150);
});
