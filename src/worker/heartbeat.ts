// What a worker says of itself at every heartbeat: its memory and disk, what it stores, every attempt that it holds and how far
// each has come.

import type { WorkerToMaster } from "../protocol/worker.js";
import type { AttemptRunner } from "./attempt-runner/index.js";
import type { CacheStore } from "./cache-store.js";
import type { DiskWatch } from "./disk-watch.js";
import type { SlotPool } from "./slots/slot-pool.js";

export interface HeartbeatSources {
  readonly runner: AttemptRunner;
  readonly pool: SlotPool;
  readonly cache: CacheStore;
  readonly disk: DiskWatch;
}

export function heartbeatOf({ runner, pool, cache, disk }: HeartbeatSources): WorkerToMaster & { kind: "heartbeat" } {
  const free = disk.look();
  const running = runner.held;
  const progress = new Map(
    runner.slots.flatMap((state, slot) =>
      state.kind === "running" ? [[state.launch.key, pool.recordsRead(slot)] as const] : [],
    ),
  );
  return {
    kind: "heartbeat",
    rssBytes: process.memoryUsage.rss(),
    cacheBytes: cache.usedBytes,
    pressure: pool.pressure,
    stored: cache.stored,
    running,
    records: running.map((key) => progress.get(key) ?? 0),
    ...(free === null ? {} : { disk: free }),
  };
}
