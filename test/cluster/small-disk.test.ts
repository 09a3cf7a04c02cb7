// Two workers by hand, each on a small disk of its own: one that is short gets no tasks and the other finishes, a cached
// partition that finds no room costs nothing but its caching, and when both are short the job says so. Needs the right to mount
// a tmpfs; elsewhere these tests are skipped.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Session } from "../support/engine.js";
import { HandCluster } from "../support/hand-cluster.js";
import { scratchDirectory } from "../support/scratch.js";

const MIB = 2 ** 20;
const scratch = scratchDirectory();
const disks = { small: join(scratch, "small"), large: join(scratch, "large") };
const sizes = { small: "8m", large: "64m" };
type Name = keyof typeof disks;
const names = ["small", "large"] as const;
const mount = (name: Name) => {
  mkdirSync(disks[name]);
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizes[name]}`, "tmpfs", disks[name]]).status === 0;
};
const canMount = process.platform === "linux" && process.getuid?.() === 0 && names.every(mount);
afterAll(() => {
  if (canMount) for (const name of names) spawnSync("umount", ["-l", disks[name]]);
});

const freeBytes = (name: Name): number => {
  const { bavail, bsize } = statfsSync(disks[name]);
  return bavail * bsize;
};

/** Somebody else's file, which leaves so much. */
function fill(name: Name, leaving: number): void {
  writeFileSync(join(disks[name], "filler"), new Uint8Array(freeBytes(name) - leaving));
}

const free = (name: Name) => rmSync(join(disks[name], "filler"), { force: true });

/** Pids of the processes in which eight tasks ran. */
async function whereTasksRun(session: Session): Promise<number[]> {
  const pids = await session
    .range(0, 8, 1, 8)
    .map(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      return process.pid;
    })
    .collect();
  expect(pids).toHaveLength(8);
  return [...new Set(pids)];
}

describe.skipIf(!canMount)("of two workers", () => {
  const cluster = new HandCluster({ env: { MILLRACE_SHUFFLE_COMPRESS: "false" } });
  const pids = { small: 0, large: 0 };

  beforeAll(async () => {
    await cluster.startMaster();
    for (const name of names) pids[name] = (await cluster.startWorker(name, ["--local-dir", disks[name]])).pid;
  });
  afterAll(() => cluster.close());

  const until = (short: readonly Name[]) =>
    cluster.statusUntil(`short of disk are ${short.join(" and ") || "none"}`, ({ workers }) =>
      workers.every(({ id, state }) => state.includes("short of disk") === short.includes(id as Name)),
    );

  test("the one whose disk is short gets no tasks, and gets them again when it has room", async () => {
    const session = await cluster.open();
    fill("small", MIB / 2);
    await until(["small"]);
    expect(await whereTasksRun(session)).toEqual([pids.large]);
    free("small");
    await until([]);
    expect(await whereTasksRun(session)).toContain(pids.small);
    await session.stop();
  });

  test("the one whose disk fills up in a job leaves the rest of it to the other", async () => {
    // Nine tenths of a megabyte a map: one fits, the next one fails.
    fill("small", 1.6 * MIB);
    const session = await cluster.open();
    const groups = await session
      .range(0, 8, 1, 8)
      .flatMap((n) => Array.from({ length: 900 }, (_, at): [number, string] => [at % 10, `${n}`.repeat(1_000)]))
      .groupByKey(2)
      .mapValues((all) => [...all].length)
      .collect();
    expect([...groups].sort(([a], [b]) => a - b)).toEqual(Array.from({ length: 10 }, (_, key) => [key, 720]));
    expect(session.lastJob?.failedAttempts).toBeGreaterThan(0);
    await session.stop();
    free("small");
    await until([]);
  });

  test("a partition to be cached on a full disk is used and not kept; no attempt fails of it", async () => {
    fill("small", MIB);
    const ours = (name: Name) => cluster.files(disks[name]).filter((path) => !path.endsWith("filler"));
    const session = await cluster.open();
    const rows = session
      .range(0, 8, 1, 8)
      .flatMap((n) => Array.from({ length: 3_000 }, () => `${n}`.repeat(1_000)))
      .persist("DISK_ONLY");
    for (let round = 0; round < 2; round++) {
      expect(await rows.count()).toBe(24_000);
      expect(session.lastJob).toMatchObject({ failedAttempts: 0 });
      expect(ours("small")).toEqual([]);
      expect(ours("large").length).toBeGreaterThan(0);
    }
    await session.stop();
    free("small");
    await until([]);
  });

  test("when both are short, the job ends with DISK_FULL after scheduler.workerTimeout, and the next one runs", async () => {
    const session = await cluster.open({ "scheduler.workerTimeout": 1_000 });
    for (const name of names) fill(name, MIB / 2);
    await until(names);
    const failed = session.range(0, 8, 1, 8).count();
    await expect(failed).rejects.toMatchObject({
      code: "DISK_FULL",
      fields: { workers: expect.arrayContaining(["small", "large"]) },
    });
    for (const name of names) free(name);
    await until([]);
    expect(await session.range(0, 8, 1, 8).count()).toBe(8);
    await session.stop();
  });
});
