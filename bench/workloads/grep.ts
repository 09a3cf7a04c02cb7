// The lines of a text that a regular expression finds something in. Value: how many, and their characters.

import { lines } from "./lines.js";
import type { Workload } from "./workload.js";

export const grep: Workload = {
  title: "grep of 256 MB by a regular expression",
  input: "text",
  async run(session, { input }) {
    const [found, characters] = await session
      .textFile(input)
      .filter((line) => /\bq[a-z]*z\b/.test(line))
      .aggregate<readonly [number, number]>(
        [0, 0],
        ([count, sum], line) => [count + 1, sum + line.length],
        (a, b) => [a[0] + b[0], a[1] + b[1]],
      );
    return () => ({ found, characters });
  },
  plain({ input }) {
    let found = 0;
    let characters = 0;
    for (const line of lines(input)) {
      if (!/\bq[a-z]*z\b/.test(line)) continue;
      found++;
      characters += line.length;
    }
    return () => ({ found, characters });
  },
};
