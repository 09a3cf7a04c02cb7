// Word count of a text with a Zipf vocabulary of 200,000 words, by plain closures. Value: a digest of the sorted counts.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Value, Workload } from "./workload.js";

const CHUNK_BYTES = 8 * 2 ** 20;

export const wordcount: Workload = {
  title: "word count of 256 MB",
  input: "text",
  async run(session, { input }) {
    const counts = await session
      .textFile(input)
      .flatMap((line) => line.split(" "))
      .map((word) => [word, 1])
      .reduceByKey((a, b) => a + b)
      .collect();
    return () => summary(counts);
  },
  plain({ input }) {
    const counts = new Map<string, number>();
    for (const line of lines(input)) {
      for (const word of line.split(" ")) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return () => summary([...counts]);
  },
};

function summary(counts: readonly (readonly [string, number])[]): Value {
  const hash = createHash("sha256");
  const sorted = counts.map(([word, count]) => `${word} ${count}\n`).sort();
  for (const line of sorted) hash.update(line, "latin1");
  const words = counts.reduce((total, [, count]) => total + count, 0);
  return { words, distinct: counts.length, digest: hash.digest("hex") };
}

function* lines(path: string): Generator<string> {
  const file = openSync(path, "r");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = "";
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    const parts = (rest + chunk.toString("latin1", 0, read)).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  closeSync(file);
  if (rest !== "") yield rest;
}
