// pipe through real commands of the system, in threads and in worker processes.

import { beforeAll, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let masters: readonly Session[];
beforeAll(async () => {
  masters = [await engine.open("local[2]"), await engine.open("local-cluster[2,1,512m]")];
});

const each = async (check: (s: Session) => Promise<void>) => {
  for (const s of masters) await check(s);
};

test("lines go in and come out in order, once a partition", () =>
  each(async (s) => {
    const lines = s.range(0, 50_000, 1, 3).map((n) => `line ${n}`);
    expect(await lines.pipe("cat").collect()).toEqual(await lines.collect());
    expect(await lines.pipe(["awk", "END { print NR }"]).collect()).toEqual(["16666", "16667", "16667"]);
  }));

test("pairs go in as key, tab, value; the environment is the command's own", () =>
  each(async (s) => {
    const pairs = s.parallelize(["a", "b"], 1).map((key) => [key, 1]);
    const command = ["sh", "-c", 'while read -r line; do echo "$PREFIX$line"; done'];
    expect(await pairs.pipe(command, { env: { PREFIX: "> " } }).collect()).toEqual(["> a\t1", "> b\t1"]);
  }));

test("a command that has enough ends early, and that is no failure", () =>
  each(async (s) => {
    const many = s.range(0, 300_000, 1, 1).map((n) => `${n} ${"x".repeat(100)}`);
    expect(await many.pipe("head -n 2").count()).toBe(2);
  }));

test("a failing command is told with its code and its last words", () =>
  each(async (s) => {
    const failing = s.range(3).pipe(["sh", "-c", "cat > /dev/null; echo 'no such table' >&2; exit 3"]);
    await expect(failing.collect()).rejects.toMatchObject({
      code: "JOB_FAILED",
      message: expect.stringContaining("exited with code 3; its last words: no such table"),
    });
    const missing = s.range(3).pipe("no-such-command-anywhere");
    await expect(missing.collect()).rejects.toMatchObject({ message: expect.stringContaining("ENOENT") });
  }));

test("a function that throws below the command fails the task, not the command", () =>
  each(async (s) => {
    const broken = s.range(0, 10, 1, 1).map((n) => {
      if (n === 5) throw new Error("five");
      return n;
    });
    await expect(broken.pipe("cat").collect()).rejects.toMatchObject({ message: expect.stringContaining("five") });
  }));

test("a cancelled job ends its commands", () =>
  each(async (s) => {
    const stop = new AbortController();
    const job = s.range(0, 2, 1, 2).pipe("sleep 60").collect({ signal: stop.signal });
    stop.abort();
    await expect(job).rejects.toMatchObject({ code: "JOB_CANCELLED" });
    expect(await s.range(4).count()).toBe(4);
  }));
