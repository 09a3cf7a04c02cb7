// A key whose values are more than a task may hold, on a real worker process: a function of the program iterates them, a join
// streams them, and what would have to be one array fails at once, by its name, and leaves no scratch file.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MillraceError, Session } from "../../src/index.js";
import { loadEngine } from "../support/engine.js";
import { scratchDirectory } from "../support/scratch.js";

const ROWS = 100_000;
const scratch = scratchDirectory();
let session: Session;

beforeAll(async () => {
  const { Session } = await loadEngine();
  session = await Session.open({
    master: "local-cluster[1,2,256m]",
    localDir: scratch,
    "eventLog.enabled": false,
    "task.maxFailures": 4,
  });
});
afterAll(() => session.stop());

/** 40 MB of one key's values, of which a task of this worker may hold 19. */
const giant = () =>
  session.range(0, ROWS, 1, 8).map((row) => [row % 1000 === 7 ? `other ${row}` : "giant", `${row} ${"v".repeat(400)}`]);

const spillFiles = () =>
  readdirSync(scratch, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".spill"));

test("groupByKey gives all values of a key that is larger than memory, in order, twice", async () => {
  const seen = await giant()
    .groupByKey(2)
    .filter(([key]) => key === "giant")
    .map(([, values]) => {
      let last = -1;
      let rising = true;
      let count = 0;
      for (const value of values) {
        const row = Number.parseInt(value, 10);
        rising &&= row > last;
        last = row;
        count++;
      }
      let again = 0;
      for (const _ of values) again++;
      return { count, again, rising, array: Array.isArray(values) };
    })
    .collect();
  expect(seen).toEqual([{ count: ROWS - 100, again: ROWS - 100, rising: true, array: false }]);
});

test("a join of it with one row streams it", async () => {
  const one = session.parallelize([["giant", "once"] as const], 1);
  expect(await giant().join(one, 2).count()).toBe(ROWS - 100);
});

test("to collect it fails at once with GROUP_TOO_LARGE, not four times", async () => {
  const error = (await giant()
    .groupByKey(2)
    .collect()
    .catch((thrown: unknown) => thrown)) as MillraceError;
  expect(error).toMatchObject({ code: "JOB_FAILED", cause: { code: "GROUP_TOO_LARGE" } });
  expect(error.message).toMatch(
    /groupByKey at groups\.test\.ts:\d+:\d+, partition \d: the key "giant" has 99900 values/,
  );
  expect(error.fields.attempts).toHaveLength(1);
  expect(spillFiles()).toEqual([]);
});

test("a cancelled grouping leaves no scratch file, and the slot takes the next job", async () => {
  const mark = join(scratch, "begun");
  const abort = new AbortController();
  const { existsSync, writeFileSync } = await import("node:fs");
  const job = giant()
    .groupByKey(2)
    .map(([, values]) => {
      for (const _ of values) if (!existsSync(mark)) writeFileSync(mark, "");
      for (;;) for (const _ of values);
    })
    .count({ signal: abort.signal });
  const ended = job.catch((thrown: unknown) => thrown);
  const deadline = Date.now() + 60_000;
  while (!existsSync(mark) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  abort.abort();
  await ended;
  expect(await session.range(0, 10, 1, 4).count()).toBe(10);
  expect(spillFiles()).toEqual([]);
});
