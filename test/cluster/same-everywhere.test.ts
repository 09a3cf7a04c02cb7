// The same program gives the same bytes on every master and with any memory: order of records, part files, float sums.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();

interface Setting {
  readonly master: string;
  readonly options: SessionOptions;
}
/** Far below the default of 32 MiB, so that map side combines flush many times; equal everywhere, because it is part of the plan. */
const FLUSH_BYTES = "128k";
/** Every master, little memory and much. The first is what the others are compared with. */
const settings: readonly Setting[] = [
  { master: "local[1]", options: {} },
  { master: "local[1]", options: { "memory.taskBytes": "512k" } },
  { master: "local[4]", options: { "memory.taskBytes": "512k" } },
  { master: "local", options: {} },
  { master: "local-cluster[2,1,1g]", options: { "memory.taskBytes": "512k" } },
  { master: "local-cluster[1,2,1g]", options: { "shuffle.localReads": false, "shuffle.compress": false } },
];

const WORDS = 20_000;
const text = join(engine.directory, "words.txt");
/** Numbers whose sum depends on the order of adding; a vocabulary larger than the smallest budget. */
function writeText(): void {
  let state = 7;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return state;
  };
  const lines: string[] = [];
  for (let at = 0; at < WORDS; at++) {
    const rank = next() % (1 + (next() % WORDS));
    lines.push(`word-${rank}-${"x".repeat(rank % 40)} ${next() / (1 + (next() % 1e6))}`);
  }
  writeFileSync(text, `${lines.join("\n")}\n`);
}
writeText();

function fingerprint(directory: string): Record<string, string> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(directory, name)))
        .digest("hex"),
    ]),
  );
}

const add = (a: number, b: number) => a + b;
const hash = (lines: readonly string[]) => createHash("sha256").update(lines.join("\n")).digest("hex");
/** The bits of a number, so that -0 and 0, and sums that differ in the last bit, are told apart. */
const bits = (n: number) => Buffer.from(new Float64Array([n]).buffer).toString("hex");
const parse = (line: string): readonly [string, number] => {
  const space = line.indexOf(" ");
  return [line.slice(0, space), Number(line.slice(space + 1))] as const;
};

const programs: Readonly<Record<string, (session: Session, output: string) => Promise<unknown>>> = {
  "part files of a sum by key, of a sort and of a join": async (session, output) => {
    const pairs = session.textFile(text, 6).map(parse);
    const sums = pairs.reduceByKey(add);
    await sums.saveAsTextFile(`${output}-sums`);
    await pairs.sortByKey(true, 5).saveAsTextFile(`${output}-sorted`, { compression: "gzip" });
    const counts = pairs.mapValues(() => 1).reduceByKey(add, 3);
    await sums.join(counts).repartition(4).saveAsTextFile(`${output}-joined`);
    return ["sums", "sorted", "joined"].map((name) => fingerprint(`${output}-${name}`));
  },
  "float sums, to the last bit": async (session) => {
    const pairs = session.textFile(text, 6).map(parse);
    const values = pairs.values();
    const byLength = pairs.map(([word, n]) => [word.length, n]).aggregateByKey(0.1, add, add);
    return {
      total: bits(await values.reduce(add)),
      folded: bits(await values.aggregate(0.1, add, add)),
      byLength: (await byLength.collect()).map(([key, sum]) => [key, bits(sum)]),
      byWord: hash((await pairs.reduceByKey(add, 4).collect()).map(([word, sum]) => `${word} ${bits(sum)}`)),
    };
  },
  "groups, distinct records, tops and sorts, in order": async (session) => {
    const pairs = session.textFile(text, 6).map(parse);
    const groups = pairs.groupByKey(4).map(([word, all]) => `${word} ${[...all].join()}`);
    return {
      groups: hash(await groups.collect()),
      distinct: hash(await pairs.keys().distinct(7).collect()),
      top: await pairs.top(20, ([, n]) => n),
      sorted: await pairs.sortBy(([, n]) => n, false, 3).take(50),
    };
  },
};

const first = new Map<string, unknown>();

test.each(settings)("$master with $options", async ({ master, options }) => {
  const session = await engine.open(master, { "shuffle.flushBytes": FLUSH_BYTES, ...options });
  const output = join(engine.directory, String(settings.findIndex((one) => one.options === options)));
  for (const [name, program] of Object.entries(programs)) {
    const result = await program(session, output);
    if (!first.has(name)) first.set(name, result);
    expect(result, name).toStrictEqual(first.get(name));
  }
  await session.stop();
});
