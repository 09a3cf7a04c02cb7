// Word count of a text with a Zipf vocabulary of 200,000 words, by plain closures. Value: a digest of the sorted counts.

import { createHash } from "node:crypto";
import { lines } from "./lines.js";
import type { Value, Workload } from "./workload.js";

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
