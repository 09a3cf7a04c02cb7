// The session with the real capturing of functions: what the API hands over is what tasks get back.

import { afterEach, beforeEach, expect, test } from "vitest";
import { Capturer, callSite, mapStack, Reviver } from "../../src/closure/index.js";
import { decodeValue, encodeValue } from "../../src/codec/stream.js";
import { type HandleReference, TaskHandles } from "../../src/plan/handles.js";
import { RddSession } from "../../src/rdd/session.js";
import { DriverSession } from "../../src/session/driver-session.js";
import { referenceOf } from "../../src/session/travelling.js";
import { FakeMaster } from "../support/fake-master.js";

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
  norm(): number {
    return Math.hypot(this.x, this.y);
  }
}

let session: RddSession;
let master: FakeMaster;
let handles: TaskHandles;

beforeEach(async () => {
  const capture = new Capturer({ reference: referenceOf, bundlePackages: false });
  const reviver = new Reviver({
    dereference: (reference) => handles.open(reference as HandleReference),
    loadBundle: () => {
      throw new Error("no bundles here");
    },
    moduleRoots: [],
  });
  const revive = (ref: Parameters<Reviver["revive"]>[0]) =>
    reviver.revive(ref) as unknown as (...args: unknown[]) => unknown;
  handles = new TaskHandles({
    loadBlob: (hash) =>
      Buffer.concat(
        master
          .of("blob")
          .filter((piece) => piece.hash === hash)
          .map((piece) => piece.bytes),
      ),
    decode: (bytes) => decodeValue(bytes, reviver.classes),
    revive: (ref) => revive(ref) as never,
  });
  master = new FakeMaster({ classes: reviver.classes, revive });
  const driver = await DriverSession.open({
    link: master,
    capture,
    positions: { callSite, mapStack },
    settings: { appName: "test", options: {}, workingDirectory: "/data", version: "0.0.0" },
    openTimeoutMs: 10_000,
  });
  session = new RddSession(driver);
});
afterEach(() => session.stop());

test("captured variables are read once, at the call", async () => {
  let factor = 2;
  const rdd = session.range(3).map((n) => n * factor);
  factor = 100;
  expect(await rdd.collect()).toEqual([0, 2, 4]);
  expect(factor).toBe(100);
});

test("collect gives the driver's own class, with its methods", async () => {
  const points = await session
    .range(1, 3)
    .map((n) => new Point(n, n))
    .collect();
  expect(points).toEqual([new Point(1, 1), new Point(2, 2)]);
  expect(points[0]).toBeInstanceOf(Point);
  expect(points[1]!.norm()).toBeCloseTo(2.83, 2);
});

test("a collection of instances carries their class, also where no function mentions it", async () => {
  const points = await session.parallelize([new Point(1, 2), new Point(3, 4)]).collect();
  expect(points).toEqual([new Point(1, 2), new Point(3, 4)]);
  expect(points[0]).toBeInstanceOf(Point);
});

test("a zero of a class that no function mentions carries it too", async () => {
  class Sum {
    total = 0;
    add(n: number): this {
      this.total += n;
      return this;
    }
  }
  const rdd = session.range(0, 5, 1, 2);
  const whole = await rdd.aggregate(
    new Sum(),
    (sum, n) => sum.add(n),
    (a, b) => a.add(b.total),
  );
  expect(whole).toBeInstanceOf(Sum);
  expect(whole.total).toBe(10);
  const byKey = rdd
    .keyBy((n) => n % 2)
    .aggregateByKey(
      new Sum(),
      (sum, n) => sum.add(n),
      (a, b) => a.add(b.total),
    );
  expect((await byKey.collect()).map(([key, sum]) => [key, sum.total]).sort()).toEqual([
    [0, 6],
    [1, 4],
  ]);
});

test("a broadcast value is read through its handle in tasks", async () => {
  const table = session.broadcast(new Map([["a", new Point(3, 4)]]));
  expect(
    await session
      .parallelize(["a"])
      .map((key) => table.value.get(key)!.norm())
      .collect(),
  ).toEqual([5]);
  expect(table.value.size).toBe(1);
});

test("an accumulator adds in tasks to a value of the attempt's own", async () => {
  const sum = session.doubleAccumulator("sum");
  const long = session.longAccumulator("long");
  handles.begin();
  await session.range(5).foreach((n) => {
    sum.add(n / 2);
    long.add(n);
  });
  expect(sum.value).toBe(0);
  const updates = handles.end();
  expect(updates).toEqual([
    { accumulator: sum.id, name: "sum", kind: "sum", value: 5, numbers: [5] },
    { accumulator: long.id, name: "long", kind: "sum", value: 10, numbers: [10] },
  ]);
  const encoded = updates.map(({ accumulator, value }) => ({
    accumulator,
    value: encodeValue(value, { idOf: () => undefined, byId: () => undefined }),
  }));
  master.emit({ kind: "accumulators", job: 1 as never, updates: encoded });
  expect([sum.value, long.value]).toEqual([5, 10]);
});

test("an RDD, a Session or an action inside a function is NESTED_RDD at the call", () => {
  const other = session.range(3);
  const nested = expect.objectContaining({ code: "NESTED_RDD" });
  expect(() => session.range(2).map(() => other.count())).toThrow(nested);
  expect(() => session.range(2).map(() => session.range(2))).toThrow(nested);
  expect(() => session.range(2).foreach(() => other.first())).toThrow(nested);
});

test("equal functions with equal captures have one hash", async () => {
  const double = (n: number) => n * 2;
  await session.range(2).map(double).map(double).collect();
  const hashes = master.jobs[0]!.nodes.flatMap((node) =>
    node.kind === "narrow" && node.operator.op === "map" ? [node.operator.fn.hash] : [],
  );
  expect(new Set(hashes).size).toBe(1);
});

test("call sites name this file and line", async () => {
  const rdd = session.range(2).filter((n) => n > 0);
  await rdd.count();
  const [, filter] = master.jobs[0]!.nodes;
  expect(filter!.callSite).toMatchObject({ method: "filter", file: expect.stringContaining("captured.test.ts") });
  expect(filter!.callSite.line).toBeGreaterThan(100);
});
