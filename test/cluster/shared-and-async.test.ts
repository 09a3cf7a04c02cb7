// Broadcast values, accumulators under retries, asynchronous functions, and classes as records and keys, on every kind of
// master by the same programs.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();

class Money {
  constructor(
    readonly amount: number,
    readonly currency: string,
  ) {}
  plus(other: Money): Money {
    return new Money(this.amount + other.amount, this.currency);
  }
}

class Point {
  readonly #x: number;
  constructor(
    x: number,
    readonly y: number,
  ) {
    this.#x = x;
  }
  sum(): number {
    return this.#x + this.y;
  }
}

class Account extends Money {
  readonly opened = new Date(0);
  tags: Map<string, Money> = new Map();
}

describe.each(["local", "local[3]", "local-cluster[2,1,512m]"])("on %s", (master) => {
  let opened: Promise<Session> | null = null;
  let files = 0;
  const session = () => {
    opened ??= engine.open(master);
    return opened;
  };
  const freshFile = () => join(engine.directory, `flag-${master.replace(/\W/g, "-")}-${++files}`);

  describe("broadcast", () => {
    test("a large value is shared by tasks and functions", async () => {
      const s = await session();
      const table = new Map(Array.from({ length: 50_000 }, (_, n) => [`key ${n}`, n]));
      const bytes = new Uint8Array(3_000_000).fill(7);
      const shared = s.broadcast({ table, bytes });
      const keys = s.range(0, 1000, 1, 6).map((n) => `key ${n * 50}`);
      expect(await keys.map((key) => shared.value.table.get(key) ?? -1).reduce((a, b) => a + b)).toBe(24_975_000);
      expect(await keys.filter((key) => shared.value.bytes[key.length] === 7).count()).toBe(1000);
      shared.unpersist();
      expect(await keys.filter((key) => shared.value.table.has(key)).count()).toBe(1000);
      shared.destroy();
      expect(() => keys.map((key) => shared.value.table.get(key))).toThrow(/destroyed/);
    });

    test("class instances in it keep their class", async () => {
      const s = await session();
      const prices = s.broadcast([new Money(3, "EUR"), new Account(4, "USD")]);
      const checked = await s
        .range(4)
        .map((n) => {
          const price = prices.value[n % 2] as Money;
          return [price instanceof Money, price instanceof Account, price.plus(new Money(n, "")).amount];
        })
        .collect();
      expect(checked).toEqual([
        [true, false, 3],
        [true, true, 5],
        [true, false, 5],
        [true, true, 7],
      ]);
    });
  });

  describe("accumulators", () => {
    test("are exact in actions when attempts fail", async () => {
      const s = await session();
      const flag = freshFile();
      const seen = s.longAccumulator("seen");
      const listed = s.accumulator("listed", {
        zero: [] as number[],
        add: (all, one: number) => [...all, one],
        merge: (a, b) => [...a, ...b],
      });
      const numbers = s.range(0, 40, 1, 4);
      await numbers.foreach((n) => {
        seen.add(1);
        listed.add(n);
        // The last record of a partition: the failed attempt has added ten by then.
        if (n % 10 === 9 && !existsSync(`${flag}-${n}`)) {
          writeFileSync(`${flag}-${n}`, "");
          throw new Error("the first attempt fails");
        }
      });
      expect(s.lastJob?.failedAttempts).toBe(4);
      expect(seen.value).toBe(40);
      expect([...listed.value].sort((a, b) => a - b)).toEqual(await numbers.collect());
    });

    test("results are right when a map task and a reduce task fail first", async () => {
      const s = await session();
      const flag = freshFile();
      const once = (name: string) => {
        if (existsSync(`${flag}-${name}`)) return;
        writeFileSync(`${flag}-${name}`, "");
        throw new Error(`first attempt of ${name}`);
      };
      const sums = await s
        .range(0, 1000, 1, 4)
        .map((n) => {
          if (n % 250 === 249) once(`map ${n}`);
          return [n % 10, n];
        })
        .reduceByKey((a, b) => a + b, 3)
        .mapPartitionsWithIndex((partition, all) => {
          once(`reduce ${partition}`);
          return [...all];
        })
        .collect();
      expect(s.lastJob?.failedAttempts).toBe(7);
      expect(sums.sort(([a], [b]) => a - b).map(([, sum]) => sum)).toEqual(
        Array.from({ length: 10 }, (_, key) => 49_500 + key * 100),
      );
    });

    test("after task.maxFailures attempts the job fails with the function's own error", async () => {
      const s = await session();
      const tried = freshFile();
      writeFileSync(tried, "");
      const failing = s.range(0, 6, 1, 3).map((n) => {
        if (n === 3) {
          writeFileSync(tried, `${readFileSync(tried, "utf8")}x`);
          throw new RangeError("three is refused");
        }
        return n;
      });
      const error = await failing.collect().catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({ code: "JOB_FAILED" });
      expect(String((error as Error).message)).toContain("three is refused");
      expect(readFileSync(tried, "utf8")).toBe("xxxx");
      expect(await s.range(10).count()).toBe(10);
    });
  });

  describe("asynchronous functions", () => {
    test("keep the order, at most 16 at once", async () => {
      const s = await session();
      const most = s.accumulator("most at once", { zero: 0, add: (a, b: number) => Math.max(a, b), merge: Math.max });
      const doubled = await s
        .range(0, 400, 1, 2)
        .mapPartitions((numbers) => {
          (globalThis as { running?: number }).running = 0;
          return numbers;
        })
        .map(async (n) => {
          const here = globalThis as unknown as { running: number };
          most.add(++here.running);
          // Later records are answered sooner.
          for (let turn = 0; turn < 17 - (n % 17); turn++) await new Promise<void>((done) => setImmediate(done));
          here.running--;
          return n * 2;
        })
        .collect();
      expect(doubled).toEqual(Array.from({ length: 400 }, (_, n) => n * 2));
      // Master local: two partitions run one after the other, on threads each has its own count.
      expect(most.value).toBe(16);
    });

    test("the first rejection aborts the others by the signal", async () => {
      const s = await session();
      const aborted = freshFile();
      const run = s
        .range(0, 64, 1, 1)
        .map(async (n, signal) => {
          if (n === 5) {
            await new Promise<void>((done) => setImmediate(done));
            throw new Error("five is refused");
          }
          if (n < 5) return n;
          await new Promise<void>((done) => signal.addEventListener("abort", () => done(), { once: true }));
          writeFileSync(`${aborted}-${n}`, "");
          return n;
        })
        .collect();
      await expect(run).rejects.toMatchObject({ code: "JOB_FAILED" });
      await expect(run).rejects.toThrow(/five is refused/);
      // Record 6 was in flight with 5, record 60 never began.
      expect(existsSync(`${aborted}-6`)).toBe(true);
      expect(existsSync(`${aborted}-60`)).toBe(false);
    });

    test("every operation that may be asynchronous gets a signal last", async () => {
      const s = await session();
      const one = s.range(1);
      const isSignal = (signal: unknown) => signal instanceof AbortSignal;
      const answers = await Promise.all([
        one.map(async (_, signal) => isSignal(signal)).collect(),
        one.flatMap(async (_, signal) => [isSignal(signal)]).collect(),
        one
          .filter(async (_, signal) => isSignal(signal))
          .map(() => true)
          .collect(),
        one
          .keyBy(async (_, signal) => isSignal(signal))
          .keys()
          .collect(),
        one
          .keyBy(() => 1)
          .mapValues(async (_, signal) => isSignal(signal))
          .values()
          .collect(),
        one
          .keyBy(() => 1)
          .flatMapValues(async (_, signal) => [isSignal(signal)])
          .values()
          .collect(),
        one.mapPartitions(async (_, signal) => [isSignal(signal)]).collect(),
        one.mapPartitionsWithIndex(async (_, _all, signal) => [isSignal(signal)]).collect(),
      ]);
      expect(answers).toEqual(answers.map(() => [true]));
      const seen = s.longAccumulator("signals");
      await one.foreach(async (_, signal) => seen.add(isSignal(signal) ? 1 : 0));
      await one.foreachPartition(async (_, signal) => seen.add(isSignal(signal) ? 1 : 0));
      expect(seen.value).toBe(2);
    });

    test("chains of several, before and after a shuffle", async () => {
      const s = await session();
      const result = await s
        .range(0, 200, 1, 4)
        .map(async (n) => n + 1)
        .filter(async (n) => n % 2 === 0)
        .flatMap(async (n) => [n, n])
        .map(async (n) => [n % 6, n] as const)
        .reduceByKey((a, b) => a + b, 2)
        .mapValues(async (sum) => sum / 2)
        .mapPartitions(async function* (all) {
          for (const pair of all) yield pair;
        })
        .sortByKey()
        .collect();
      const expected = [0, 2, 4].map((key) => {
        const all = Array.from({ length: 200 }, (_, n) => n + 1).filter((n) => n % 6 === key);
        return [key, all.reduce((a, b) => a + b, 0)];
      });
      expect(result).toEqual(expected);
    });
  });

  describe("classes", () => {
    test("records are instances in tasks and, of the driver's own class, after collect", async () => {
      const s = await session();
      const records = [new Money(1, "EUR"), new Account(2, "USD"), new Money(3, "EUR")];
      const back = await s.parallelize(records, 2).collect();
      expect(back).toStrictEqual(records);
      expect(back[1]).toBeInstanceOf(Account);
      const made = await s
        .range(4)
        .map((n) => new Account(n, "EUR"))
        .filter((account) => account instanceof Money && account.plus(new Money(1, "")).amount > 1)
        .collect();
      expect(made.map((account) => account.amount)).toEqual([1, 2, 3]);
      expect(made[0]).toBeInstanceOf(Account);
      expect(made[0]?.plus(new Money(1, "x"))).toBeInstanceOf(Money);
    });

    test("instances go through shuffles, caches, top, reduce and aggregate", async () => {
      const s = await session();
      const money = s
        .range(0, 60, 1, 4)
        .map((n) => [n % 3, new Money(n, "EUR")])
        .cache();
      const sums = await money
        .reduceByKey((a, b) => a.plus(b), 2)
        .sortByKey()
        .collect();
      expect(sums).toStrictEqual([0, 1, 2].map((key) => [key, new Money(570 + 20 * key, "EUR")]));
      expect(await money.values().reduce((a, b) => a.plus(b))).toStrictEqual(new Money(1770, "EUR"));
      expect(await money.values().top(1, ({ amount }) => amount)).toStrictEqual([new Money(59, "EUR")]);
      const zero = new Money(0, "EUR");
      const total = await money.values().aggregate(
        zero,
        (a, b) => a.plus(b),
        (a, b) => a.plus(b),
      );
      expect(total).toStrictEqual(new Money(1770, "EUR"));
      const groups = await money
        .groupByKey(2)
        .mapValues((all) => [...all].every((one) => one instanceof Money))
        .values()
        .collect();
      expect(groups).toEqual([true, true, true]);
      for await (const [, one] of money.toLocalIterator()) expect(one).toBeInstanceOf(Money);
      money.unpersist();
    });

    test("instances are keys by their content", async () => {
      const s = await session();
      const counts = await s
        .range(0, 30, 1, 4)
        .map((n) => [new Money(n % 3, "EUR"), 1])
        .reduceByKey((a, b) => a + b, 3)
        .collect();
      expect(counts.map(([key]) => key instanceof Money)).toEqual([true, true, true]);
      expect(counts.map(([key, n]) => [key.amount, n]).sort()).toEqual([
        [0, 10],
        [1, 10],
        [2, 10],
      ]);
      const byKey = await s
        .range(0, 8, 1, 3)
        .keyBy((n) => new Money(n % 2, "EUR"))
        .countByKey();
      expect([...byKey].map(([key, n]) => [key.amount, n])).toEqual([
        [0, 4],
        [1, 4],
      ]);
    });

    test("an instance that cannot travel is an error, never a plain object", async () => {
      const s = await session();
      // Private fields cannot be read from outside: such an instance cannot be copied.
      const points = s.range(2).map((n) => new Point(n, 1));
      const outcome = await points.collect().then(
        (all) => all.map((point) => (point instanceof Point ? point.sum() : "a plain object")),
        (error: { code?: string }) => error.code,
      );
      expect([["JOB_FAILED"], ["CLASS_NOT_TRAVELLING"], ["RECORD_NOT_ENCODABLE"], [1, 2]].flat()).toContain(
        Array.isArray(outcome) ? outcome[0] : outcome,
      );
    });

    test("keys are told by type and content", async () => {
      const s = await session();
      const keys: unknown[] = [
        1,
        "1",
        1n,
        true,
        NaN,
        NaN,
        0,
        -0,
        null,
        undefined,
        new Date(5),
        new Date(5),
        [1, 2],
        [1, 2],
        [2, 1],
      ];
      const more = [{ a: 1, b: [2] }, { b: [2], a: 1 }, new Uint8Array([1]), new Uint8Array([1]), "", [], {}];
      const all = [...keys, ...more];
      const counts = s
        .parallelize(all, 4)
        .map((key) => [key, 1])
        .reduceByKey((a, b) => a + b, 3);
      expect(await counts.count()).toBe(all.length - 6);
      expect(await s.parallelize(all, 5).distinct(2).count()).toBe(all.length - 6);
      const repeated = await counts
        .filter(([, n]) => n === 2)
        .keys()
        .collect();
      expect(repeated).toHaveLength(6);
      expect(repeated).toContainEqual([1, 2]);
      expect(repeated).toContainEqual(new Date(5));
      for (const key of [new Map(), new Set(), () => 1, Symbol.iterator]) {
        const bad = s
          .range(1)
          .map((n) => [n, 1])
          .map(() => [key, 1]);
        await expect(Promise.resolve().then(() => bad.groupByKey().count())).rejects.toMatchObject({
          code: expect.stringMatching(/INVALID_KEY|JOB_FAILED|CAPTURE_FAILED/),
        });
      }
    });
  });
});
