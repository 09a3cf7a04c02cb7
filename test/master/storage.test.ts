// What the master shows of persisted nodes: counts as the scheduler knows them, bytes as the workers' heartbeats say.

import { expect, test } from "vitest";
import { jobId, nodeId, workerId } from "../../src/core/ids.js";
import { describeStorage } from "../../src/master/storage-snapshot.js";
import { noMetrics } from "../../src/protocol/tasks.js";
import { inline, lower, rangeSource, site } from "./support.js";
import { session, TestMaster } from "./test-master.js";

test("partitions are counted as tasks end and workers drop them; bytes are those of the last heartbeat", () => {
  const master = new TestMaster("w1", "w2");
  const node = nodeId(1);
  const persisted = () => ({ level: "MEMORY_AND_DISK", name: "numbers", callSite: site }) as const;
  const shown = () => {
    const { machine } = master;
    return describeStorage(machine.view.storage(session), { session, persisted, workers: machine.view.workers });
  };
  expect(shown()).toEqual([]);
  const job = { nodes: [rangeSource(1)], root: 1, sources: { 1: 3 }, storage: { 1: "MEMORY_AND_DISK" } } as const;
  master.submit(lower({ job: jobId(1), ...job }));
  expect(shown()).toMatchObject([{ node, cached: 0, partitions: 3, workers: [] }]);
  const where = new Map<string, number>();
  for (let i = 0; i < 3; i++) {
    const { worker, key } = master.next();
    where.set(worker, (where.get(worker) ?? 0) + 1);
    const cached = [{ node, partition: key.partition, sizeBytes: 40 }];
    master.end(worker, key, { kind: "succeeded", result: inline(), accumulators: [], metrics: noMetrics, cached });
  }
  expect(where.get("w1")).toBeGreaterThan(0);
  const beat = (name: string, memoryBytes: number, diskBytes: number) => {
    const stored = [{ session, node, memoryBytes, diskBytes }];
    const memory = { rssBytes: 9, cacheBytes: memoryBytes, pressure: "calm", stored } as const;
    master.handle({ kind: "heartbeat", worker: workerId(name), incarnation: 1, running: [], memory });
  };
  beat("w1", 80, 0);
  beat("w2", 0, 40);
  const on = (worker: string, memoryBytes: number, diskBytes: number) => ({
    worker,
    partitions: where.get(worker),
    memoryBytes,
    diskBytes,
  });
  expect(shown()).toEqual([
    {
      node,
      name: "numbers",
      operation: "collect at test.ts:1:1",
      level: "MEMORY_AND_DISK",
      cached: 3,
      partitions: 3,
      memoryBytes: 80,
      diskBytes: 40,
      workers: [on("w1", 80, 0), on("w2", 0, 40)],
    },
  ]);
  master.handle({ kind: "workerLost", worker: workerId("w2"), incarnation: 1, reason: "it was killed" });
  expect(shown()).toMatchObject([{ cached: where.get("w1"), partitions: 3, memoryBytes: 80, diskBytes: 0 }]);
  master.handle({ kind: "unpersisted", session, node });
  expect(shown()).toEqual([]);
});
