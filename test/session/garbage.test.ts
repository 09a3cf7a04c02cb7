// Nodes whose RDD and all descendants are garbage are released at the master, by the real garbage collector.

import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function released(master: FakeMaster, count: number): Promise<readonly number[]> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    collectGarbage();
    await turn();
    const ids = master.of("releaseNodes").flatMap((message) => [...message.nodes]);
    if (ids.length >= count || Date.now() > deadline) return ids.sort((a, b) => a - b);
  }
}

test("a child keeps its parents, and jobs that have ended keep nothing", async () => {
  const { session, master } = await openFakeSession();
  const child = await (async () => {
    const base = session.range(3).map((n) => n + 1);
    await base.filter((n) => n > 1).count();
    for await (const _ of base.filter((n) => n > 2).toLocalIterator()) break;
    const kept = base.keyBy((n) => n);
    await kept.count();
    return kept;
  })();
  // Nodes 1 and 2 are the kept child's parents, 3 and 4 the two filters, 5 the child.
  expect(await released(master, 2)).toEqual([3, 4]);
  expect(await child.count()).toBe(3);
  expect([...master.model.known].sort()).toEqual([1, 2, 5]);
  await session.stop();
});
