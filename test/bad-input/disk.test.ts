// A disk that is full or read-only under the local directory, the output or the event log. Needs the right to mount a small
// tmpfs; elsewhere these tests are skipped.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { MillraceError } from "../../src/index.js";
import { workerDirectories } from "../support/cli.js";
import { loadEngine } from "../support/engine.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();
const disk = join(scratch, "disk");
mkdirSync(disk);
const mount = (...options: string[]) => spawnSync("mount", [...options, "tmpfs", disk]).status === 0;
const canMount = process.platform === "linux" && process.getuid?.() === 0 && mount("-t", "tmpfs", "-o", "size=4m");
afterAll(() => {
  if (canMount) spawnSync("umount", ["-l", disk]);
});

const failure = (promise: Promise<unknown>) => promise.then(String, (error: unknown) => error as MillraceError);
const attemptCodes = (error: MillraceError | string) =>
  typeof error === "string"
    ? error
    : [...new Set((error.fields.attempts as { code: string }[]).map(({ code }) => code))];

describe.skipIf(!canMount)("a disk of 4 MB", () => {
  test.each(["local[2]", "local-cluster[1,2,1g]"])(
    "that fills up fails the job, not the session, on %s",
    async (master) => {
      const { Session } = await loadEngine();
      const session = await Session.open({ master, localDir: disk, "eventLog.enabled": false, "task.maxFailures": 2 });
      const random = session.parallelize([1, 2, 3, 4], 4).flatMap(function* () {
        for (let i = 0; i < 100_000; i++) yield [Math.random(), `${Math.random()}`] as const;
      });
      const shuffled = await failure(random.groupByKey(2).count());
      const told = { path: expect.stringContaining(disk), freeBytes: expect.any(Number) };
      expect(shuffled).toMatchObject({ code: "JOB_FAILED", cause: { code: "DISK_FULL", fields: told } });
      expect(attemptCodes(shuffled)).toEqual(["DISK_FULL"]);
      const output = join(disk, "out");
      const saved = await failure(
        session
          .parallelize([1, 2], 2)
          .map(() => "x".repeat(5e6))
          .saveAsTextFile(output),
      );
      expect(attemptCodes(saved)).toEqual(["DISK_FULL"]);
      expect(existsSync(output)).toBe(false);
      expect(
        await session
          .parallelize([1, 2, 3], 3)
          .map((n) => n + 1)
          .collect(),
      ).toEqual([2, 3, 4]);
      await session.stop();
      expect(readdirSync(disk)).toEqual([]);
    },
  );

  test("that is read-only is told when the session opens, and at an output", async () => {
    const { Session } = await loadEngine();
    expect(mount("-o", "remount,ro")).toBe(true);
    for (const master of ["local", "local[2]", "local-cluster[1,1,512m]"]) {
      const error = await failure(Session.open({ master, localDir: disk, "eventLog.enabled": false }));
      expect(error).toMatchObject({ code: "READ_ONLY_FILE_SYSTEM", message: expect.stringContaining(disk) });
    }
    const localDir = join(scratch, "local");
    mkdirSync(localDir);
    // An event log that cannot be written costs the log, not the session.
    const session = await Session.open({ master: "local[1]", localDir, "eventLog.dir": join(disk, "events") });
    const output = await failure(session.parallelize([1]).saveAsTextFile(join(disk, "out")));
    expect(output).toMatchObject({ code: "READ_ONLY_FILE_SYSTEM" });
    expect(await session.parallelize([1]).collect()).toEqual([1]);
    await session.stop();
    expect(workerDirectories(localDir)).toEqual([]);
  });
});
