// `millrace status` of a cluster whose cache has moved to disk: the storage of each persisted RDD, and each worker's memory.

import { afterAll, expect, test } from "vitest";
import { HandCluster } from "../support/hand-cluster.js";

const cluster = new HandCluster();
afterAll(() => cluster.close());

test("status tells of each persisted RDD its name, level, partitions and bytes in memory and on disk, by worker", async () => {
  await cluster.startMaster();
  await cluster.startWorker("store-1", ["--memory", "256m"]);
  const session = await cluster.open();
  // The cache of 256 MB is 38 MB: of the two RDDs of about 26 MB, each of which fits, the older one moves to disk in part.
  const rows = (seed: number) => session.range(0, 3_250_000, 1, 4).map((n) => n + seed + 0.5);
  const older = rows(1).persist("MEMORY_AND_DISK").setName("older");
  const newer = rows(2).persist("MEMORY_AND_DISK");
  await older.count();
  await newer.count();
  newer.setName("newer");
  const { sessions, workers } = await cluster.statusUntil(
    "both RDDs are stored",
    ({ sessions: [one], workers: [w] }) => {
      const [first, second] = one?.storage ?? [];
      return (
        (first?.diskBytes ?? 0) > 0 &&
        (second?.memoryBytes ?? 0) > 20e6 &&
        second?.name === "newer" &&
        w?.rssBytes !== null
      );
    },
  );
  const [first, second] = sessions[0]?.storage ?? [];
  for (const [name, one] of [
    ["older", first],
    ["newer", second],
  ] as const) {
    expect(one).toMatchObject({ name, level: "MEMORY_AND_DISK", cached: 4, partitions: 4 });
    expect(one?.operation).toMatch(/^map at storage\.test\.ts:\d+:\d+$/);
    const whole = (one?.memoryBytes ?? 0) + (one?.diskBytes ?? 0);
    expect(whole).toBeGreaterThan(25e6);
    expect(whole).toBeLessThan(30e6);
    expect(one?.workers).toEqual([
      { worker: "store-1", partitions: 4, memoryBytes: one?.memoryBytes, diskBytes: one?.diskBytes },
    ]);
  }
  const [worker] = workers;
  expect(worker?.cacheBytes).toBe((first?.memoryBytes ?? 0) + (second?.memoryBytes ?? 0));
  expect(worker?.rssBytes).toBeGreaterThan(worker?.cacheBytes ?? 0);
  expect(["calm", "warm", "high", "critical"]).toContain(worker?.pressure);
  older.unpersist();
  await cluster.statusUntil("the older one is gone", ({ sessions: [one], workers: [w] }) => {
    const [left] = one?.storage ?? [];
    return one?.storage.length === 1 && left?.name === "newer" && w?.cacheBytes === left.memoryBytes;
  });
});
