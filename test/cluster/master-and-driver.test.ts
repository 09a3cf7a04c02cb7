// What drivers and masters owe each other: a driver that dies or falls silent leaves nothing behind; one that is blocked by its
// own code is alive; a master that dies ends its sessions at once; two sessions on one cluster do not hurt each other. The
// deadlines are shortened in a variant of the engine, nothing else is.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SessionOptions } from "../../src/index.js";
import { until } from "../support/cli.js";
import type { loadEngine, Session } from "../support/engine.js";
import { HandCluster, type HandProcess } from "../support/hand-cluster.js";
import { chaosEngine } from "./chaos/points.js";

/** The shortest that a driver may be given. */
const DEADLINE_MS = 4_000;
const deadlines = {
  MILLRACE_DRIVER_HEARTBEAT_TIMEOUT: `${DEADLINE_MS}ms`,
  MILLRACE_WORKER_HEARTBEAT_TIMEOUT: `${DEADLINE_MS}ms`,
  MILLRACE_INTERNAL_CHAOS_RECONNECT_MS: "2000",
};
let engine = "";
let cluster: HandCluster;
let master: HandProcess;
let workers: HandProcess[];

beforeAll(async () => {
  engine = await chaosEngine();
  cluster = new HandCluster({ engine, env: deadlines });
  master = await cluster.startMaster();
  workers = await Promise.all(["one", "two"].map((id) => cluster.startWorker(id)));
});

afterAll(() => cluster.close());

/** Blocks the thread, timers and all, as a long synchronous calculation does. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const sums = (session: Session) =>
  session
    .range(0, 20_000, 1, 4)
    .map((n) => [n % 7, n])
    .reduceByKey((a, b) => a + b, 3)
    .sortByKey()
    .collect();
const expectedSums = Array.from({ length: 7 }, (_, key) => {
  let sum = 0;
  for (let n = key; n < 20_000; n += 7) sum += n;
  return [key, sum];
});

describe("a driver that", () => {
  let program = "";
  beforeAll(() => {
    program = join(cluster.directory, "driver.mts");
    writeFileSync(
      program,
      `import { Session } from "millrace";
const session = await Session.open({ appName: "holder" });
const table = session.broadcast(Array.from({ length: 50_000 }, (_, n) => "row " + n));
const kept = session.range(0, 4_000, 1, 4).map((n) => [n % 50, table.value[n] + "x".repeat(200)]).persist("DISK_ONLY");
console.log("counted", await kept.groupByKey(3).count());
// Results too large for a status, of which the driver takes one and no more.
const large = kept.groupByKey(4).mapValues((all) => [...all].join()).toLocalIterator();
console.log("took", (await large.next()).value[0]);
const spin = session.range(0, 2, 1, 2).map((n) => { if (n === 0) console.log("spinning"); for (;;); }).collect();
await spin;
`,
    );
  });

  const holding = async (): Promise<HandProcess> => {
    const driver = cluster.submit(program);
    await driver.saw(/took \d+/);
    await driver.saw(/\] spinning/);
    expect(cluster.files().some((path) => path.includes("/shuffle/"))).toBe(true);
    expect(cluster.files().some((path) => path.includes("/cache/"))).toBe(true);
    return driver;
  };
  const nothingIsLeft = async () => {
    await cluster.statusUntil(
      "no session and no attempt",
      ({ sessions, workers: all }) => sessions.length === 0 && all.every(({ running }) => running === 0),
    );
    await until("no file of the session is left", () => cluster.files().length === 0);
    const session = await cluster.open();
    expect(await sums(session)).toEqual(expectedSums);
    await session.stop();
    expect((await cluster.status()).workers.map(({ pid }) => pid).sort()).toEqual(workers.map(({ pid }) => pid).sort());
  };

  test("is killed takes along its jobs, map outputs, cached partitions, results and session", async () => {
    const driver = await holding();
    driver.child.kill("SIGKILL");
    await nothingIsLeft();
  });

  test("falls silent is given up after the deadline, and is told when it wakes", async () => {
    const driver = await holding();
    driver.child.kill("SIGSTOP");
    await nothingIsLeft();
    driver.child.kill("SIGCONT");
    const { code, stderr } = await driver.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/nothing was heard of the driver for 4000 ms|MASTER_LOST/);
  });
});

describe("a driver that is blocked by its own code for longer than every deadline is alive:", () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-blocked-"));
  beforeAll(() => void Object.assign(process.env, deadlines));
  afterAll(() => {
    for (const name of Object.keys(deadlines)) delete process.env[name];
    rmSync(directory, { recursive: true, force: true });
  });

  test.each(["local", "local[2]", "local-cluster[2,1,512m]", "by hand"])("%s", async (url) => {
    const { Session } = (await import(pathToFileURL(join(engine, "index.js")).href)) as Awaited<
      ReturnType<typeof loadEngine>
    >;
    const options: SessionOptions =
      url === "by hand"
        ? { master: cluster.url, secretFile: cluster.secretFile }
        : { master: url, localDir: directory };
    const opening = Session.open({ ...options, "eventLog.enabled": false });
    // While it opens; nothing has been said to the master yet.
    block(DEADLINE_MS + 1_000);
    const session = await opening;
    block(DEADLINE_MS + 1_000);
    expect(await sums(session)).toEqual(expectedSums);
    // While a job runs.
    const running = sums(session);
    if (url !== "local") {
      await new Promise((resolve) => setImmediate(resolve));
      block(DEADLINE_MS + 1_000);
    }
    expect(await running).toEqual(expectedSums);
    // While results wait to be taken.
    let seen = 0;
    for await (const text of session
      .range(0, 24, 1, 6)
      .map((n) => String(n).padEnd(2 ** 19, "."))
      .toLocalIterator()) {
      if (seen === 2) block(DEADLINE_MS + 1_000);
      expect(Number.parseInt(text, 10)).toBe(seen++);
    }
    expect(seen).toBe(24);
    await session.stop();
  });
});

describe("of two sessions on one cluster", () => {
  let quiet: Session;
  let loud: Session;
  beforeAll(async () => {
    [quiet, loud] = await Promise.all([cluster.open({ appName: "quiet" }), cluster.open({ appName: "loud" })]);
  });
  afterAll(() => Promise.all([quiet.stop(), loud.stop()]));

  const code = (promise: Promise<unknown>) =>
    promise.then(String, (error: { code: string; cause?: { code?: string } }) => [error.code, error.cause?.code]);
  /** The quiet one's jobs, one after the other, until the other's work is over; at least one. */
  const meanwhile = async (other: Promise<unknown>) => {
    let over = false;
    const ended = other.finally(() => {
      over = true;
    });
    do expect(await sums(quiet)).toEqual(expectedSums);
    while (!over);
    return ended;
  };

  test("one's process.exit ends its own slots and job", async () => {
    const exits = loud
      .range(0, 8, 1, 4)
      .map((n) => (n % 2 === 1 ? process.exit(3) : n))
      .collect();
    expect(await meanwhile(code(exits))).toEqual(["JOB_FAILED", "SLOT_DIED"]);
  });

  test("one's endless loop holds the slots that it has, and gives them back when it is cancelled", async () => {
    const abort = new AbortController();
    const begun = join(cluster.directory, "looping");
    const loops = loud
      .range(0, 1, 1, 1)
      .map(() => {
        writeFileSync(begun, "");
        for (;;);
      })
      .collect({ signal: abort.signal });
    const ended = code(loops);
    await until("it loops", () => existsSync(begun));
    expect(await sums(quiet)).toEqual(expectedSums);
    abort.abort();
    expect((await ended)[0]).toBe("JOB_CANCELLED");
    await cluster.statusUntil("its slot is free", ({ workers: all }) => all.every(({ running }) => running === 0));
    expect(await sums(quiet)).toEqual(expectedSums);
  });

  test("one that fills the heap loses its own slot", async () => {
    const fills = loud
      .range(0, 1, 1, 1)
      .map(() => {
        const held: unknown[] = [];
        for (let at = 0; ; at++) held.push([at, `${at}`]);
      })
      .collect();
    expect(await meanwhile(code(fills))).toEqual(["JOB_FAILED", expect.stringMatching(/OUT_OF_MEMORY|WORKER_LOST/)]);
    expect((await cluster.status()).workers.length).toBe(2);
  });

  test("one's cache pushes out the other's, which is computed again", async () => {
    const kept = quiet
      .range(0, 40_000, 1, 4)
      .map((n) => `${n} of the quiet one's`)
      .persist("MEMORY_ONLY");
    const all = await kept.collect();
    const greedy = loud
      .range(0, 64, 1, 32)
      .map((n) => new Uint8Array(2 ** 22).fill(n))
      .persist("MEMORY_ONLY");
    const filling = greedy.count();
    while ((await Promise.race([filling, kept.collect()])) !== 64) expect(await kept.collect()).toEqual(all);
    expect(await kept.collect()).toEqual(all);
    await greedy.unpersist();
    await kept.unpersist();
  });
});

const canMount = process.platform === "linux" && process.getuid?.() === 0;

test.skipIf(!canMount)(
  "one session that fills the workers' disk fails; the other's jobs end right, then or later",
  async () => {
    const disk = join(cluster.directory, "disk");
    mkdirSync(disk);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]).status).toBe(0);
    // A disk that is full shall be met, not avoided.
    const small = new HandCluster({ engine, env: { ...deadlines, MILLRACE_DISK_MIN_FREE: "0" } });
    try {
      await small.startMaster();
      await Promise.all(["a", "b"].map((id) => small.startWorker(id, ["--local-dir", disk])));
      const [quiet, loud] = await Promise.all([small.open(), small.open()]);
      const filling = loud
        .range(0, 8, 1, 8)
        .flatMap((n) =>
          Array.from({ length: 40_000 }, (_, at): [number, string] => [at, `${n} ${Math.random()}`.repeat(4)]),
        )
        .groupByKey(4)
        .count()
        .then(String, (error: { code: string; cause: { code: string } }) => error.cause.code);
      let over = false;
      const ended = filling.finally(() => {
        over = true;
      });
      do expect(await sums(quiet)).toEqual(expectedSums);
      while (!over);
      expect(await ended).toBe("DISK_FULL");
      expect(await sums(quiet)).toEqual(expectedSums);
    } finally {
      await small.close();
      spawnSync("umount", ["-l", disk]);
    }
  },
);

// Last: it takes the master.
test("a master that is killed ends what every driver waits for at once; its workers serve the next on that address", async () => {
  const [a, b] = await Promise.all([cluster.open(), cluster.open()]);
  const begun = join(cluster.directory, "begun");
  const code = (promise: Promise<unknown>) => promise.then(String, (error: { code: string }) => error.code);
  const pending = [
    code(
      a
        .range(0, 1, 1, 1)
        .map(() => {
          writeFileSync(begun, "");
          for (;;);
        })
        .collect(),
    ),
    code(
      b
        .range(0, 1, 1, 1)
        .map((): number => {
          writeFileSync(`${begun}-too`, "");
          for (;;);
        })
        .count(),
    ),
  ];
  await until("both run", () => existsSync(begun) && existsSync(`${begun}-too`));
  const killed = performance.now();
  master.child.kill("SIGKILL");
  expect(await Promise.all(pending)).toEqual(["MASTER_LOST", "MASTER_LOST"]);
  expect(performance.now() - killed).toBeLessThan(5_000);
  for (const session of [a, b]) {
    expect(() => session.range(3)).toThrow(expect.objectContaining({ code: "MASTER_LOST" }));
    await session.stop();
  }
  master = await cluster.startMaster();
  const session = await cluster.open();
  await cluster.statusUntil("both workers are back", ({ workers: all }) => all.length === 2);
  expect(await sums(session)).toEqual(expectedSums);
  expect((await cluster.status()).workers.map(({ pid }) => pid).sort()).toEqual(workers.map(({ pid }) => pid).sort());
  await until("nothing of the old sessions is left", () => cluster.files().every((path) => path.includes(session.id)));
  await session.stop();
});
