// The guard on real readings of this process, with slots of the test's own. In a process that is the driver's too the ladder acts
// once the slots hold half of what they may, and leaves them alone as long as the memory is the driver's.

import { afterEach, expect, test } from "vitest";
import { nodeId, sessionId } from "../../src/core/ids.js";
import type { PressureLevel } from "../../src/protocol/worker.js";
import { CacheStore } from "../../src/worker/cache-store.js";
import { ControlRow } from "../../src/worker/slot/control-row.js";
import { MemoryGuard } from "../../src/worker/slots/memory-guard.js";

const MB = 1048576;
const session = sessionId("s");
let guard: MemoryGuard | null = null;
afterEach(() => guard?.close());

/** Rejects with what was seen after 20 s. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`after 20 s still not: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("in a shared process the ladder asks for collections, evicts the cache and tells the level, for the slots' memory only", async () => {
  const evicted: number[] = [];
  const cache = new CacheStore({
    log: () => undefined,
    limitBytes: 100 * MB,
    pathOf: () => "",
    onEvicted: (_session, _node, partition) => evicted.push(partition),
  });
  for (const partition of [0, 1]) {
    const frames = new SharedArrayBuffer(MB);
    const block = { node: nodeId(1), partition, schemas: new Uint8Array(0), frames };
    cache.store({ session, level: "MEMORY_ONLY", sizeBytes: MB, block });
  }
  const control = new ControlRow();
  const levels: PressureLevel[] = [];
  let looks = 0;
  let held = 0;
  const limitBytes = 64 * MB;
  guard = new MemoryGuard({
    memory: { limitBytes, shared: true },
    taskBytes: 8 * MB,
    // A slot that runs and reports at every look.
    slots: () => {
      looks++;
      control.report(held, Date.now());
      return [{ control, startedAtMs: Date.now(), ending: false }];
    },
    workOf: () => ({ what: "", fields: {} }),
    evict: (bytes) => cache.evict(bytes),
    onPressure: (level) => levels.push(level),
    kill: () => undefined,
  });
  control.setRunning(1);
  // The driver's own: more than the slots may hold, so RSS is above every rung.
  const drivers = Buffer.alloc(2 * limitBytes, 1);
  await until("ten looks", () => looks >= 10);
  expect({ levels, evicted, asked: control.collectAsked }).toEqual({ levels: [], evicted: [], asked: false });
  held = limitBytes;
  await until("the ladder's top", () => levels.at(-1) === "critical");
  expect(guard.level).toBe("critical");
  expect(control.collectAsked).toBe(true);
  expect(evicted).toEqual([0, 1]);
  expect(cache.usedBytes).toBe(0);
  held = 0;
  await until("calm again", () => levels.at(-1) === "calm");
  expect(drivers.length).toBe(2 * limitBytes);
});
