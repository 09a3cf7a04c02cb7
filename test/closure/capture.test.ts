// Functions captured here and revived as a slot would: every case of the item 4 that one process can show.

import * as fs from "node:fs";
import { basename } from "node:path";
import * as v8 from "node:v8";
import pLimit from "p-limit";
import picomatch from "picomatch";
import { expect, test } from "vitest";
import type { Node } from "../../src/closure/format.js";
import { Capturer, Reviver } from "../../src/closure/index.js";
import type { ClassConstructor } from "../../src/codec/class-registry.js";
import { isMillraceError } from "../../src/core/errors.js";
import { factor, Point, triple } from "./helper.js";

type AnyFunction = (...args: never[]) => unknown;

function trip<T extends AnyFunction>(fn: T, reviver = newReviver()): T {
  return reviver.revive(newCapturer().capture(fn, "map")) as T;
}
const newCapturer = (bundlePackages = false) => new Capturer({ reference: () => undefined, bundlePackages });
const newReviver = () => new Reviver({ dereference: (reference) => reference, moduleRoots: [] });

function failure(fn: AnyFunction): Error {
  try {
    newCapturer().capture(fn, "map");
  } catch (error) {
    if (isMillraceError(error) && error.code === "CAPTURE_FAILED") return error;
    throw error;
  }
  throw new Error("the capture did not fail");
}

const top = 7;
let counter = 10;
let handler: () => string = () => "first";
class Animal {
  static kinds = ["cat"];
  #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  speak(): string {
    return `${this.#name} speaks`;
  }
  static {
    Animal.kinds.push("dog");
  }
}
class Dog extends Animal {
  override speak(): string {
    return `${super.speak()} woof`;
  }
}
const isEven = (n: number): boolean => n === 0 || isOdd(n - 1);
const isOdd = (n: number): boolean => n !== 0 && isEven(n - 1);
function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

test("constants, helpers of another module and nested functions travel", () => {
  const local = { deep: [1, 2, { x: "y" }] };
  const nested = (n: number) => ((m: number) => m + n + top + local.deep.length)(1);
  expect(trip(nested)(2)).toBe(nested(2));
  expect(trip((x: number) => triple(x) + factor)(5)).toBe(18);
});

test("recursion and mutual recursion work", () => {
  expect(trip((n: number) => factorial(n))(5)).toBe(120);
  expect(trip((n: number) => isEven(n))(10)).toBe(true);
});

test("classes keep super, private fields and static parts, and are one class for all functions of a session", () => {
  expect(trip(() => new Dog("Rex").speak() + Animal.kinds.join())()).toBe("Rex speaks woofcat,dog");
  const capturer = newCapturer();
  const reviver = newReviver();
  const make = reviver.revive(capturer.capture(() => new Point(2), "map")) as () => Point;
  const check = reviver.revive(capturer.capture((p: unknown) => p instanceof Point, "map")) as (p: unknown) => boolean;
  expect(check(make())).toBe(true);
  expect(make().double).toBe(4);
  const id = capturer.classes.idOf(Point as unknown as ClassConstructor) as string;
  expect(reviver.classes.byId(id)).toBe(make().constructor);
  expect(capturer.classes.byId(id)).toBe(Point);
});

test("a variable that the function assigns is its own there", () => {
  const bump = trip(() => ++counter);
  expect([bump(), bump(), counter]).toEqual([11, 12, 10]);
});

test("a variable of the module that one function assigns and others use stays one", () => {
  const shown = () => ({ counter });
  const set = (n: number) => {
    ({ counter } = { counter: n });
  };
  const bump = () => [counter++, counter, shown().counter];
  const all = trip((n: number) => {
    set(n);
    return bump();
  });
  expect([all(5), all(7), counter]).toEqual([[5, 6, 6], [7, 8, 8], 10]);
});

test("a variable that is called through the cell which functions share keeps its `this`", () => {
  const swap = () => {
    handler = function (this: unknown) {
      return this === undefined ? "second" : "wrong";
    };
  };
  expect(
    trip(() => {
      const before = handler();
      swap();
      return [before, handler()];
    })(),
  ).toEqual(["first", "second"]);
});

test("variables of one name that are known to be different ones stay apart", () => {
  const from = (start: number) => {
    let n = start;
    return () => n++;
  };
  const [low, high] = [from(1), from(100)];
  const both = trip(() => [low(), high()]);
  expect([both(), both()]).toEqual([
    [1, 100],
    [2, 101],
  ]);
  const shadow = () => {
    const counter = 1;
    return () => counter;
  };
  const inner = shadow();
  const add = () => counter++;
  expect(trip(() => add() + inner())()).toBe(11);
});

test("where functions may or may not share a variable that one assigns, the capture is refused", () => {
  const pair = () => {
    let hidden = 0;
    return { add: () => hidden++, get: () => hidden };
  };
  const { add, get } = pair();
  expect(failure(() => add() + get()).message).toMatch(/variable hidden used by `add`.*assigns/);
});

test("node modules and packages travel as references", async () => {
  expect(trip((f: string) => basename(f))("/a/b.c")).toBe("b.c");
  expect(trip(() => fs.existsSync("/"))()).toBe(true);
  expect(trip((f: string) => picomatch("*.ts")(f))("a.ts")).toBe(true);
  const ref = newCapturer().capture(() => pLimit(2), "map");
  const reviver = newReviver();
  await reviver.prepare(ref);
  expect((reviver.revive(ref) as () => { concurrency: number })().concurrency).toBe(2);
});

test("a worker without a package runs the driver's bundle of it", () => {
  const capturer = newCapturer(true);
  const ref = capturer.capture((f: string) => picomatch("*.ts")(f), "map");
  const away = new Reviver({
    dereference: () => undefined,
    moduleRoots: [],
    loadBundle: (hash) => capturer.bundles.get(hash) as Uint8Array,
  });
  const bytes = v8.serialize(
    (v8.deserialize(ref.bytes) as Node[]).map((node) =>
      node.kind === "module" ? { ...node, from: "/nowhere/x.js" } : node,
    ),
  );
  expect((away.revive({ hash: "away", bytes }) as (f: string) => boolean)("a.ts")).toBe(true);
});

test("values are copied with shared references, cycles and kinds", () => {
  const shared = { n: 1 };
  const bare = Object.assign(Object.create(null), { b: 1 });
  const loop = { shared, again: shared, self: null as unknown };
  loop.self = loop;
  const values = {
    loop,
    bare,
    zero: -0,
    nan: Number.NaN,
    none: undefined,
    big: 12n,
    date: new Date(5),
    re: /a+/gi,
    map: new Map([["k", shared]]),
    set: new Set([1, "2"]),
    floats: new Float64Array([1.5, -0]),
    bytes: Buffer.from("abc"),
    error: new RangeError("far"),
    sym: Symbol.for("s"),
    it: Symbol.iterator,
    holes: Object.assign(new Array(3), { 0: 1, 2: 3 }),
    point: new Point(4),
    frozen: Object.freeze({ a: 1 }),
    get lazy() {
      return 5;
    },
    method(a: number) {
      return a + 1;
    },
  };
  const got = trip(() => values)();
  expect(got.loop.self).toBe(got.loop);
  expect(got.loop.shared).toBe(got.loop.again);
  expect(got.map.get("k")).toBe(got.loop.shared);
  expect(Object.getPrototypeOf(got.bare)).toBe(null);
  expect(Object.is(got.zero, -0) && Object.is(got.floats[1], -0) && 1 in got.holes === false).toBe(true);
  expect(got.error).toBeInstanceOf(RangeError);
  expect([got.error.message, got.sym, got.it, got.big, got.lazy, got.method(1)]).toEqual([
    "far",
    Symbol.for("s"),
    Symbol.iterator,
    12n,
    5,
    2,
  ]);
  expect([got.date, got.re, got.set, got.bytes.toString(), Object.isFrozen(got.frozen), got.point.double]).toEqual([
    new Date(5),
    /a+/gi,
    new Set([1, "2"]),
    "abc",
    true,
    8,
  ]);
  expect("none" in got && Number.isNaN(got.nan)).toBe(true);
});

test("async, generator, shorthand, getter and default-parameter functions travel", async () => {
  const box = {
    async add(x: number) {
      return x + top;
    },
    get seven() {
      return top;
    },
  };
  expect(await trip(box.add)(1)).toBe(8);
  expect(trip(Object.getOwnPropertyDescriptor(box, "seven")?.get as () => number)()).toBe(7);
  expect([
    ...trip(function* (n: number) {
      yield n;
      yield top;
    })(1),
  ]).toEqual([1, 7]);
  expect(trip(({ a = top }: { a?: number } = {}) => a)()).toBe(7);
  expect(
    trip(function (this: unknown, ..._all: number[]) {
      // biome-ignore lint/complexity/noArguments: that it is the function's own is what is tested
      return arguments.length;
    })(1, 2, 3),
  ).toBe(3);
});

test("names that shadow globals are captured and globals are not", () => {
  const console = { log: () => "mine" };
  expect(trip(() => console.log())()).toBe("mine");
  expect(trip(() => structuredClone({ a: 1 }))()).toEqual({ a: 1 });
  expect(trip(() => Math.max(1, 2) + process.pid)()).toBe(2 + process.pid);
});

test("import.meta and dynamic import belong to the user's file", async () => {
  expect(trip(() => import.meta.url)()).toMatch(/capture\.test\.ts$/);
  expect((await trip(async () => await import("node:os"))()).EOL).toBe("\n");
});

test("what cannot travel is an error that names the variable, the function and the place", () => {
  const socket = { promise: Promise.resolve() };
  expect(
    failure(function useSocket() {
      return socket.promise;
    }).message,
  ).toMatch(/variable socket\.promise used by `useSocket` \(.*capture\.test\.ts:\d+:\d+\), given to map, is a Promise/);
  const bound = Math.max.bind(null, 1);
  expect(failure(() => bound(2)).message).toMatch(/bound/);
  const weak = new WeakMap();
  expect(failure(() => weak).message).toMatch(/weak/);
  const animal = new Dog("x");
  expect(failure(() => animal.speak()).message).toMatch(/private/);
});

test("a revived function throws from its own line and column", () => {
  const fn = () => {
    throw new Error(`here ${top}`);
  };
  const frame = (run: () => unknown) => {
    const hook = Error.prepareStackTrace;
    Error.prepareStackTrace = (_error, [site]) => `${site?.getLineNumber()}:${site?.getColumnNumber()}`;
    try {
      return run();
    } catch (error) {
      return (error as Error).stack;
    } finally {
      Error.prepareStackTrace = hook;
    }
  };
  expect(frame(trip(fn))).toBe(frame(fn));
});

test("functions made by eval travel", () => {
  expect(trip(new Function("a", "return a + 1") as (a: number) => number)(1)).toBe(2);
});

test("functions that refer to each other through objects and classes are made once", () => {
  const registry: { make: (n: number) => unknown; again: () => unknown } = {
    make: (n) => (n === 0 ? registry : registry.make(n - 1)),
    again: () => registry.make,
  };
  class Tree {
    static readonly empty = new Tree([]);
    constructor(readonly children: readonly Tree[]) {}
    size(): number {
      return sizeOf(this);
    }
  }
  const sizeOf = (tree: Tree): number => tree.children.reduce((sum, child) => sum + child.size(), 1);
  expect(trip(() => registry.make(3) === registry && registry.again() === registry.make)()).toBe(true);
  expect(trip(() => new Tree([Tree.empty, Tree.empty]).size())()).toBe(3);
});

test("a function says which classes reviving it makes known, also those of what it refers to", () => {
  const inner = { hash: "h", bytes: new Uint8Array(1), async: false, name: "", classes: ["Inner@1"] };
  const handle = {};
  const capturer = new Capturer({
    reference: (value) => (value === handle ? { kind: "broadcast", id: 1, classes: [inner] } : undefined),
    bundlePackages: false,
  });
  const { classes } = capturer.capture(() => [new Point(1), handle], "map");
  expect(classes).toEqual([capturer.classes.idOf(Point as unknown as ClassConstructor), "Inner@1"]);
  expect(capturer.capture((n: number) => n + top, "map").classes).toBeUndefined();
});
