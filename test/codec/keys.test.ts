import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ClassRegistry } from "../../src/codec/class-registry.js";
import { checkKey, compareKeys, hashKey, keysEqual } from "../../src/codec/keys.js";
import { isMillraceError } from "../../src/core/errors.js";

class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}
class Vector {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1,
    1n,
    "1",
    "",
    "a",
    Number.NaN,
    0n,
    -1n,
    2n ** 64n,
    -(2n ** 63n),
  ),
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({ maxLength: 3 }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 4 }),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
);
const { key } = fc.letrec<{ key: unknown }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 6, arbitrary: leaf },
    { weight: 1, arbitrary: fc.array(tie("key"), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom("a", "b", "c", "é"), tie("key"), { maxKeys: 3 }) },
    { weight: 1, arbitrary: fc.tuple(fc.integer({ max: 3 }), fc.integer({ max: 3 })).map(([x, y]) => new Point(x, y)) },
  ),
}));

/** Another object of the same content: properties turned round, Buffers for bytes, -0 for 0. */
function twin(value: unknown): unknown {
  if (typeof value === "number") return value === 0 ? -value : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(twin);
  if (value instanceof Date) return new Date(value.getTime());
  if (Buffer.isBuffer(value)) return Uint8Array.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  const copy = Object.create(Object.getPrototypeOf(value)) as Record<string, unknown>;
  for (const [name, member] of Object.entries(value).reverse()) {
    Object.defineProperty(copy, name, { value: twin(member), enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

describe("equality of keys", () => {
  it.each([
    [1, 1n],
    [1, "1"],
    [1n, "1"],
    [null, undefined],
    [false, 0],
    ["", null],
    [new Date(5), 5],
    [[1], "1"],
    [[1, 2], [[1, 2]]],
    [{ a: undefined }, {}],
    [{ a: 1 }, { b: 1 }],
    [Buffer.from([1]), [1]],
    [new Point(1, 2), { x: 1, y: 2 }],
    [new Point(1, 2), new Vector(1, 2)],
  ])("tells %o from %o", (a, b) => {
    expect(keysEqual(a, b)).toBe(false);
    expect(compareKeys(a, b)).not.toBe(0);
  });

  it("takes NaN for NaN and -0 for 0, at any depth", () => {
    expect(keysEqual([Number.NaN, { z: -0 }], [Number.NaN, { z: 0 }])).toBe(true);
    expect(hashKey(-0)).toBe(hashKey(0));
    expect(keysEqual(new Date(Number.NaN), new Date(Number.NaN))).toBe(true);
  });

  it("takes arrays, objects and Dates of another realm for our own", () => {
    const foreign = vm.runInNewContext("[[1, 'a'], { b: new Date(5) }, new Uint8Array([1, 2])]") as unknown[];
    const own = [[1, "a"], { b: new Date(5) }, new Uint8Array([1, 2])];
    expect(keysEqual(foreign, own)).toBe(true);
    expect(compareKeys(foreign, own)).toBe(0);
    expect(hashKey(foreign)).toBe(hashKey(own));
  });

  it("holds for a twin, which has the same hash and place", () => {
    fc.assert(
      fc.property(key, (a) => {
        const b = twin(a);
        expect(keysEqual(a, b)).toBe(true);
        expect(hashKey(b)).toBe(hashKey(a));
        expect(compareKeys(a, b)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("order of keys", () => {
  it("is null < boolean < number < bigint < string < Date < bytes < arrays < objects < instances < undefined", () => {
    const inOrder = [
      null,
      false,
      true,
      Number.NEGATIVE_INFINITY,
      -1,
      0,
      2,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      -5n,
      7n,
      "",
      "Z",
      "a",
      "aa",
      "é",
      "\uffff",
      "😀",
      new Date(-1),
      new Date(5),
      new Date(Number.NaN),
      Buffer.from([]),
      Buffer.from([1]),
      Buffer.from([1, 0]),
      Buffer.from([255]),
      [],
      [1],
      [1, 1],
      ["a"],
      {},
      { a: 1 },
      { a: 1, b: 0 },
      { a: 2 },
      { b: 0 },
      new Point(1, 2),
      new Point(1, 3),
      new Vector(0, 0),
      undefined,
    ];
    for (let i = 0; i < inOrder.length; i++) {
      for (let k = 0; k < inOrder.length; k++) {
        expect(Math.sign(compareKeys(inOrder[i], inOrder[k])), `${i} against ${k}`).toBe(Math.sign(i - k));
      }
    }
  });

  it("orders strings as their UTF-8 bytes do", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  it("is total, antisymmetric, transitive, and says 0 exactly where keys are equal", () => {
    fc.assert(
      fc.property(key, key, key, (a, b, c) => {
        expect(Math.sign(compareKeys(a, b))).toBe(0 - Math.sign(compareKeys(b, a)));
        expect(compareKeys(a, b) === 0).toBe(keysEqual(a, b));
        if (keysEqual(a, b)) expect(hashKey(a)).toBe(hashKey(b));
        const [low, middle, high] = [a, b, c].sort(compareKeys);
        expect(compareKeys(low, middle)).toBeLessThanOrEqual(0);
        expect(compareKeys(middle, high)).toBeLessThanOrEqual(0);
        expect(compareKeys(low, high)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("hash of keys", () => {
  const samples = [
    "1",
    "",
    "grüße",
    "😀",
    1,
    -0,
    0.5,
    Number.NaN,
    2 ** 40,
    null,
    true,
    [1, ["a", null]],
    { b: 1, a: "x" },
  ];

  it("is the same in another process", () => {
    const keys = pathToFileURL(new URL("../../src/codec/keys.ts", import.meta.url).pathname).href;
    const program = `import(${JSON.stringify(keys)}).then(({ hashKey }) => {
      const samples = [...JSON.parse(process.argv[1]), NaN, 1n, -(2n ** 70n), new Date(12), Buffer.from("ab"), undefined];
      console.log(JSON.stringify(samples.map((key) => hashKey(key))));
    });`;
    const plain = samples.filter((sample) => !Number.isNaN(sample));
    const here = [...plain, Number.NaN, 1n, -(2n ** 70n), new Date(12), Buffer.from("ab"), undefined];
    const there = execFileSync(process.execPath, ["--import", "tsx", "-e", program, JSON.stringify(plain)], {
      cwd: new URL("../..", import.meta.url).pathname,
      encoding: "utf8",
      timeout: 30_000,
    });
    expect(JSON.parse(there)).toEqual(here.map((sample) => hashKey(sample)));
  });

  it("never changes: shuffle files and tests rely on these numbers", () => {
    expect(samples.map((sample) => hashKey(sample))).toMatchInlineSnapshot(`
      [
        1676693787,
        2059582171,
        889315414,
        856296811,
        1669765607,
        737896071,
        2476062239,
        85491240,
        1756794765,
        3712240066,
        2841643034,
        2026127819,
        2606028503,
      ]
    `);
  });

  it("tells types apart", () => {
    const apart = [1, 1n, "1", true, null, undefined, new Date(1), [1], { 0: 1 }, Buffer.from([1])];
    expect(new Set(apart.map(hashKey)).size).toBe(apart.length);
  });
});

describe("what cannot be a key", () => {
  const travelling: ClassRegistry = {
    idOf: (maker) => (maker === Point ? "Point" : undefined),
    byId: () => undefined,
  };
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);

  it.each([
    ["a function", () => 1, ""],
    ["a Map in an array", [1, new Map()], "[1]"],
    ["a Set in an object", { a: [new Set()] }, ".a[0]"],
    ["a symbol", Symbol("s"), ""],
    ["a Promise", Promise.resolve(1), ""],
    ["a RegExp", /x/, ""],
    ["an Error", new Error("x"), ""],
    ["a Float64Array", new Float64Array(1), ""],
    ["an instance of a class that does not travel", { k: new Vector(1, 2) }, ".k"],
  ])("%s is refused with its place", (_name, value, path) => {
    const error = thrown(() => checkKey(value, travelling));
    expect(error.code).toBe("INVALID_KEY");
    expect(error.fields.path).toBe(path);
  });

  it("is refused by hash and order too, where only a travelling class would know better", () => {
    for (const value of [() => 1, [new Map()], { a: new Set() }, Symbol("s"), /x/]) {
      expect(thrown(() => hashKey(value)).code).toBe("INVALID_KEY");
      expect(thrown(() => compareKeys(value, value)).code).toBe("INVALID_KEY");
    }
  });

  it("includes what is cyclic", () => {
    expect(thrown(() => checkKey(cyclic)).code).toBe("INVALID_KEY");
    expect(thrown(() => hashKey(cyclic)).code).toBe("INVALID_KEY");
  });

  it("does not include instances of a travelling class", () => {
    expect(() => checkKey([new Point(1, 2)], travelling)).not.toThrow();
  });
});

function thrown(run: () => unknown): { code: string; fields: Record<string, unknown> } {
  try {
    run();
  } catch (error) {
    if (isMillraceError(error)) return error as never;
    throw error;
  }
  throw new Error("nothing was thrown");
}
