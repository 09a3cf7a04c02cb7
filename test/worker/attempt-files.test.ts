// What an attempt has on disk goes with it when it does not succeed: before its commit, after it, whatever ended it.

import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { SchemaTable } from "../../src/codec/schema.js";
import { jobId, nodeId, sessionId, shuffleId, stageId, type TaskKey, workerId } from "../../src/core/ids.js";
import { CountingBudget } from "../../src/core/memory.js";
import { MapOutputWriter } from "../../src/shuffle/map-output-writer.js";
import { attemptDirectory, attemptFile, mapOutputPath, resultPath } from "../../src/shuffle/paths.js";
import { FileSpillStore } from "../../src/shuffle/spill-store.js";
import { CacheStore } from "../../src/worker/cache-store.js";
import { SharedCacheWriter } from "../../src/worker/slot/cache-writer.js";
import type { CacheOffer } from "../../src/worker/slot/messages.js";
import { WorkerDirectory } from "../../src/worker/worker-directory.js";
import { scratchDirectory } from "../support/scratch.js";

const session = sessionId("s1");
const directory = WorkerDirectory.of(scratchDirectory(), workerId("w"));
const key = (attempt: number, partition = 7): TaskKey => ({
  session,
  job: jobId(3),
  stage: stageId(5),
  partition,
  attempt,
});
const put = (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "x");
};
const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(path, name)).isFile())
    .sort();
const output = ({ partition: map, stage, attempt }: TaskKey, shuffle: number) =>
  mapOutputPath(directory.path, { session, shuffle: shuffleId(shuffle), map, stage, attempt });
const everythingOf = (of: TaskKey) => [
  output(of, 1),
  output(of, 2),
  resultPath(directory.path, of),
  attemptFile(directory.path, of, "shuffle-1"),
  attemptFile(directory.path, of, "cache-4-7"),
  join(attemptDirectory(directory.path, of), "sort-0.spill"),
];

test("an attempt's files are removed, its neighbours' stay", () => {
  const others = [key(1), key(10), key(0, 70), key(0, 17)];
  for (const one of [key(0), ...others]) for (const path of everythingOf(one)) put(path);
  directory.removeAttempt(key(0));
  for (const path of everythingOf(key(0))) expect(existsSync(path)).toBe(false);
  for (const one of others) for (const path of everythingOf(one)) expect(existsSync(path)).toBe(true);
  for (const one of others) directory.removeAttempt(one);
  expect(filesBelow(directory.path)).toEqual([]);
});

test("a map output grows among the attempt's files and gets its name by one rename", () => {
  const path = output(key(2), 9);
  const pendingPath = attemptFile(directory.path, key(2), "shuffle-9");
  const memory = new CountingBudget(1);
  const spill = new FileSpillStore(attemptDirectory(directory.path, key(2)));
  const make = () => new MapOutputWriter({ path, pendingPath, partitions: 2, memory, spill, freeBytes: 8 });
  const abandoned = make();
  abandoned.write(0, new Uint8Array(16));
  abandoned.abort();
  expect(existsSync(path)).toBe(false);
  const writer = make();
  writer.write(1, new Uint8Array(16));
  writer.commit(new SchemaTable());
  spill.dispose();
  expect(existsSync(path)).toBe(true);
  expect(existsSync(pendingPath)).toBe(false);
  directory.removeAttempt(key(2));
  expect(filesBelow(directory.path)).toEqual([]);
});

test("a partition cached on disk belongs to its attempt until the store has taken it", () => {
  const node = nodeId(4);
  const store = new CacheStore({
    log: () => undefined,
    limitBytes: 100,
    pathOf: (of, at, partition) => directory.cachePath(of, at, partition),
    onEvicted: () => undefined,
  });
  const compute = (attempt: number) => {
    const offers: Parameters<CacheStore["store"]>[0][] = [];
    const writer = new SharedCacheWriter({
      session,
      node,
      partition: 7,
      level: "DISK_ONLY",
      memoryLimitBytes: 100,
      memory: new CountingBudget(100),
      path: attemptFile(directory.path, key(attempt), "cache-4-7"),
      offer: (offer) => offers.push(offer),
    });
    writer.write(new Uint8Array(16));
    writer.commit(new SchemaTable());
    return offers[0]!;
  };
  compute(0);
  directory.removeAttempt(key(0));
  expect(filesBelow(directory.path)).toEqual([]);
  // Two jobs at once: one file stays.
  expect(store.store(compute(1))).toBe(true);
  expect(store.store(compute(2))).toBe(true);
  expect(filesBelow(directory.path)).toEqual([join("cache", session, "4-7")]);
  store.remove(session, node);
  expect(filesBelow(directory.path)).toEqual([]);
});

test("what a partition on its way into the cache takes is reserved until it is offered, and no room is no hindrance", () => {
  for (const limitBytes of [2 ** 20, 0]) {
    const memory = new CountingBudget(limitBytes);
    const offers: CacheOffer[] = [];
    const make = () =>
      new SharedCacheWriter({
        session,
        node: nodeId(4),
        partition: 7,
        level: "MEMORY_ONLY",
        memoryLimitBytes: 2 ** 20,
        memory,
        path: attemptFile(directory.path, key(0), "cache-4-7"),
        offer: (offer) => offers.push(offer),
      });
    const abandoned = make();
    const writer = make();
    for (const one of [abandoned, writer]) one.write(new Uint8Array(1000));
    const holder = { name: "cache: partition 7", bytes: 256 * 1024 };
    expect(memory.holders).toEqual(limitBytes === 0 ? [] : [holder, holder]);
    abandoned.abort();
    expect(writer.commit(new SchemaTable())).toBe(true);
    expect(memory.reservedBytes).toBe(0);
    expect(offers.map(({ sizeBytes }) => sizeBytes)).toEqual([1000]);
  }
});
