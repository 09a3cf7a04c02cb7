// Broadcast values and accumulators inside a slot.

import { beforeEach, describe, expect, test } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { decodeValue, encodeValue } from "../../src/codec/stream.js";
import { blobHash } from "../../src/core/ids.js";
import type { FunctionRef } from "../../src/plan/function.js";
import { type HandleReference, TaskHandles } from "../../src/plan/handles.js";

const ref = (name: string): FunctionRef => ({ hash: blobHash(name), bytes: new Uint8Array(0), async: false, name });
const accumulator = (id: number): HandleReference => ({
  kind: "accumulator",
  id,
  name: `acc ${id}`,
  zero: encodeValue([], noClasses),
  add: ref("append"),
  classes: [],
});
const broadcast: HandleReference = {
  kind: "broadcast",
  id: 9,
  hash: blobHash("b"),
  sizeBytes: 3,
  classes: [ref("Point")],
};

let loads: string[];
let revived: string[];
let handles: TaskHandles;

beforeEach(() => {
  loads = [];
  revived = [];
  handles = new TaskHandles({
    loadBlob: (hash) => {
      loads.push(hash);
      return encodeValue({ answer: 42 }, noClasses);
    },
    decode: (bytes) => decodeValue(bytes, noClasses),
    revive: (fn) => {
      revived.push(fn.name);
      return ((list: unknown[], item: unknown) => {
        list.push(item);
        return list;
      }) as never;
    },
  });
});

describe("accumulators", () => {
  const open = (id: number) => handles.open(accumulator(id)) as { add(amount: unknown): void; readonly value: unknown };

  test("an attempt reports what it added, by id, and the next starts afresh", () => {
    handles.begin();
    open(2).add("x");
    open(1).add("y");
    open(2).add("z");
    expect(handles.end()).toEqual([
      { accumulator: 1, name: "acc 1", kind: "custom", value: ["y"] },
      { accumulator: 2, name: "acc 2", kind: "custom", value: ["x", "z"] },
    ]);
    handles.begin();
    open(1).add("w");
    expect(handles.end()).toMatchObject([{ accumulator: 1, value: ["w"] }]);
    expect(handles.end()).toEqual([]);
  });

  test("what a failed attempt added is forgotten", () => {
    handles.begin();
    open(1).add("lost");
    handles.begin();
    expect(handles.end()).toEqual([]);
  });

  test("one handle an id, its function revived once", () => {
    open(1).add(1);
    open(1).add(2);
    expect(open(1)).toBe(open(1));
    expect(revived).toEqual(["append"]);
  });

  test("the value cannot be read in a task", () => {
    expect(() => open(1).value).toThrow(/"acc 1" can be read in the driver only/);
  });
});

test("a broadcast value is loaded at first use, once, after its classes", () => {
  const handle = handles.open(broadcast) as { readonly value: unknown };
  expect(loads).toEqual([]);
  expect(handle.value).toEqual({ answer: 42 });
  expect(handle.value).toBe(handle.value);
  expect(loads).toEqual(["b"]);
  expect(revived).toEqual(["Point"]);
});
