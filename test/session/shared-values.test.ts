// Broadcast values, accumulators and travelling classes on the driver's side.

import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ClassConstructor } from "../../src/codec/class-registry.js";
import { decodeStream, encodeValue } from "../../src/codec/stream.js";
import { jobId } from "../../src/core/ids.js";
import type { HandleReference } from "../../src/plan/handles.js";
import type { RddSession } from "../../src/rdd/session.js";
import { blobPieces, hashOf } from "../../src/session/blobs.js";
import { referenceOf, toReference } from "../../src/session/travelling.js";
import { ValueEncoder } from "../../src/session/value-encoder.js";
import { FakeCapture } from "../support/fake-capture.js";
import type { FakeMaster } from "../support/fake-master.js";
import { openFakeSession } from "../support/fake-session.js";

let session: RddSession;
let master: FakeMaster;
beforeEach(async () => {
  ({ session, master } = await openFakeSession());
});
afterEach(() => session.stop());

const { classes } = new FakeCapture();

describe("broadcast", () => {
  test("goes to the master at the call, in pieces of at most 256 KiB, named by its sha256", () => {
    const value = { text: "x".repeat(600_000) };
    const broadcast = session.broadcast(value);
    expect(broadcast.value).toBe(value);
    const pieces = master.of("blob");
    expect(pieces.map((piece) => piece.last)).toEqual([false, false, true]);
    expect(Math.max(...pieces.map((piece) => piece.bytes.byteLength))).toBeLessThanOrEqual(256 * 1024);
    const bytes = Buffer.concat(pieces.map((piece) => piece.bytes));
    const reference = broadcast[toReference]() as HandleReference & { kind: "broadcast" };
    expect(reference.hash).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(reference.sizeBytes).toBe(bytes.byteLength);
    expect(decodeStream(bytes, classes)).toEqual([value]);
  });

  test("unpersist takes it off the workers, destroy off the master; then it cannot be used", () => {
    const broadcast = session.broadcast([1]);
    broadcast.unpersist();
    broadcast.destroy();
    broadcast.destroy();
    expect(master.of("releaseBlob").map((message) => message.scope)).toEqual(["workers", "everywhere"]);
    expect(() => broadcast.value).toThrow(/was destroyed/);
    expect(() => referenceOf(broadcast)).toThrow(/was destroyed/);
  });

  test("pieces of no bytes still end a blob", () => {
    const empty = new Uint8Array(0);
    expect([...blobPieces(hashOf(empty), empty)]).toHaveLength(1);
  });
});

describe("accumulators", () => {
  const update = (job: number, id: number, value: unknown) =>
    master.emit({
      kind: "accumulators",
      job: jobId(job),
      updates: [{ accumulator: id, value: encodeValue(value, classes) }],
    });

  test("partial values of tasks are merged as they come; unknown ids are not ours", () => {
    const list = session.accumulator("list", {
      zero: [] as string[],
      add: (all, one: string) => [...all, one],
      merge: (a, b) => [...a, ...b],
    });
    list.add("driver");
    update(1, list.id, ["t1", "t2"]);
    update(1, 999, ["nobody"]);
    expect(list.value).toEqual(["driver", "t1", "t2"]);
  });

  test("the zero is copied: neither task nor driver changes the given one", () => {
    const zero: number[] = [];
    const push = (all: number[], one: number) => {
      all.push(one);
      return all;
    };
    const list = session.accumulator("list", { zero, add: push, merge: (a, b) => b.reduce(push, a) });
    list.add(1);
    list.reset();
    list.add(2);
    expect(list.value).toEqual([2]);
    expect(zero).toEqual([]);
  });

  test("their ids go with every job", async () => {
    const a = session.longAccumulator("a");
    const b = session.doubleAccumulator("b");
    await session.range(2).count();
    expect(master.jobs[0]!.accumulators).toEqual([a.id, b.id]);
  });

  test("a long accumulator refuses fractions", () => {
    const long = session.longAccumulator("n");
    long.add(2);
    expect(() => long.add(0.5)).toThrow(RangeError);
    expect(long.value).toBe(2);
  });

  test("a merge that throws fails its job", async () => {
    master.hold();
    const broken = session.accumulator("broken", {
      zero: 0,
      add: (a: number, b: number) => a + b,
      merge: () => {
        throw new Error("no merge");
      },
    });
    const counted = session.range(2).count();
    update(1, broken.id, 1);
    await expect(counted).rejects.toMatchObject({ code: "TASK_FAILED", message: expect.stringContaining('"broken"') });
    expect(master.of("cancel")).toHaveLength(1);
  });
});

test("an RDD or a Session inside a function is NESTED_RDD", () => {
  expect(() => referenceOf(session.range(2))).toThrow(expect.objectContaining({ code: "NESTED_RDD" }));
  expect(() => referenceOf(session)).toThrow(expect.objectContaining({ code: "NESTED_RDD" }));
  expect(referenceOf({})).toBeUndefined();
});

test("classes of values travel with them, each captured once", () => {
  class Point {
    constructor(readonly x: number) {}
  }
  const registered = new Map<ClassConstructor, string>();
  const capture = new FakeCapture();
  const encoder = new ValueEncoder({
    capture: (fn, method) => {
      registered.set(fn as unknown as ClassConstructor, fn.name);
      return capture.capture(fn, method);
    },
    bundles: new Map(),
    classes: {
      idOf: (made) => registered.get(made),
      byId: (id) => [...registered].find(([, name]) => name === id)?.[0],
    },
  });
  const { slices, classes: carriers } = encoder.slices([[new Point(1)], [new Point(2), 3]], "parallelize");
  expect(carriers).toHaveLength(1);
  expect(capture.revive(carriers[0]!)).toBe(Point);
  expect(decodeStream(slices[1]!, encoder.classes)).toEqual([new Point(2), 3]);
  expect(encoder.value([new Point(3)], "broadcast").classes).toEqual(carriers);
  expect(encoder.value([4], "broadcast").classes).toEqual([]);
});
