// A shuffle of 1,000 map partitions to 1,000 reduce partitions in blocks of ten rows: what a block costs.

import { scaled, type Workload } from "./workload.js";

const ROWS_A_BLOCK = 10;

export const tinyBlocks: Workload = {
  title: "1,000 x 1,000 shuffle of 10-row blocks",
  input: null,
  async run(session, { size }) {
    const partitions = scaled(1_000, Math.sqrt(size));
    const [rows, sum] = await session
      .range(0, partitions, 1, partitions)
      .flatMap((part) =>
        Array.from({ length: partitions * 10 }, (_, row) => [row % partitions, part * 10 + (row % 10)] as const),
      )
      .partitionBy({ partitions, by: (key) => key })
      .mapPartitions((records) => {
        let count = 0;
        let total = 0;
        for (const [, value] of records) {
          total += value;
          count++;
        }
        return [{ count, total }];
      })
      .map(({ count, total }) => [count, total])
      .reduce((a, b) => [a[0] + b[0], a[1] + b[1]]);
    return () => ({ rows, sum });
  },
  plain({ size }) {
    const partitions = scaled(1_000, Math.sqrt(size));
    const reducers: number[][] = Array.from({ length: partitions }, () => []);
    for (let part = 0; part < partitions; part++) {
      for (let row = 0; row < partitions * ROWS_A_BLOCK; row++)
        reducers[row % partitions]!.push(part * 10 + (row % 10));
    }
    const rows = reducers.reduce((total, values) => total + values.length, 0);
    const sum = reducers.reduce((total, values) => values.reduce((a, b) => a + b, total), 0);
    return () => ({ rows, sum });
  },
};
