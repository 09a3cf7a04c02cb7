// The same program gives the same bytes on every master and with any memory: order of records, part files, float sums.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();

interface Setting {
  readonly master: string;
  readonly options: SessionOptions;
}
/** Every master, little memory and much. The first is what the others are compared with. */
const settings: readonly Setting[] = [
  { master: "local[1]", options: {} },
  { master: "local[1]", options: { "memory.taskBytes": "1m" } },
  { master: "local[4]", options: { "memory.taskBytes": "1m" } },
  { master: "local", options: {} },
  { master: "local-cluster[2,1,1g]", options: { "memory.taskBytes": "1m" } },
  { master: "local-cluster[1,2,1g]", options: { "shuffle.localReads": false, "shuffle.compress": false } },
];

const WORDS = 60_000;
const text = join(engine.directory, "words.txt");
/** Numbers whose sum depends on the order of adding; a vocabulary larger than 1 MiB. */
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

let open: Session | null = null;
afterEach(async () => {
  await open?.stop();
  open = null;
});

async function sameOnEach(
  name: string,
  program: (session: Session, output: string) => Promise<unknown>,
  options: SessionOptions = {},
): Promise<void> {
  let first: unknown;
  for (const [index, setting] of settings.entries()) {
    open = await engine.open(setting.master, { ...setting.options, ...options });
    const result = await program(open, join(engine.directory, `${name}-${index}`));
    if (index === 0) first = result;
    else expect(result, `${setting.master} ${JSON.stringify(setting.options)}`).toStrictEqual(first);
    await open.stop();
  }
}

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

/** The bits of a number, so that -0 and 0, and sums that differ in the last bit, are told apart. */
const bits = (n: number) => Buffer.from(new Float64Array([n]).buffer).toString("hex");
const parse = (line: string): readonly [string, number] => {
  const space = line.indexOf(" ");
  return [line.slice(0, space), Number(line.slice(space + 1))] as const;
};

describe.sequential("on every master and with any memory", () => {
  test("part files of a sum by key, of a sort and of a join have the same bytes", () =>
    sameOnEach("files", async (session, output) => {
      const pairs = session.textFile(text, 6).map(parse);
      const sums = pairs.reduceByKey((a, b) => a + b);
      await sums.saveAsTextFile(`${output}-sums`);
      await pairs.sortByKey(true, 5).saveAsTextFile(`${output}-sorted`, { compression: "gzip" });
      const counts = pairs.mapValues(() => 1).reduceByKey((a, b) => a + b, 3);
      await sums.join(counts).repartition(4).saveAsTextFile(`${output}-joined`);
      return ["sums", "sorted", "joined"].map((name) => fingerprint(`${output}-${name}`));
    }));

  test("float sums are equal to the last bit, and groups keep their order", () =>
    sameOnEach("floats", async (session) => {
      const pairs = session.textFile(text, 6).map(parse);
      const values = pairs.values();
      const total = await values.reduce((a, b) => a + b);
      const folded = await values.aggregate(
        0.1,
        (a, b) => a + b,
        (a, b) => a + b,
      );
      const byKey = pairs
        .map(([word, n]) => [word.length, n])
        .aggregateByKey(
          0.1,
          (a, b) => a + b,
          (a, b) => a + b,
        );
      const groups = await pairs
        .groupByKey(4)
        .mapValues((all) => [...all].join())
        .collect();
      return {
        total: bits(total),
        folded: bits(folded),
        byKey: (await byKey.collect()).map(([key, sum]) => [key, bits(sum)]),
        groups: createHash("sha256").update(JSON.stringify(groups)).digest("hex"),
        distinct: createHash("sha256")
          .update((await pairs.keys().distinct(7).collect()).join("\n"))
          .digest("hex"),
        top: await pairs.top(20, ([, n]) => n),
        sample: await pairs.sortBy(([, n]) => n, false, 3).take(50),
      };
    }));

  test("a combine that flushes many times flushes at the same records", () =>
    sameOnEach(
      "flushes",
      async (session) => {
        const sums = session
          .textFile(text, 3)
          .map(parse)
          .reduceByKey((a, b) => a + b, 4);
        return (await sums.collect()).map(([word, sum]) => `${word} ${bits(sum)}`).join("\n");
      },
      { "shuffle.flushBytes": "256k" },
    ));
});
