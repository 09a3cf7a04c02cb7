import { describe, expect, it } from "vitest";
import { MemoryWatch, type SlotReading } from "../../src/worker/memory-watch.js";

const MB = 1024 * 1024;
const options = { limitBytes: 500 * MB, silentAfterMs: 100, settleMs: 1000 };

const reading = (slot: number, heapMb: number, reportedAtMs: number, run = 1): SlotReading => ({ slot, run, heapBytes: heapMb * MB, reportedAtMs, startedAtMs: 0 });

describe("memory watch", () => {
  it("leaves everybody alone below the limit", () => {
    const watch = new MemoryWatch(options);
    expect(watch.tick(10, 499 * MB, [reading(0, 400, 5)])).toBeNull();
  });

  it("names the slot that grew most since its run began, not the one that is largest", () => {
    const watch = new MemoryWatch(options);
    watch.tick(0, 300 * MB, [reading(0, 200, 0), reading(1, 10, 0)]);
    expect(watch.tick(50, 600 * MB, [reading(0, 220, 40), reading(1, 200, 40)])).toEqual({ slot: 1, run: 1, rssBytes: 600 * MB, silent: false });
  });

  it("names the slot that stopped reporting before any that grew", () => {
    const watch = new MemoryWatch(options);
    watch.tick(0, 100 * MB, [reading(0, 10, 0), reading(1, 10, 0)]);
    expect(watch.tick(300, 600 * MB, [reading(0, 200, 290), reading(1, 10, 20)])).toMatchObject({ slot: 1, silent: true });
  });

  it("never names an idle slot, and says nothing when all are idle", () => {
    const watch = new MemoryWatch(options);
    expect(watch.tick(300, 600 * MB, [reading(0, 300, 0, 0)])).toBeNull();
  });

  it("gives RSS time to fall after a kill before it judges again", () => {
    const watch = new MemoryWatch(options);
    const slots = [reading(0, 10, 0), reading(1, 10, 0)];
    expect(watch.tick(300, 600 * MB, slots)).not.toBeNull();
    expect(watch.tick(900, 600 * MB, slots)).toBeNull();
    expect(watch.tick(1400, 600 * MB, slots)).not.toBeNull();
  });
});
