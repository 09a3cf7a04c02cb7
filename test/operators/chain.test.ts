import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isMillraceError, type MillraceError } from "../../src/core/errors.js";
import { shuffleId } from "../../src/core/ids.js";
import type { BatchSource } from "../../src/operators/task-context.js";
import type { Fragment } from "../../src/plan/stages.js";
import { type AnyFunction, FragmentBuilder, LocalRun } from "../support/task-context.js";

const COLLECT = { kind: "action", action: { kind: "collect", limit: null } } as const;
const take = (limit: number) => ({ kind: "action", action: { kind: "collect", limit } }) as const;

/** One operator as a plan names it, and as arrays do it. */
interface Step {
  readonly name: string;
  readonly add: (builder: FragmentBuilder, run: LocalRun, wrap: (fn: AnyFunction) => AnyFunction) => FragmentBuilder;
  readonly model: (records: unknown[]) => unknown[];
}

type Numbers = number[];
const steps: Step[] = [
  {
    name: "map",
    add: (b, run, wrap) => b.narrow({ op: "map", fn: run.fn(wrap((x: number) => x * 3 + 1)) }),
    model: (xs) => (xs as Numbers).map((x) => x * 3 + 1),
  },
  {
    name: "filter",
    add: (b, run, wrap) => b.narrow({ op: "filter", fn: run.fn(wrap((x: number) => x % 2 === 0)) }),
    model: (xs) => (xs as Numbers).filter((x) => x % 2 === 0),
  },
  {
    name: "flatMap of arrays",
    add: (b, run, wrap) => b.narrow({ op: "flatMap", fn: run.fn(wrap((x: number) => [x, x + 1].slice(x % 3))) }),
    model: (xs) => (xs as Numbers).flatMap((x) => [x, x + 1].slice(x % 3)),
  },
  {
    name: "flatMap of generators",
    add: (b, run, wrap) =>
      b.narrow({
        op: "flatMap",
        fn: run.fn(
          wrap(function* (x: number) {
            for (let i = 0; i < x % 3; i++) yield x + i;
          }),
        ),
      }),
    model: (xs) => (xs as Numbers).flatMap((x) => [x, x + 1].slice(0, x % 3)),
  },
  {
    name: "keyBy, mapValues, values",
    add: (b, run, wrap) =>
      b
        .narrow({ op: "keyBy", fn: run.fn(wrap((x: number) => x % 5)) })
        .narrow({ op: "mapValues", fn: run.fn(wrap((x: number) => x + 7)) })
        .narrow({ op: "values" }),
    model: (xs) => (xs as Numbers).map((x) => x + 7),
  },
  {
    name: "map to pairs, flatMapValues, filter of pairs, map back",
    add: (b, run, wrap) =>
      b
        .narrow({ op: "map", fn: run.fn(wrap((x: number) => [x, x])) })
        .narrow({ op: "flatMapValues", fn: run.fn(wrap((x: number) => [x, x * 2])) })
        .narrow({ op: "filter", fn: run.fn(wrap(([, v]: [number, number]) => v % 4 !== 0)) })
        .narrow({ op: "map", fn: run.fn(wrap(([k, v]: [number, number]) => k + v)) }),
    model: (xs) => (xs as Numbers).flatMap((x) => [x, x * 2].filter((v) => v % 4 !== 0).map((v) => x + v)),
  },
  {
    name: "asKey, keys",
    add: (b) => b.narrow({ op: "asKey" }).narrow({ op: "keys" }),
    model: (xs) => xs,
  },
  {
    name: "joinPairs, values, map",
    add: (b, run, wrap) =>
      b
        .narrow({ op: "map", fn: run.fn(wrap((x: number) => ["k", [[x, 1], [x]]])) })
        .narrow({ op: "joinPairs" })
        .narrow({ op: "map", fn: run.fn(wrap(([, [l, r]]: [string, [number, number]]) => l * 2 + r)) }),
    model: (xs) => (xs as Numbers).flatMap((x) => [x * 2 + x, 2 + x]),
  },
  {
    name: "mapPartitions",
    add: (b, run, wrap) =>
      b.narrow({
        op: "mapPartitions",
        fn: run.fn(wrap((records: Iterable<number>) => [...records].reverse())),
      }),
    model: (xs) => [...xs].reverse(),
  },
];

const program = fc.record({
  records: fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 40 }),
  repeat: fc.constantFrom(1, 1, 60),
  chosen: fc.array(fc.nat(steps.length - 1), { minLength: 1, maxLength: 5 }),
});

describe("a chain of narrow operators does what the array methods do", () => {
  const asPromise = (fn: AnyFunction): AnyFunction => {
    // A generator function is itself no asynchronous function; the others answer promises without being declared async.
    if (fn.constructor.name === "GeneratorFunction") return fn;
    return (...args) => Promise.resolve(fn(...args));
  };
  test.each([
    ["plain functions", (fn: AnyFunction) => fn],
    ["functions that answer promises", asPromise],
  ])("with %s", async (_name, wrap) => {
    await fc.assert(
      fc.asyncProperty(program, fc.constantFrom("collect", "count"), async ({ records, repeat, chosen }, kind) => {
        const input = Array.from({ length: repeat }, () => records).flat();
        const run = new LocalRun();
        let builder = new FragmentBuilder(1).source(run, [input]);
        let expected: unknown[] = input;
        for (const at of chosen) {
          const step = steps[at] as Step;
          builder = step.add(builder, run, wrap);
          expected = step.model(expected);
        }
        if (kind === "collect") {
          expect(await run.collect(builder.to(COLLECT), 1)).toEqual(expected);
        } else {
          const [result] = await run.run(builder.to({ kind: "action", action: { kind: "count" } }), 1);
          expect(run.value(result as never)).toBe(expected.length);
        }
        run.assertNothingLeft();
      }),
      { numRuns: 80 },
    );
  });
});

describe("what a chain refuses, and how it says so", () => {
  const failure = async (run: LocalRun, fragment: Fragment): Promise<MillraceError> => {
    const error = await run.runTask(fragment, 0).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!isMillraceError(error)) throw new Error(`expected a MillraceError, got ${String(error)}`);
    run.assertNothingLeft();
    return error;
  };
  const numbers = (n: number) => [Array.from({ length: n }, (_, i) => i)];

  test.each([0, 1, 1500])(
    "an error of a user function at record %i names operator and partition and keeps the cause",
    async (bad) => {
      const run = new LocalRun();
      const boom = new TypeError("boom");
      const fragment = new FragmentBuilder(1)
        .source(run, numbers(3000))
        .narrow({ op: "map", fn: run.fn((x) => x) })
        .narrow({
          op: "filter",
          fn: run.fn((x) => {
            if (x === bad) throw boom;
            return true;
          }),
        })
        .to(COLLECT);
      const error = await failure(run, fragment);
      expect(error.code).toBe("TASK_FAILED");
      expect(error.message).toContain("filter at program.ts:7:3 threw in partition 0: TypeError: boom");
      expect(error.cause).toBe(boom);
    },
  );

  test("an error of a merge function names the output's operation", async () => {
    const run = new LocalRun();
    const fragment = new FragmentBuilder(1).source(run, numbers(5)).to({
      kind: "action",
      action: {
        kind: "reduce",
        fn: run.fn(() => {
          throw new Error("no");
        }),
      },
      callSite: { file: "/p.ts", line: 1, column: 2, method: "reduce" },
    });
    expect((await failure(run, fragment)).message).toContain("reduce at p.ts:1:2 threw");
  });

  test("a record that is no pair", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(1)
      .source(run, numbers(1200))
      .narrow({ op: "map", fn: run.fn((x) => (x === 1100 ? [1, 2, 3] : [x, x])) })
      .narrow({ op: "mapValues", fn: run.fn((x) => x) });
    const error = await failure(run, builder.to(COLLECT));
    expect(error.code).toBe("NOT_A_PAIR");
    expect(error.message).toContain("mapValues at program.ts:7:3");
    expect(error.message).toContain("an array of length 3");
  });

  test("a flatMap function that returns no iterable", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(1).source(run, numbers(3)).narrow({ op: "flatMap", fn: run.fn((x) => x) });
    const error = await failure(run, builder.to(COLLECT));
    expect(error.code).toBe("WRONG_SHAPE");
    expect(error.message).toContain("must return an iterable");
  });

  test("a flatMap function that returns a string, at once or by a promise", async () => {
    const text = (x: unknown) => `${x}`;
    for (const fn of [text, async (x: unknown) => text(x)]) {
      const run = new LocalRun();
      const builder = new FragmentBuilder(1).source(run, numbers(3)).narrow({ op: "flatMap", fn: run.fn(fn) });
      const error = await failure(run, builder.to(COLLECT));
      expect(error.code).toBe("WRONG_SHAPE");
      expect(error.message).toContain('it returned the string "0"');
    }
  });

  test("a cancelled task stops inside a flatMap that never ends", async () => {
    const run = new LocalRun();
    let made = 0;
    const builder = new FragmentBuilder(1).source(run, numbers(1)).narrow({
      op: "flatMap",
      fn: run.fn(function* () {
        for (;;) {
          if (++made === 5000) run.abort.abort();
          yield made;
        }
      }),
    });
    const error = await failure(run, builder.to({ kind: "action", action: { kind: "count" } }));
    expect(error.code).toBe("TASK_CANCELLED");
    expect(made).toBeLessThan(10_000);
  });

  test("a limit ends an endless source and closes it", async () => {
    const run = new LocalRun();
    let closed = 0;
    const endless = (): BatchSource => ({ next: () => [1, 2, 3], close: () => closed++ });
    const builder = new FragmentBuilder(1).source(run, endless).narrow({ op: "flatMap", fn: run.fn((x) => [x, -x]) });
    expect(await run.collect(builder.to(take(5)), 1)).toEqual([1, -1, 2, -2, 3]);
    expect(closed).toBe(1);
    expect(await run.collect(builder.to(take(0)), 1)).toEqual([]);
  });
});

describe("errors that the program caused are told with their operator", () => {
  const shuffle = (run: LocalRun, rest: object) =>
    new FragmentBuilder(1)
      .source(run, [
        [
          ["a", 1],
          ["a", 2],
          [() => 1, 2],
        ],
      ])
      .to({
        kind: "shuffle",
        shuffle: shuffleId(1),
        partitioner: { kind: "hash", partitions: 2 },
        aggregator: null,
        pairs: true,
        flushBytes: 1 << 25,
        callSite: { file: "/p.ts", line: 3, column: 4, method: "reduceByKey" },
        ...rest,
      });

  test("a key that cannot be compared", async () => {
    const run = new LocalRun();
    for (const aggregator of [null, { kind: "reduce", merge: run.fn((a, b) => a + b) }]) {
      await expect(run.runTask(shuffle(run, { aggregator }), 0)).rejects.toMatchObject({
        code: "INVALID_KEY",
        fields: { operator: "reduceByKey at p.ts:3:4", partition: 0 },
      });
    }
    run.assertNothingLeft();
  });

  test("a partitioner that throws, and one that answers no partition", async () => {
    const run = new LocalRun();
    const throws = run.fn(() => {
      throw new Error("mine");
    });
    const beyond = run.fn(() => 2);
    const failing = (fn: typeof beyond) =>
      run.runTask(shuffle(run, { partitioner: { kind: "custom", partitions: 2, fn } }), 0);
    await expect(failing(throws)).rejects.toMatchObject({ code: "TASK_FAILED", cause: { message: "mine" } });
    await expect(failing(beyond)).rejects.toMatchObject({ code: "WRONG_SHAPE" });
    run.assertNothingLeft();
  });

  test("a merge function that answers a promise", async () => {
    const run = new LocalRun();
    const merge = run.fn((a, b) => Promise.resolve(a + b), false);
    const pairs = new FragmentBuilder(1)
      .source(run, [
        [
          ["a", 1],
          ["a", 2],
        ],
      ])
      .add("combine", "reduceByKey", { aggregator: { kind: "reduce", merge } });
    await expect(run.runTask(pairs.to(COLLECT), 0)).rejects.toMatchObject({ code: "SYNC_FUNCTION_REQUIRED" });
    run.assertNothingLeft();
  });

  test("a limit closes the generators that are being read, the outer ones too", async () => {
    const run = new LocalRun();
    const closed: string[] = [];
    const counting = (name: string) =>
      run.fn(function* (x: number) {
        try {
          for (let i = 0; ; i++) yield x + i;
        } finally {
          closed.push(name);
        }
      });
    const builder = new FragmentBuilder(1)
      .source(run, [[0, 100]])
      .narrow({ op: "flatMap", fn: counting("outer") })
      .narrow({ op: "flatMap", fn: counting("inner") });
    expect(await run.collect(builder.to(take(3)), 1)).toEqual([0, 1, 2]);
    expect(closed.sort()).toEqual(["inner", "outer"]);
    run.assertNothingLeft();
  });
});

describe("asynchronous functions", () => {
  test("at most 16 run at once, and the order stays", async () => {
    const run = new LocalRun();
    let running = 0;
    let most = 0;
    const fn = run.fn(async (x: number) => {
      most = Math.max(most, ++running);
      // Later records are ready earlier.
      for (let i = 0; i < 40 - (x % 7); i++) await Promise.resolve();
      running--;
      return x * 2;
    });
    const input = Array.from({ length: 50 }, (_, i) => i);
    const fragment = new FragmentBuilder(1).source(run, [input]).narrow({ op: "map", fn }).to(COLLECT);
    expect(await run.collect(fragment, 1)).toEqual(input.map((x) => x * 2));
    expect(most).toBe(16);
    run.assertNothingLeft();
  });

  test("the first rejection aborts the signal that the others were given", async () => {
    const run = new LocalRun();
    const signals: AbortSignal[] = [];
    const fn = run.fn(async (x: number, signal: AbortSignal) => {
      signals.push(signal);
      if (x === 3) throw new Error("three");
      return x;
    });
    const fragment = new FragmentBuilder(1)
      .source(run, [[1, 2, 3, 4, 5]])
      .narrow({ op: "map", fn })
      .to(COLLECT);
    const error = await run.runTask(fragment, 0).then(
      () => undefined,
      (reason: MillraceError) => reason,
    );
    expect(error?.code).toBe("TASK_FAILED");
    expect(error?.message).toContain("three");
    expect(signals.every((signal) => signal.aborted)).toBe(true);
    run.assertNothingLeft();
  });

  test("a partition function over a coalesce whose later part is asynchronous", async () => {
    const run = new LocalRun();
    const builder = new FragmentBuilder(1).source(run, [[1, 2]]);
    const plain = builder.last;
    builder.source(run, [[3], [4]]).narrow({ op: "map", fn: run.fn(async (x: number) => x * 10) });
    const slow = builder.last;
    builder
      .add("union", "union", {
        inputs: [plain, slow].map((node) => ({ kind: "narrow", node })),
        offsets: [0, 1],
        partitions: 3,
      })
      .add("coalesce", "coalesce", { offsets: [0], partitions: 1 })
      .narrow({ op: "mapPartitions", fn: run.fn((records: Iterable<number>) => [[...records]]) });
    expect(await run.collect(builder.to(COLLECT), 1)).toEqual([[1, 2, 30, 40]]);
    run.assertNothingLeft();
  });

  test("foreach waits for promises of a plain function", async () => {
    const run = new LocalRun();
    const done: number[] = [];
    const fn = run.fn((x: number) => Promise.resolve().then(() => done.push(x)));
    const fragment = new FragmentBuilder(1)
      .source(run, [[1, 2, 3]])
      .to({ kind: "action", action: { kind: "foreach", fn } });
    const [result] = await run.run(fragment, 1);
    expect(done).toEqual([1, 2, 3]);
    expect(result?.records).toBe(3);
  });

  test("a promise that never settles ends with the task", async () => {
    const run = new LocalRun();
    const fn = run.fn(() => new Promise(() => undefined));
    const fragment = new FragmentBuilder(1)
      .source(run, [[1]])
      .narrow({ op: "map", fn })
      .to(COLLECT);
    const ended = run.runTask(fragment, 0);
    run.abort.abort();
    await expect(ended).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    run.assertNothingLeft();
  });
});
