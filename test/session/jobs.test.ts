// The life of a job as the driver sees it: results, failures, cancellation, the end of the session.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MillraceError, type WireError } from "../../src/core/errors.js";
import { jobId } from "../../src/core/ids.js";
import { noMetrics } from "../../src/core/task-metrics.js";
import type { RddSession } from "../../src/rdd/session.js";
import type { JobEnd } from "../../src/session/job-client.js";
import { withoutOwnFrames } from "../../src/session/job-errors.js";
import { LineageStore } from "../../src/session/lineage-store.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

const summary = {
  stages: 2,
  tasks: 3,
  failedAttempts: 0,
  elapsedMs: 4,
  shuffleBytes: 5,
  spillBytes: 0,
  metrics: noMetrics,
  byStage: [],
  accumulators: [],
  workers: [],
};

let session: RddSession;
let master: FakeMaster;

beforeEach(async () => {
  ({ session, master } = await openFakeSession());
});
afterEach(() => session.stop());

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => (error as MillraceError).code,
  );

describe("a job that fails", () => {
  test("rejects with the place of the action and the user's own error as its cause", async () => {
    const failing = session.range(4).map((n) => {
      if (n === 2) throw new TypeError("two is bad");
      return n;
    });
    const error = (await failing.collect().catch((thrown: unknown) => thrown)) as MillraceError;
    expect(error).toBeInstanceOf(MillraceError);
    expect(error.stack).toContain("jobs.test.ts");
    expect(error.stack).not.toContain("src/rdd");
  });

  test("of JOB_FAILED the cause is the error in the last attempt's error", async () => {
    const user: WireError = {
      code: "TASK_FAILED",
      message: "boom",
      fields: { name: "RangeError" },
      stack: "RangeError: boom\n    at f (user.ts:3:1)",
    };
    const attempt: WireError = {
      code: "TASK_FAILED",
      message: "map at a.ts:1:2 threw in partition 3: RangeError: boom",
      fields: { operator: "map at a.ts:1:2", partition: 3 },
      cause: user,
    };
    master.hold();
    const failed = session
      .range(2)
      .collect()
      .catch((thrown: unknown) => thrown);
    master.emit({
      kind: "jobEnded",
      job: jobId(1),
      summary,
      error: { code: "JOB_FAILED", message: "task 3 failed 4 times", fields: { attempts: 4 }, cause: attempt },
    });
    const error = (await failed) as MillraceError;
    expect(error.code).toBe("JOB_FAILED");
    expect(error.message).toContain("map at a.ts:1:2 threw in partition 3");
    expect(error.fields).toEqual({ attempts: 4, operator: "map at a.ts:1:2", partition: 3 });
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.cause).toMatchObject({ name: "RangeError", message: "boom", stack: user.stack });
  });

  test("of a task's stack the frames of the user's own code are shown", () => {
    const stack = [
      "TypeError: x",
      "    at fn (file:///home/u/dist/index.js:3:1)",
      "    at run (file:///opt/m/dist/slot.js:10:1)",
      "    at run (/app/node_modules/millrace/dist/slot.js:10:1)",
    ];
    expect(withoutOwnFrames(stack.join("\n"), "file:///opt/m/dist/")).toBe(stack.slice(0, 2).join("\n"));
    const own = [stack[0], stack[2]].join("\n");
    expect(withoutOwnFrames(own, "file:///opt/m/dist/")).toBe(own);
  });

  test("an error class of the user's keeps its name", async () => {
    master.hold();
    const failed = session
      .range(2)
      .count()
      .catch((thrown: unknown) => thrown);
    const user: WireError = { code: "TASK_FAILED", message: "m", fields: { name: "QuotaError" } };
    master.emit({
      kind: "jobEnded",
      job: jobId(1),
      summary,
      error: { code: "TASK_FAILED", message: "x", fields: { partition: 0 }, cause: user },
    });
    expect(((await failed) as MillraceError).cause).toMatchObject({ name: "QuotaError", message: "m" });
  });

  test("a function that throws while the driver folds cancels the job", async () => {
    const rdd = session.range(0, 4, 1, 4);
    const boom = new Error("fold");
    const error = await rdd
      .aggregate<number>(
        0,
        (a) => a,
        () => {
          throw boom;
        },
      )
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "TASK_FAILED", cause: boom });
    expect(master.of("cancel")).toHaveLength(1);
    expect(await rdd.count()).toBe(4);
  });

  test("results out of order are a PROTOCOL_ERROR", async () => {
    master.hold();
    const failed = codeOf(session.range(2).count());
    const piece = (partition: number, last: boolean) =>
      master.emit({ kind: "result", job: jobId(1), partition, bytes: new Uint8Array(1), last, records: 0 });
    piece(1, false);
    piece(0, true);
    expect(await failed).toBe("PROTOCOL_ERROR");
  });
});

describe("cancellation", () => {
  test("an AbortSignal rejects at once and cancels the job at the master", async () => {
    master.hold();
    const controller = new AbortController();
    const cancelled = session.range(9).collect({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(cancelled).rejects.toMatchObject({ code: "JOB_CANCELLED", cause: { message: "enough" } });
    expect(master.of("cancel").map((message) => message.job)).toEqual([1]);
    master.release();
    expect(await session.range(2).count()).toBe(2);
  });

  test("cancelAllJobs rejects what runs, counts it, and leaves later jobs alone", async () => {
    master.hold();
    const cancelled = [codeOf(session.range(9).collect()), codeOf(session.range(9).count())];
    expect(session.cancelAllJobs("enough")).toBe(2);
    expect(await Promise.all(cancelled)).toEqual(["JOB_CANCELLED", "JOB_CANCELLED"]);
    expect(master.of("cancel")).toMatchObject([
      { job: 1, reason: "enough" },
      { job: 2, reason: "enough" },
    ]);
    expect(session.cancelAllJobs()).toBe(0);
    master.release();
    expect(await session.range(2).count()).toBe(2);
  });

  test("a signal that is aborted already starts no job", async () => {
    expect(await codeOf(session.range(9).count({ signal: AbortSignal.abort() }))).toBe("JOB_CANCELLED");
    expect(session.statistics.jobs).toBe(0);
  });

  test("a signal that outlives the job holds no listener of it", async () => {
    const controller = new AbortController();
    await session.range(2).count({ signal: controller.signal });
    controller.abort();
    expect(master.of("cancel")).toEqual([]);
  });
});

describe("toLocalIterator", () => {
  test("gives the records in order and never holds more than one partition and the window", async () => {
    await session.stop();
    ({ session, master } = await openFakeSession({ pieceBytes: 1_000, windowBytes: 4_000 }));
    const rdd = session.range(0, 5_000, 1, 5);
    const seen: number[] = [];
    for await (const n of rdd.toLocalIterator()) seen.push(n);
    expect(seen).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
    expect(master.largestInFlight).toBeLessThanOrEqual(4_000);
    expect(session.statistics.jobs).toBe(1);
  });

  test("acknowledges nothing of the next partition before it is asked for", async () => {
    const iterator = session.parallelize(["a", "b", "c"], 3).toLocalIterator();
    expect(session.statistics.jobs).toBe(0);
    await iterator.next();
    expect(master.of("acknowledge")).toHaveLength(1);
    await iterator.next();
    expect(master.of("acknowledge")).toHaveLength(2);
    await iterator.return();
  });

  test("leaving the loop cancels the job", async () => {
    await session.stop();
    ({ session, master } = await openFakeSession({ windowBytes: 1 }));
    for await (const n of session.range(0, 100, 1, 10).toLocalIterator()) if (n === 0) break;
    expect(master.of("cancel")).toHaveLength(1);
  });

  test("a failure of the job is thrown in the loop", async () => {
    const iterator = session.range(3).map((): number => {
      throw new Error("no");
    });
    await expect(iterator.toLocalIterator().next()).rejects.toMatchObject({ message: expect.stringContaining("no") });
  });
});

describe("the end of a session", () => {
  test("stop fails the jobs that run with SESSION_STOPPED, and all later calls", async () => {
    master.hold();
    const rdd = session.range(3);
    const counted = codeOf(rdd.count());
    const iterated = codeOf(rdd.toLocalIterator().next());
    await session.stop();
    expect(await counted).toBe("SESSION_STOPPED");
    expect(await iterated).toBe("SESSION_STOPPED");
    expect(() => rdd.map((n) => n)).toThrow(expect.objectContaining({ code: "SESSION_STOPPED" }));
    expect(() => rdd.count()).toThrow(/count: the session was stopped/);
    expect(() => session.parallelize([1])).toThrow(expect.objectContaining({ code: "SESSION_STOPPED" }));
    expect(() => session.broadcast(1)).toThrow(expect.objectContaining({ code: "SESSION_STOPPED" }));
    await session.stop();
    expect(master.of("close")).toHaveLength(1);
  });

  test("await using stops it", async () => {
    const opened = await openFakeSession();
    await opened.session[Symbol.asyncDispose]();
    expect(opened.master.closed).toBe(true);
  });

  test("a lost master fails jobs and questions with MASTER_LOST", async () => {
    master.hold();
    const counted = codeOf(session.range(3).count());
    master.lose(new Error("connection reset"));
    expect(await counted).toBe("MASTER_LOST");
    expect(() => session.range(3)).toThrow(/connection reset/);
  });

  test("sessions of one process do not meet", async () => {
    const other = await openFakeSession();
    expect(() => session.range(2).union(other.session.range(2))).toThrow(/an RDD of the same session/);
    await other.session.stop();
    expect(await session.range(2).count()).toBe(2);
  });
});

describe("opening", () => {
  test("a refusal is thrown", async () => {
    const error: WireError = { code: "AUTHENTICATION_FAILED", message: "wrong secret", fields: {} };
    await expect(openFakeSession({ onOpen: { kind: "refused", error } })).rejects.toMatchObject({
      code: "AUTHENTICATION_FAILED",
    });
  });

  test("a master that does not answer is a TIMEOUT", async () => {
    await expect(openFakeSession({ onOpen: null }, 20)).rejects.toMatchObject({ code: "TIMEOUT" });
  });
});

describe("listeners", () => {
  test("onJobEnd hears of every job with its summary", async () => {
    const ends: JobEnd[] = [];
    const remove = session.onJobEnd((end) => ends.push(end));
    await session.range(3).count();
    await codeOf(
      session
        .range(3)
        .map(() => Promise.reject(new Error("x")))
        .count(),
    );
    expect(ends.map((end) => [end.job, end.callSite.method, end.error?.code ?? null])).toEqual([
      [1, "count", null],
      [2, "count", "TASK_FAILED"],
    ]);
    expect(session.lastJob?.tasks).toBe(1);
    remove();
    await session.range(3).count();
    expect(ends).toHaveLength(2);
  });

  test("onProgress and onLog get what the master says", () => {
    const heard: unknown[] = [];
    session.onProgress((stages) => heard.push(stages));
    session.onLog((log) => heard.push(log.text));
    master.emit({ kind: "progress", stages: [] });
    master.emit({ kind: "log", stage: 1 as never, partition: 2, stream: "stdout", text: "hello" });
    expect(heard).toEqual([[], "hello"]);
  });
});

test("nodes that nobody can use any more are released together", async () => {
  const released: unknown[] = [];
  const store = new LineageStore((nodes) => released.push(nodes));
  const source = store.add(
    { kind: "union", parents: [], callSite: { file: "f", line: 1, column: 1, method: "m" } },
    [],
  );
  const child = store.add({ kind: "union", parents: [source.node.id], callSite: source.node.callSite }, [source]);
  const unsent = store.add({ kind: "union", parents: [], callSite: source.node.callSite }, []);
  store.takeUnsent(child);
  store.release(child.node.id);
  store.release(source.node.id);
  store.release(unsent.node.id);
  await Promise.resolve();
  expect(released).toEqual([[1, 2]]);
});
