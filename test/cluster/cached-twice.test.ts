// A persisted RDD that one task reads twice before it is cached anywhere: both readers write it, and one copy stays.

import { describe, expect, test } from "vitest";
import { sessions } from "../support/engine.js";

const engine = sessions();

describe.each(["local[2]", "local-cluster[2,1,512m]"])("on %s", (master) => {
  test.each(["DISK_ONLY", "MEMORY_AND_DISK", "MEMORY_ONLY"] as const)("%s", async (level) => {
    const session = await engine.open(master);
    const squares = session
      .range(0, 10, 1, 2)
      .map((n) => n * n)
      .persist(level);
    const pairs = squares.zip(squares.map((n) => -n));
    const expected = Array.from({ length: 10 }, (_, n) => [n * n, -n * n]);
    expect(await pairs.collect()).toEqual(expected);
    expect(session.lastJob?.failedAttempts).toBe(0);
    expect(await pairs.collect()).toEqual(expected);
  });
});
