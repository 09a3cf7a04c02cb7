import { describe, expect, it } from "vitest";
import { MillraceError } from "../../src/core/errors.js";
import { ByteLimiter } from "../../src/core/limiter.js";
import { createLogger } from "../../src/core/log.js";

describe("ByteLimiter", () => {
  it("serves in order of arrival and lets nobody overtake", async () => {
    const limiter = new ByteLimiter("blocks", 100);
    const order: string[] = [];
    const first = await limiter.acquire(80);
    const take = async (name: string, bytes: number) => {
      const release = await limiter.acquire(bytes);
      order.push(name);
      return release;
    };
    const large = take("large", 50);
    const small = take("small", 10);
    expect(limiter.tryAcquire(5)).toBeNull();
    expect(limiter.gauge()).toEqual({ name: "blocks", limitBytes: 100, heldBytes: 80, waiting: 2, waitingBytes: 60 });
    first();
    first();
    (await large)();
    (await small)();
    expect(order).toEqual(["large", "small"]);
    expect(limiter.gauge()).toMatchObject({ heldBytes: 0, waiting: 0 });
  });

  it("lets a request above the limit through alone", async () => {
    const limiter = new ByteLimiter("x", 10);
    const huge = await limiter.acquire(1000);
    expect(limiter.tryAcquire(1)).toBeNull();
    huge();
    const again = limiter.tryAcquire(10);
    expect(again).not.toBeNull();
  });

  it("forgets who is aborted, and serves those behind", async () => {
    const limiter = new ByteLimiter("x", 10);
    const held = await limiter.acquire(8);
    const abort = new AbortController();
    const waiting = limiter.acquire(9, abort.signal);
    const behind = limiter.acquire(2);
    abort.abort(new Error("no more"));
    await expect(waiting).rejects.toThrow("no more");
    (await behind)();
    held();
    await expect(limiter.acquire(1, abort.signal)).rejects.toThrow("no more");
    expect(limiter.gauge()).toMatchObject({ heldBytes: 0, waiting: 0 });
  });

  it("serves those who wait when its limit grows", async () => {
    const limiter = new ByteLimiter("x", 10);
    await limiter.acquire(10);
    const waiting = limiter.acquire(5);
    limiter.limitBytes = 15;
    await waiting;
    expect(limiter.gauge().heldBytes).toBe(15);
  });
});

describe("createLogger", () => {
  it("writes lines of JSON from its level on, with errors whole and secrets hidden", () => {
    const lines: string[] = [];
    const log = createLogger({ level: "info", write: (line) => lines.push(line), now: () => 0 });
    log.debug("not shown");
    log.child({ worker: "w1" }).warn("it failed", {
      error: new MillraceError("DISK_FULL", "no room", { fields: { path: "/x" } }),
      secret: "hush",
      count: 3n,
    });
    expect(lines.length).toBe(1);
    expect(lines[0]!.endsWith("\n")).toBe(true);
    expect(lines[0]).not.toContain("hush");
    expect(JSON.parse(lines[0]!)).toMatchObject({
      time: "1970-01-01T00:00:00.000Z",
      level: "warn",
      message: "it failed",
      worker: "w1",
      count: "3",
      error: { code: "DISK_FULL", fields: { path: "/x" } },
    });
  });
});
