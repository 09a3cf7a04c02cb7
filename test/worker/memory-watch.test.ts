// The judgement of the memory watch: who is named, when nobody is, and how long it waits after a kill.

import { describe, expect, it } from "vitest";
import { MemoryWatch, type SlotReading } from "../../src/worker/memory-watch.js";

const MB = 1024 * 1024;
const options = { limitBytes: 500 * MB, shared: false, silentAfterMs: 100, settleMs: 1000 };

const reading = (
  slot: number,
  heapMb: number,
  reportedAtMs: number,
  { run = 1, touchedMb = null as number | null, ending = false, collectedAtMs = null as number | null } = {},
): SlotReading => ({
  slot,
  run,
  heapBytes: heapMb * MB,
  reportedAtMs,
  startedAtMs: 0,
  touchedBytes: touchedMb === null ? null : touchedMb * MB,
  ending,
  collectedAtMs,
});

describe("memory watch of a worker process", () => {
  it("leaves everybody alone below the limit", () => {
    const watch = new MemoryWatch(options);
    expect(watch.tick(10, 499 * MB, [reading(0, 400, 5)])).toBeNull();
  });

  it("names the slot that grew most since its run began, not the one that is largest", () => {
    const watch = new MemoryWatch(options);
    watch.tick(0, 300 * MB, [reading(0, 200, 0), reading(1, 10, 0)]);
    expect(watch.tick(50, 600 * MB, [reading(0, 220, 40), reading(1, 200, 40)])).toEqual({
      slot: 1,
      run: 1,
      rssBytes: 600 * MB,
      limitBytes: 500 * MB,
    });
  });

  it("names the slot that is silent before any that grew, where nothing more is known", () => {
    const watch = new MemoryWatch(options);
    watch.tick(0, 100 * MB, [reading(0, 10, 0), reading(1, 10, 0)]);
    expect(watch.tick(300, 600 * MB, [reading(0, 200, 290), reading(1, 10, 20)])).toMatchObject({ slot: 1 });
  });

  it("of two silent slots names the one that touched memory, not the one that is silent for longer", () => {
    const watch = new MemoryWatch(options);
    watch.tick(0, 100 * MB, [reading(0, 10, 0, { touchedMb: 900 }), reading(1, 10, 0, { touchedMb: 20 })]);
    const slots = [reading(0, 10, 0, { touchedMb: 905 }), reading(1, 10, 100, { touchedMb: 450 })];
    expect(watch.tick(400, 600 * MB, slots)).toMatchObject({ slot: 1 });
  });

  it("never names an idle slot, and says nothing when all are idle", () => {
    const watch = new MemoryWatch(options);
    expect(watch.tick(300, 600 * MB, [reading(0, 300, 0, { run: 0 })])).toBeNull();
  });

  describe("after a kill", () => {
    const both = [reading(0, 10, 0), reading(1, 10, 0)];
    const killing = [reading(0, 10, 0, { run: 0, ending: true }), reading(1, 10, 0)];
    const gone = [reading(0, 0, 0, { run: 0 }), reading(1, 10, 0)];

    it("waits for the thread's end, then for RSS to fall", () => {
      const watch = new MemoryWatch(options);
      expect(watch.tick(300, 600 * MB, both)).toMatchObject({ slot: 0 });
      expect(watch.tick(2300, 640 * MB, killing)).toBeNull();
      expect(watch.tick(2400, 600 * MB, gone)).toBeNull();
      expect(watch.tick(3300, 590 * MB, gone)).toBeNull();
      expect(watch.tick(3400, 590 * MB, gone)).toMatchObject({ slot: 1 });
    });

    it("watches again at once when RSS has fallen", () => {
      const watch = new MemoryWatch(options);
      watch.tick(300, 600 * MB, both);
      expect(watch.tick(320, 400 * MB, gone)).toBeNull();
      expect(watch.tick(340, 510 * MB, gone)).toMatchObject({ slot: 1 });
    });

    it("does not wait when another slot goes on growing", () => {
      const watch = new MemoryWatch(options);
      watch.tick(300, 600 * MB, both);
      expect(watch.tick(320, 600 * MB, gone)).toBeNull();
      expect(watch.tick(340, 670 * MB, gone)).toMatchObject({ slot: 1 });
    });

    it("waits no longer than 5 s for a thread that does not end", () => {
      const watch = new MemoryWatch(options);
      watch.tick(300, 600 * MB, both);
      expect(watch.tick(5200, 600 * MB, killing)).toBeNull();
      expect(watch.tick(5300, 600 * MB, killing)).toMatchObject({ slot: 1 });
    });
  });
});

describe("memory watch of a driver's own process", () => {
  const shared = { ...options, shared: true };

  it("counts what the process holds beside its idle slots as the driver's", () => {
    const watch = new MemoryWatch(shared, 100 * MB);
    // The driver has taken 1 GB, a slot has kept 50 MB.
    watch.tick(0, 1150 * MB, [reading(0, 50, 0, { run: 0 })]);
    const running = (heapMb: number) => [reading(0, heapMb, 1000)];
    expect(watch.tick(1000, 1590 * MB, running(490))).toBeNull();
    expect(watch.tick(1020, 1610 * MB, running(510))).toMatchObject({ slot: 0, limitBytes: 1600 * MB });
  });

  it("names nobody when the driver fills its own heap while a job runs", () => {
    const watch = new MemoryWatch(shared, 100 * MB);
    const computing = (now: number) => [reading(0, 30, 0, { touchedMb: 40 }), reading(1, 40, now)];
    watch.tick(0, 150 * MB, computing(0));
    expect(watch.tick(1000, 3000 * MB, computing(1000))).toBeNull();
  });
});
