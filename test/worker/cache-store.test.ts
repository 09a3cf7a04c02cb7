import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { nodeId, sessionId } from "../../src/core/ids.js";
import type { StorageLevel } from "../../src/plan/lineage.js";
import { CacheStore } from "../../src/worker/cache-store.js";
import type { CacheOffer } from "../../src/worker/slot/messages.js";

const session = sessionId("s");
const root = mkdtempSync(join(tmpdir(), "millrace-cache-"));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function offer(node: number, partition: number, sizeBytes: number, level: StorageLevel = "MEMORY_ONLY"): CacheOffer {
  const frames = new SharedArrayBuffer(sizeBytes);
  new Uint8Array(frames).fill(node);
  return { session, level, sizeBytes, block: { node: nodeId(node), partition, schemas: new Uint8Array(0), frames } };
}

function makeStore(limitBytes: number) {
  const evicted: string[] = [];
  const store = new CacheStore({
    log: () => undefined,
    limitBytes,
    pathOf: (_session, node, partition) => join(root, `${node}-${partition}`),
    onEvicted: (_session, node, partition) => evicted.push(`${node}/${partition}`),
  });
  return { store, evicted };
}

describe("cache store", () => {
  it("evicts the least recently used partition of another RDD", () => {
    const { store, evicted } = makeStore(100);
    store.store(offer(1, 0, 40));
    store.store(offer(2, 0, 40));
    store.get(session, nodeId(1), 0);
    expect(store.store(offer(3, 0, 40))).toBe(true);
    expect(evicted).toEqual(["2/0"]);
    expect(store.usedBytes).toBe(80);
  });

  it("never evicts an RDD for itself", () => {
    const { store, evicted } = makeStore(100);
    store.store(offer(1, 0, 60));
    expect(store.store(offer(1, 1, 60))).toBe(false);
    expect(evicted).toEqual([]);
    expect(store.get(session, nodeId(1), 0)).toBeDefined();
  });

  it("tells what of each RDD lies in memory and what on disk, through every move", () => {
    const { store } = makeStore(100);
    const stored = () => store.stored.map(({ node, memoryBytes, diskBytes }) => [node, memoryBytes, diskBytes]);
    store.store(offer(7, 0, 30, "MEMORY_AND_DISK"));
    store.store(offer(7, 1, 20, "MEMORY_AND_DISK"));
    store.store(offer(8, 0, 25, "DISK_ONLY"));
    expect(stored()).toEqual([
      [7, 50, 0],
      [8, 0, 25],
    ]);
    store.store(offer(2, 0, 70));
    expect(stored()).toEqual([
      [7, 20, 30],
      [8, 0, 25],
      [2, 70, 0],
    ]);
    store.store({ ...offer(7, 0, 10), block: { ...offer(7, 0, 10).block, generation: 1 } });
    store.evict(1);
    expect(stored()).toEqual([
      [7, 10, 20],
      [8, 0, 25],
      [2, 70, 0],
    ]);
    store.remove(session, nodeId(8));
    store.remove(session);
    expect(stored()).toEqual([]);
    expect(store.usedBytes).toBe(0);
  });

  it("moves a MEMORY_AND_DISK partition to a file instead of dropping it, and removes the file with the RDD", () => {
    const { store, evicted } = makeStore(100);
    store.store(offer(7, 0, 80, "MEMORY_AND_DISK"));
    store.store(offer(2, 0, 80));
    expect(evicted).toEqual([]);
    const moved = store.get(session, nodeId(7), 0)?.frames as { path: string };
    expect(readFileSync(moved.path)).toEqual(Buffer.alloc(80, 7));
    store.remove(session, nodeId(7));
    expect(existsSync(moved.path)).toBe(false);
    expect(store.usedBytes).toBe(80);
  });

  it("forgets a session whole", () => {
    const { store } = makeStore(100);
    store.store(offer(1, 0, 10));
    store.store(offer(2, 0, 10));
    store.remove(session);
    expect(store.usedBytes).toBe(0);
    expect(store.get(session, nodeId(1), 0)).toBeUndefined();
  });

  describe("when memory is short", () => {
    it("gives up what is asked for, least recently used first, to the master's knowledge or to a file", () => {
      const { store, evicted } = makeStore(300);
      store.store(offer(1, 0, 80));
      store.store(offer(2, 0, 80, "MEMORY_AND_DISK"));
      store.store(offer(3, 0, 80));
      store.get(session, nodeId(1), 0);
      expect(store.evict(81)).toBe(160);
      expect(evicted).toEqual(["3/0"]);
      expect(store.get(session, nodeId(2), 0)?.frames).toHaveProperty("path");
      expect(store.usedBytes).toBe(80);
      expect(store.evict(1000)).toBe(80);
      expect(store.evict(1000)).toBe(0);
    });

    it("drops what the disk does not take, and says why", () => {
      const evicted: string[] = [];
      const said: string[] = [];
      const store = new CacheStore({
        log: (message) => said.push(message),
        limitBytes: 100,
        // A file where a directory would have to be.
        pathOf: () => join(process.execPath, "no", "directory"),
        onEvicted: (_session, node, partition) => evicted.push(`${node}/${partition}`),
      });
      store.store(offer(2, 0, 80, "MEMORY_AND_DISK"));
      expect(store.evict(10)).toBe(80);
      expect(evicted).toEqual(["2/0"]);
      expect(said).toEqual([expect.stringMatching(/^cached partition 0 of RDD 2 is dropped: .+/)]);
      expect(store.get(session, nodeId(2), 0)).toBeUndefined();
    });
  });

  it.runIf(existsSync("/dev/full"))("keeps nothing that its disk has no room for, and says what it dropped", () => {
    const { store, evicted } = makeStore(100);
    const full = (node: number) => {
      mkdirSync(root, { recursive: true });
      symlinkSync("/dev/full", join(root, `${node}-0`));
    };
    for (const node of [1, 2]) full(node);
    expect(store.store(offer(1, 0, 50, "DISK_ONLY"))).toBe(false);
    expect(store.store(offer(2, 0, 80, "MEMORY_AND_DISK"))).toBe(true);
    expect(store.store(offer(3, 0, 80))).toBe(true);
    expect(evicted).toEqual(["2/0"]);
    expect([1, 2, 3].map((node) => store.get(session, nodeId(node), 0) !== undefined)).toEqual([false, false, true]);
    expect(store.usedBytes).toBe(80);
    expect(readdirSync(root)).toEqual([]);
  });
});
