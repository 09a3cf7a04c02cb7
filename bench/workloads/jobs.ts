// 300 small jobs one after the other, each with closures of its own: what a job costs, and whether later ones cost more.

import { scaled, type Workload } from "./workload.js";

export const jobs: Workload = {
  title: "300 sequential jobs of 2 partitions",
  input: null,
  async run(session, { size }) {
    const count = scaled(300, size);
    const data = [1, 2, 3, 4, 5, 6, 7, 8];
    const millis: number[] = [];
    let sum = 0;
    for (let step = 0; step < count; step++) {
      const started = performance.now();
      sum += await session
        .parallelize(data, 2)
        .map((x) => x * step)
        .filter((x) => x % 2 === 0)
        .reduce((a, b) => a + b);
      millis.push(performance.now() - started);
    }
    const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length;
    return () => ({
      sum,
      meanMs: mean(millis),
      // Single jobs vary by the collector: five around the 10th against the last five.
      tenthMs: mean(millis.slice(7, 12)),
      lastMs: mean(millis.slice(-5)),
    });
  },
  plain: null,
};
