// distinct of ten million strings, of which a million are different. Value: how many, and the sum of the numbers in them.

import { lines } from "./lines.js";
import type { Workload } from "./workload.js";

export const distinct: Workload = {
  title: "distinct of 10 M strings, 1 M different, from text",
  input: "ids",
  async run(session, { input }) {
    const [different, checksum] = await session
      .textFile(input)
      .distinct()
      .aggregate<readonly [number, number]>(
        [0, 0],
        ([count, sum], id) => [count + 1, sum + numberIn(id)],
        (a, b) => [a[0] + b[0], a[1] + b[1]],
      );
    return () => ({ different, checksum });
  },
  plain({ input }) {
    let checksum = 0;
    const different = new Set(lines(input));
    for (const id of different) checksum += numberIn(id);
    return () => ({ different: different.size, checksum });
  },
};

/** Of user-00c0ffee. */
function numberIn(id: string): number {
  return Number.parseInt(id.slice(5), 16);
}
