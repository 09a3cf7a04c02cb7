// Blocks that come damaged or not at all: a byte that changes on its way or on the disk, connections that end in the middle of
// a block. The checksum or the broken stream tells; the block is fetched again or computed anew, and no wrong record is seen.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Blow, ChaosCluster, type Run } from "./harness.js";
import { cachedJob, resultJob, shuffleJob } from "./jobs.js";
import { settings } from "./settings.js";

const shuffle = { block: "shuffle" };
const corrupt = (at: number, where: Readonly<Record<string, unknown>>) => ({ action: "corrupt", at, where }) as const;
const drop = (where: Readonly<Record<string, unknown>>) => ({ action: "drop", where }) as const;

const anywhere: readonly Blow[] = [
  {
    fault: "a byte of a shuffle file changes on the disk",
    point: "map.committed",
    token: corrupt(0.4, { partition: 3 }),
    job: shuffleJob,
  },
];

const fetched: readonly Blow[] = [
  ...[0, 0.4].map((at) => ({
    fault: `a byte of a shuffle block changes in its server (${at === 0 ? "of its head" : `at ${at}`})`,
    point: "serve.chunk",
    token: corrupt(at, shuffle),
    job: shuffleJob,
  })),
  ...[0, 0.3, 0.999].map((at) => ({
    fault: `a byte of a shuffle block changes on its way (at ${at})`,
    point: "serve.sealed",
    token: corrupt(at, shuffle),
    job: shuffleJob,
    check: ({ lost }: Run) => expect(lost).toBeGreaterThan(0),
  })),
  {
    fault: "connections end in the middle of a fetch",
    point: "serve.chunk",
    token: drop({ ...shuffle, pass: { atLeast: 2 } }),
    job: shuffleJob,
  },
  {
    fault: "connections end while a cached partition is served",
    point: "serve.chunk",
    token: drop({ block: "cached", pass: { atLeast: 2 } }),
    job: cachedJob,
  },
  {
    fault: "a byte of a cached partition changes in its server",
    point: "serve.chunk",
    token: corrupt(0.5, { block: "cached", size: { atLeast: 1000 } }),
    job: cachedJob,
  },
  {
    fault: "a byte of a cached partition changes in its server (of its head)",
    point: "serve.chunk",
    token: corrupt(0, { block: "cached" }),
    job: cachedJob,
  },
  {
    fault: "connections end while a result is served",
    point: "serve.chunk",
    token: drop({ block: "result" }),
    job: resultJob,
  },
];

describe.each(settings)("$name", (setting) => {
  const cluster = new ChaosCluster(setting);
  beforeAll(() => cluster.session().then(() => undefined));
  afterEach(({ task }) => (task.result?.state === "fail" ? cluster.renew() : undefined));
  afterAll(() => cluster.close());

  test.each([...anywhere, ...(setting.remote ? fetched : [])])("$fault", async (blow) => {
    await cluster.strike(blow);
  });
});
