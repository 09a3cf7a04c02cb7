// What a user does wrong, on threads and on worker processes: a typed error that names the place and says what to do, soon,
// nothing left behind, and the same session goes on.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { MillraceError, Session } from "../../src/index.js";
import { workerDirectories } from "../support/cli.js";
import { loadEngine } from "../support/engine.js";
import { scratchDirectory } from "../support/scratch.js";

const scratch = scratchDirectory();
const input = join(scratch, "input");

beforeAll(() => {
  mkdirSync(join(input, "folder", "inner"), { recursive: true });
  writeFileSync(join(input, "good.txt"), "a b\nc\n");
  writeFileSync(join(input, "latin1.txt"), Buffer.from([0x61, 0x0a, 0xe9, 0x74, 0xe9, 0x0a]));
  writeFileSync(join(input, "broken.gz"), "this is no gzip");
});

async function failure(promise: Promise<unknown>): Promise<MillraceError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) throw new Error(`no error but ${String(outcome.value)}`);
  return outcome.error as MillraceError;
}

/** The code of the attempt that failed the job, or of the job itself. */
const codes = (error: MillraceError): unknown[] => {
  const attempts = error.fields.attempts as readonly { code: string }[] | undefined;
  return attempts === undefined ? [error.code] : [...new Set(attempts.map((attempt) => attempt.code))];
};

describe.each(["local", "local[2]", "local-cluster[1,2,1g]"])("on %s", (master) => {
  const localDir = join(scratch, `local-${master.replace(/\W/g, "-")}`);
  let session: Session;

  const open = async (options: Record<string, unknown> = {}) => {
    mkdirSync(localDir, { recursive: true });
    const { Session } = await loadEngine();
    return Session.open({ master, localDir, "eventLog.dir": join(scratch, "events"), ...options });
  };
  beforeAll(async () => {
    session = await open({ "driver.maxResultSize": "8m" });
  });
  afterEach(async () => {
    expect(
      await session
        .parallelize([1, 2, 3], 3)
        .map((n) => n + 1)
        .collect(),
    ).toEqual([2, 3, 4]);
  });
  afterAll(async () => {
    await session.stop();
    expect(workerDirectories(localDir)).toEqual([]);
  });

  test("files that are not there, or not text", async () => {
    const missing = await failure(session.textFile(join(input, "nope.txt")).count());
    expect(missing).toMatchObject({ code: "PATH_NOT_FOUND", message: expect.stringContaining("nope.txt") });
    const empty = await failure(session.textFile(join(input, "*.zip")).count());
    expect(empty).toMatchObject({ code: "GLOB_MATCHED_NOTHING", message: expect.stringContaining("*.zip") });
    const latin1 = await failure(session.textFile(join(input, "latin1.txt")).collect());
    expect(codes(latin1)).toEqual(["INVALID_TEXT"]);
    expect(latin1.message).toMatch(/latin1\.txt is not UTF-8 text: byte [23]/);
    const gzip = await failure(session.textFile(join(input, "broken.gz")).collect());
    expect(codes(gzip)).toEqual(["INVALID_FILE"]);
    const records = await failure(session.binaryRecords(join(input, "good.txt"), 4).collect());
    expect(codes(records)).toEqual(["INVALID_FILE"]);
    const folder = await failure(session.textFile(join(input, "folder")).collect());
    expect(codes(folder)).toEqual(["IS_A_DIRECTORY"]);
  });

  test("an output that exists stays as it was; a failed one leaves nothing", async () => {
    const exists = await failure(session.parallelize([1]).saveAsTextFile(input));
    expect(codes(exists)).toEqual(["OUTPUT_EXISTS"]);
    expect(readdirSync(input)).toContain("good.txt");
    const output = join(scratch, `out-${master.replace(/\W/g, "-")}`);
    const failing = session.parallelize([1, 2, 3, 4], 4).map((n) => {
      if (n === 3) throw new Error("three");
      return n;
    });
    expect(codes(await failure(failing.saveAsTextFile(output)))).toEqual(["TASK_FAILED"]);
    expect(existsSync(output)).toBe(false);
    const below = await failure(session.parallelize([1]).saveAsTextFile(join(input, "good.txt", "out")));
    expect(codes(below)).toEqual(["NOT_A_DIRECTORY"]);
  });

  test("bad arguments throw where they are written", () => {
    const pairs = session.parallelize<[string, number]>([["a", 1]]);
    for (const bad of [0, Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY]) {
      for (const call of [
        () => session.parallelize([1], bad),
        () => session.parallelize([1]).repartition(bad),
        () => pairs.reduceByKey((a, b) => a + b, bad),
      ]) {
        expect(call).toThrow(
          expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(String(bad)) }),
        );
      }
    }
  });

  test("keys that cannot be compared", async () => {
    for (const key of [() => () => 1, () => new Map(), () => new Set([1]), () => Symbol("s")]) {
      const error = await failure(
        session
          .parallelize([1])
          .map((n) => [key(), n] as const)
          .groupByKey()
          .collect(),
      );
      expect(codes(error)).toEqual(["INVALID_KEY"]);
      expect(error.message).toMatch(/groupByKey at jobs\.test\.ts:\d+:\d+, partition 0: a key is .* by content/);
    }
  });

  test("records that are not pairs", async () => {
    const numbers = session.parallelize([1, 2, 3]) as unknown as ReturnType<
      typeof session.parallelize<[string, number]>
    >;
    for (const rdd of [
      numbers.reduceByKey((a, b) => a + b),
      numbers.sortByKey(),
      numbers.mapValues((n) => n),
      numbers.groupByKey(),
    ]) {
      const error = await failure(rdd.collect());
      expect(codes(error)).toEqual(["NOT_A_PAIR"]);
      expect(error.message).toMatch(
        /jobs\.test\.ts:\d+:\d+ needs records of the form \[key, value\], but partition \d has the number/,
      );
      expect((error.fields.attempts as unknown[]).length).toBeLessThanOrEqual(3);
    }
  });

  test("nothing to reduce", async () => {
    expect(await failure(session.parallelize<number>([]).reduce((a, b) => a + b))).toMatchObject({
      code: "EMPTY_COLLECTION",
    });
    expect(await failure(session.parallelize<number>([]).first())).toMatchObject({ code: "EMPTY_COLLECTION" });
  });

  test("a function that throws comes back with its own stack, operator, partition and every attempt", async () => {
    const half = (n: number) => {
      if (n === 2) throw new RangeError("two cannot be halved");
      return n / 2;
    };
    const error = await failure(
      session
        .parallelize([1, 2], 2)
        .map((n) => half(n))
        .collect(),
    );
    expect(error).toMatchObject({ code: "JOB_FAILED", fields: { partition: 1 } });
    expect(error.message).toMatch(
      /^map at jobs\.test\.ts:\d+:\d+ threw in partition 1: RangeError: two cannot be halved \(job \d+ failed: .* failed 4 times/,
    );
    const attempts = error.fields.attempts as readonly { task: string; code: string }[];
    expect(attempts.map(({ task }) => Number(task.split("/").at(-1)))).toEqual([0, 1, 2, 3]);
    expect(error.cause).toBeInstanceOf(RangeError);
    expect((error.cause as Error).stack).toMatch(
      /^RangeError: two cannot be halved\n\s+at half \(.*jobs\.test\.ts:\d+:\d+/,
    );
    expect((error.cause as Error).stack).not.toContain("/dist/");
    expect(error.stack).toContain("jobs.test.ts");
  });

  test("values that are thrown, promises that reject", async () => {
    const thrown = await failure(
      session
        .parallelize([1])
        .map((): number => {
          throw "a text";
        })
        .collect(),
    );
    expect(thrown.message).toContain('the string "a text"');
    const rejected = await failure(
      session
        .parallelize([1])
        .map(async (n) => {
          await Promise.resolve();
          throw new TypeError(`async ${n}`);
        })
        .collect(),
    );
    expect(rejected.cause).toBeInstanceOf(TypeError);
  });

  test("results of a wrong shape", async () => {
    const numbers = session.parallelize([1, 2]);
    const wrong = [
      numbers.flatMap((n) => n as unknown as number[]),
      numbers.mapPartitions(() => 5 as unknown as number[]),
    ];
    for (const rdd of wrong) {
      const error = await failure(rdd.collect());
      expect(codes(error)).toEqual(["WRONG_SHAPE"]);
      expect(error.message).toMatch(
        /jobs\.test\.ts:\d+:\d+ must return an iterable, but in partition \d it returned the number/,
      );
    }
    expect(codes(await failure(numbers.map((n) => () => n).collect()))).toEqual(["RECORD_NOT_ENCODABLE"]);
  });

  test("a record of 100 MB passes a shuffle", async () => {
    const large = session.parallelize([1, 2], 2).map((n) => [n, "x".repeat(n === 1 ? 1e8 : 1)] as const);
    const lengths = await large
      .groupByKey(2)
      .mapValues((texts) => [...texts].map((text) => text.length))
      .collect();
    expect(lengths.sort(([a], [b]) => a - b)).toEqual([
      [1, [1e8]],
      [2, [1]],
    ]);
  });

  test("more results than maxResultSize", async () => {
    const error = await failure(
      session
        .parallelize([1, 2], 2)
        .map(() => "x".repeat(6e6))
        .collect(),
    );
    expect(error).toMatchObject({ code: "RESULT_TOO_LARGE", message: expect.stringMatching(/maxResultSize|8/) });
  });

  describe.skipIf(master === "local")("a task that does not come back", () => {
    test("is ended with its job by an AbortSignal, and its slot serves the next job", async () => {
      const aborter = new AbortController();
      const spinning = session.parallelize([0, 1], 2).map(() => {
        for (;;);
      });
      const job = failure(spinning.collect({ signal: aborter.signal }));
      setTimeout(() => aborter.abort(new Error("enough")), 300);
      const error = await job;
      expect(error).toMatchObject({ code: "JOB_CANCELLED", cause: { message: "enough" } });
    });

    test("fails by task.timeout", async () => {
      const quick = await open({ "task.timeout": "400ms", "task.maxFailures": 2 });
      try {
        const error = await failure(
          quick
            .parallelize([0, 1], 2)
            .map((n) => {
              while (n === 1);
              return n;
            })
            .collect(),
        );
        expect(codes(error)).toEqual(["TASK_TIMEOUT"]);
        expect(error.message).toContain("task.timeout (400 ms)");
        expect(await quick.parallelize([1, 2], 2).reduce((a, b) => a + b)).toBe(3);
      } finally {
        await quick.stop();
      }
    });

    test("is told as one that left by process.exit, or by an error that nobody caught", async () => {
      const left = await failure(
        session
          .parallelize([0, 1], 2)
          .map((n) => (n === 1 ? process.exit(7) : n))
          .collect(),
      );
      expect(codes(left)).toEqual(["SLOT_DIED"]);
      expect(left.message).toContain("exit code 7");
      const late = await failure(
        session
          .parallelize([1])
          .map(async () => {
            setTimeout(() => {
              throw new Error("late");
            }, 5);
            await new Promise((resolve) => setTimeout(resolve, 5_000));
          })
          .collect(),
      );
      expect(codes(late)).toEqual(["SLOT_DIED"]);
      expect(late.message).toContain("late");
    });
  });
});
