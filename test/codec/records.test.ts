import { isDeepStrictEqual } from "node:util";
import vm from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClassConstructor, type ClassRegistry, noClasses } from "../../src/codec/class-registry.js";
import { readFrameHeader } from "../../src/codec/frame.js";
import { decodePairs, encodePairs, encodePairsAt } from "../../src/codec/pairs.js";
import { decodeRecords, encodeRecords } from "../../src/codec/records.js";
import { SchemaTable } from "../../src/codec/schema.js";
import { isMillraceError } from "../../src/core/errors.js";

class Point {
  constructor(
    public x: number,
    public y: number,
  ) {}
  length(): number {
    return Math.hypot(this.x, this.y);
  }
}
class Labelled extends Point {
  label = "none";
}
class Secret {
  #hidden = 1;
  reveal(): number {
    return this.#hidden;
  }
}
class Tally extends Map<string, number> {
  note = "mine";
}
class Stack extends Array<number> {}
class Failure extends Error {
  readonly status = 404;
}
class Shadowed {
  get size(): number {
    return -1;
  }
}
class Stranger {
  a = 1;
}

const travelling = new Map<string, ClassConstructor>(
  [Point, Labelled, Secret, Tally, Stack, Failure, Shadowed].map((maker) => [`app/${maker.name}`, maker]),
);
const classes: ClassRegistry = {
  idOf: (maker) => [...travelling].find(([, known]) => known === maker)?.[0],
  byId: (id) => travelling.get(id),
};

function roundTrip(records: readonly unknown[], compress = false): { out: unknown[]; schema: string } {
  const schemas = new SchemaTable();
  const frame = encodeRecords(records, 0, records.length, schemas, classes, { compress });
  const table = SchemaTable.fromBytes(schemas.toBytes());
  return { out: decodeRecords(frame, table, classes), schema: table.get(readFrameHeader(frame).schema).text };
}

/** isDeepStrictEqual, and holes, property order and the prototypes of nested values. */
function expectSame(out: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(out, expected)) expect(out).toStrictEqual(expected);
  if (typeof expected === "object" && expected !== null && !ArrayBuffer.isView(expected)) {
    expect(Object.keys(out as object)).toEqual(Object.keys(expected));
  }
}

describe("a round trip by a column of its own", () => {
  it.each<[string, unknown[]]>([
    ['"ascii"', ["", "a", "hello", "x".repeat(5000)]],
    ['"utf8"', ["grüße", "", "日本語", "😀 ok", "plain"]],
    ['"utf8"', ["é".repeat(50_000), "a".repeat(20), "😀".repeat(30)]],
    ['"i8"', [0, 1, -128, 127]],
    ['"i16"', [0, 128, -32768, 32767]],
    ['"i32"', [0, 32768, -2147483648, 2147483647]],
    ['"f64"', [1, -0, Number.NaN, 1.5, Number.POSITIVE_INFINITY, 5e-324, 2 ** 53]],
    ['"bool"', [true, false, true, true, false, false, false, true, true]],
    ['"i64"', [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]],
    ['"date"', [new Date(0), new Date(-1), new Date(Number.NaN)]],
    ['"null"', [null, null]],
    ['"undefined"', [undefined, undefined]],
    ['"bytes"', [new Uint8Array([1, 2]), new Uint8Array(0)]],
    ['"buffer"', [Buffer.from("ab"), Buffer.alloc(0)]],
    ['["typed","Float64Array"]', [new Float64Array([1.5, Number.NaN]), new Float64Array(0)]],
    ['["typed","Int16Array"]', [new Int16Array([1, 2, 3])]],
    ['["typed","BigUint64Array"]', [new BigUint64Array([2n ** 64n - 1n])]],
    ['["typed","Uint8ClampedArray"]', [new Uint8ClampedArray([300])]],
    ['["null?","ascii"]', ["a", null, ""]],
    ['["null?","i8"]', [null, 0, 5, null, null, null, null, null, null, 7]],
    ['["undefined?","f64"]', [undefined, 0.5]],
    ['["either?","date"]', [undefined, new Date(5), null]],
    ['["either?","null"]', [undefined, null]],
    ['["null?",["tuple","ascii","i8"]]', [["a", 1], null, ["b", 2]]],
    ['["null?",["typed","Float32Array"]]', [null, new Float32Array([1, 2]), null]],
    ['["list","i8"]', [[1, 2, 3], [], [4]]],
    ['["list","ascii"]', [["a"], ["b", "c", ""]]],
    ['["list",["object",["k"],"i32"]]', [[{ k: 1 }], [], [{ k: 2 }, { k: 3 }]]],
    [
      '["tuple","ascii","i8"]',
      [
        ["a", 1],
        ["b", 2],
      ],
    ],
    [
      '["tuple","ascii","i8","bool"]',
      [
        ["a", 1, true],
        ["b", 2, false],
      ],
    ],
    [
      '["tuple","ascii",["tuple","i32","f64"]]',
      [
        ["a", [1, 0.5]],
        ["b", [2, 1.5]],
      ],
    ],
    [
      '["tuple","ascii",["list","i32"]]',
      [
        ["a", [1, 2, 3]],
        ["b", []],
      ],
    ],
    [
      '["object",["a","b"],"i8","ascii"]',
      [
        { a: 1, b: "x" },
        { a: 2, b: "y" },
      ],
    ],
    ['["object",["a"],["undefined?","i8"]]', [{ a: undefined }, { a: 1 }]],
    ['["object",[]]', [{}, {}]],
    ['["list","null"]', [[], []]],
    ['["class","app/Point",["x","y"],"i8","f64"]', [new Point(1, 0.5), new Point(2, -0)]],
    ['["class","app/Labelled",["x","y","label"],"i8","i8","ascii"]', [new Labelled(1, 2)]],
    ['["object",["where"],["class","app/Point",["x","y"],"i32","i32"]]', [{ where: new Point(1, 2) }]],
  ])("%s", (schema, records) => {
    const { out, schema: found } = roundTrip(records);
    expectSame(out, records);
    expect(found).toBe(schema);
  });

  it("keeps one column for 0 rows", () => {
    expect(roundTrip([])).toEqual({ out: [], schema: '"null"' });
  });

  it("is the same for thousands of rows, where objects are compiled and numbers come as views", () => {
    const records = Array.from({ length: 5000 }, (_, i) => ({
      name: i % 7 === 0 ? null : `name ${i} ${"é".repeat(i % 3)}`,
      where: new Point(i, i / 2),
      tags: Array.from({ length: i % 4 }, (_, k) => k * i),
      at: new Date(i),
      big: BigInt(i) ** 2n,
      even: i % 2 === 0,
      'quote"d': i / 3,
    }));
    const { out, schema } = roundTrip(records, true);
    expectSame(out, records);
    expect(schema).not.toContain("any");
    expect((out[3] as { where: Point }).where.length()).toBeCloseTo(Math.hypot(3, 1.5));
  });

  it("restores own fields that an accessor of the class would catch", () => {
    const record = Object.defineProperty(new Shadowed(), "size", {
      value: 3,
      enumerable: true,
      writable: true,
      configurable: true,
    });
    expect((roundTrip([record]).out[0] as Shadowed).size).toBe(3);
  });

  it("goes by the class of an instance, not by its property called constructor", () => {
    const record = Object.assign(new Point(1, 2), { constructor: "mine" });
    const [out] = roundTrip([record]).out as [Point];
    expect(Object.getPrototypeOf(out)).toBe(Point.prototype);
    expect(Object.entries(out)).toEqual([
      ["x", 1],
      ["y", 2],
      ["constructor", "mine"],
    ]);
  });

  it("takes plain objects and arrays of another realm", () => {
    const foreign = vm.runInNewContext("[['a', { n: 1 }], ['b', { n: 2 }]]") as unknown[];
    const { out, schema } = roundTrip(foreign);
    expect(out).toStrictEqual([
      ["a", { n: 1 }],
      ["b", { n: 2 }],
    ]);
    expect(schema).toBe('["tuple","ascii",["object",["n"],"i32"]]');
  });
});

describe("a round trip by the fallback column", () => {
  const sparse = Object.assign(new Array<number>(3), { 0: 1, 2: 3 });
  const veryLong: unknown[] = [];
  veryLong[1_000_000] = 1;
  it.each<[string, unknown[]]>([
    ["mixed types", [1, "a", null, undefined, true, 1n, [1], { a: 1 }]],
    ["lone surrogates", ["a\ud800", "\udc00", "ok"]],
    ["long lone surrogates", ["a\ud800".repeat(50), "ok"]],
    ["bigint beyond 64 bits", [2n ** 64n, 1n]],
    ["Map and Set", [new Map<unknown, unknown>([["a", new Set([1, [2]])]]), new Map()]],
    ["holes", [sparse, [1, 2, 3]]],
    ["holes in pairs", [Object.assign(new Array(2), { 1: "x" })]],
    ["sparse arrays", [veryLong]],
    ["RegExp", [/a+/gi, /b/]],
    ["boxed primitives", [Object(1), Object("x"), Object(false), Object(2n)]],
    ["ArrayBuffer and DataView", [new ArrayBuffer(8), new DataView(new ArrayBuffer(4))]],
    ["objects of several shapes", [{ a: 1 }, { b: 2 }, { a: 1, b: 2 }, { b: 2, a: 1 }]],
    ["absent and undefined members", [{ a: 1, b: undefined }, { a: 1 }]],
    ["Buffer among Uint8Array", [Buffer.from("a"), new Uint8Array([1])]],
    ["a member called __proto__", [JSON.parse('{"__proto__": 1, "a": 2}')]],
    ["instances of several classes", [new Point(1, 2), new Labelled(3, 4), { x: 1, y: 2 }]],
    ["instances deep inside", [new Map([["p", [{ p: new Point(1, 2) }]]]), new Set([new Labelled(1, 1)])]],
    ["no prototype", [Object.assign(Object.create(null), { a: 1 }), { inner: Object.create(null) }]],
    ["mixed, with null", [null, 1, "a"]],
  ])("%s", (_name, records) => {
    const { out, schema } = roundTrip(records);
    expectSame(out, records);
    expect(schema).toContain("any");
  });

  it("keeps cycles and shared references inside a record", () => {
    const cyclic: Record<string, unknown> = { name: "loop", at: new Point(1, 2) };
    cyclic.self = cyclic;
    const [out] = roundTrip([cyclic]).out as [Record<string, unknown>];
    expect(out.self).toBe(out);
    expect(out.at).toBeInstanceOf(Point);
    const list: unknown[] = [];
    for (let i = 0; i < 1000; i++) list.push(list);
    const [same] = roundTrip([list]).out as [unknown[]];
    expect(same[999]).toBe(same);
  });

  it("keeps trees deeper than columns go", () => {
    let deep: unknown = "leaf";
    for (let i = 0; i < 200; i++) deep = { inner: [deep] };
    expectSame(roundTrip([deep]).out, [deep]);
  });

  it("keeps errors: type, message, stack, cause and own properties", () => {
    const cause = new RangeError("inner");
    const records = [
      Object.assign(new TypeError("outer", { cause }), { code: "E_X" }),
      new AggregateError([new Error("one"), 2], "several"),
      new Failure("not found"),
    ];
    const [type, several, failure] = roundTrip(records).out as [TypeError & { code: string }, AggregateError, Failure];
    expect(type).toBeInstanceOf(TypeError);
    expect(type.message).toBe("outer");
    expect(type.stack).toBe(records[0]!.stack);
    expect(type.code).toBe("E_X");
    expect(type.cause).toBeInstanceOf(RangeError);
    expect(Object.keys(type)).toEqual(["code"]);
    expect(several).toBeInstanceOf(AggregateError);
    expect(several.errors[0].message).toBe("one");
    expect(failure).toBeInstanceOf(Failure);
    expect([failure.message, failure.status]).toEqual(["not found", 404]);
  });

  it("keeps travelling subclasses of builtins", () => {
    const tally = new Tally([["a", 1]]);
    const [out, stack] = roundTrip([tally, Stack.from([1, 2, 3])]).out as [Tally, Stack];
    expect(out).toBeInstanceOf(Tally);
    expect([...out]).toEqual([["a", 1]]);
    expect(out.note).toBe("mine");
    expect(stack).toBeInstanceOf(Stack);
    expect([...stack]).toEqual([1, 2, 3]);
  });
});

describe("what a frame gives", () => {
  const records = [
    {
      text: "a string of more than thirteen characters",
      doubles: new Float64Array([1.5]),
      bytes: new Uint8Array([1, 2]),
      any: [new Float32Array([2.5]), Buffer.from("xyz"), "mixed"],
    },
    {
      text: "ü",
      doubles: new Float64Array([2.5, 3]),
      bytes: new Uint8Array([3]),
      any: new Map([["k", new DataView(new ArrayBuffer(8))]]),
    },
  ];
  const pairs = Array.from({ length: 100 }, (_, i) => [i, i + 0.5]);

  it("holds nothing of it, so that its memory can be used again", () => {
    const schemas = new SchemaTable();
    for (const batch of [records, pairs]) {
      const frame = encodeRecords(batch, 0, batch.length, schemas, noClasses);
      const out = decodeRecords(frame, schemas, noClasses);
      frame.fill(0xff);
      expect(out).toStrictEqual(batch);
    }
    const frame = encodePairs(
      pairs.map(([k]) => k),
      pairs.map(([, v]) => v),
      0,
      100,
      schemas,
      noClasses,
    );
    const { values } = decodePairs(frame, schemas, noClasses);
    frame.fill(0xff);
    expect([...values]).toEqual(pairs.map(([, v]) => v));
    const [first] = roundTrip(records).out as typeof records;
    expect(first!.doubles.buffer.byteLength).toBe(8);
    expect((first!.any as [Float32Array])[0].buffer.byteLength).toBe(4);
  });

  it("is the same from shared memory", () => {
    const schemas = new SchemaTable();
    for (const batch of [records, pairs]) {
      const frame = encodeRecords(batch, 0, batch.length, schemas, noClasses);
      const shared = new Uint8Array(new SharedArrayBuffer(frame.length));
      shared.set(frame);
      const out = decodeRecords(shared, schemas, noClasses);
      expect(out).toStrictEqual(batch);
    }
    expect((roundTrip(records).out as typeof records)[0]!.bytes.buffer).toBeInstanceOf(ArrayBuffer);
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    const frame = encodeRecords(lines, 0, 2000, schemas, noClasses, { compress: true });
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length));
    shared.set(frame);
    expect(decodeRecords(shared, schemas, noClasses)).toEqual(lines);
  });
});

describe("any values at all", () => {
  const value = fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { depthSize: "small", maxDepth: 5 },
      fc.anything({
        withBigInt: true,
        withBoxedValues: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withNullPrototype: true,
        withSparseArray: true,
        stringUnit: "binary",
        maxDepth: 2,
      }),
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc
        .array(fc.integer({ min: 0xd7ff, max: 0xe000 }), { maxLength: 3 })
        .map((units) => String.fromCharCode(...units)),
      fc.tuple(tie("any"), tie("any")),
      fc.array(fc.double()),
      fc.record({ a: tie("any"), b: fc.option(fc.integer(), { nil: undefined }) }, { requiredKeys: ["a"] }),
      fc.tuple(fc.integer(), fc.double()).map(([x, y]) => new Point(x, y)),
    ),
  })).any;

  it("come back equal, of equal types", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 12 }), fc.boolean(), (records, compress) => {
        expectSame(roundTrip(records, compress).out, records);
      }),
      { numRuns: 1500 },
    );
  });

  it("come back equal in columns of one kind, where rows are many enough for every path", () => {
    const column = fc
      .constantFrom<fc.Arbitrary<unknown>>(
        fc.string({ unit: "binary", maxLength: 20 }),
        fc.string({ unit: "binary-ascii", maxLength: 60 }),
        fc.integer({ min: -200, max: 200 }),
        fc.integer(),
        fc.double(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.boolean(),
        fc.date(),
        fc.uint8Array({ maxLength: 9 }),
        fc.float64Array({ maxLength: 5 }),
        fc.array(fc.integer(), { maxLength: 5 }),
        fc.tuple(fc.string({ maxLength: 12 }), fc.array(fc.double(), { maxLength: 3 })),
        fc.record({ n: fc.option(fc.integer()), s: fc.string({ maxLength: 20 }) }),
      )
      .chain((kind) =>
        fc.array(fc.oneof({ weight: 20, arbitrary: kind }, fc.constantFrom(null, undefined)), {
          minLength: 30,
          maxLength: 150,
          size: "max",
        }),
      );
    fc.assert(
      fc.property(column, fc.nat(5), (records, start) => {
        const schemas = new SchemaTable();
        const frame = encodeRecords(records, start, records.length, schemas, noClasses);
        // Wherever the frame lies in memory.
        const shifted = new Uint8Array(frame.length + 3).subarray(3);
        shifted.set(frame);
        expectSame(decodeRecords(shifted, schemas, noClasses), records.slice(start));
      }),
      { numRuns: 500 },
    );
  });
});

describe("pairs", () => {
  const schemas = new SchemaTable();
  const keys = Array.from({ length: 300 }, (_, i) => `key${i}`);
  const values = keys.map((_, i) => i + 0.5);

  it("are the frames of two-element arrays, read and written either way", () => {
    const frame = encodePairs(keys, values, 10, 200, schemas, noClasses);
    const records = keys.map((key, i) => [key, values[i]]).slice(10, 200);
    expect(decodeRecords(frame, schemas, noClasses)).toStrictEqual(records);
    expect(Buffer.compare(frame, encodeRecords(records, 0, 190, schemas, noClasses))).toBe(0);
    const pairs = decodePairs(frame, schemas, noClasses);
    expect(pairs.keys).toStrictEqual(keys.slice(10, 200));
    expect(pairs.values).toStrictEqual(Float64Array.from(values.slice(10, 200)));
  });

  it("take typed arrays of values, integers among them", () => {
    const integers = new Float64Array([1, 2, 3]);
    expect(
      decodePairs(encodePairs(["a", "b", "c"], integers, 0, 3, schemas, noClasses), schemas, noClasses),
    ).toStrictEqual({
      keys: ["a", "b", "c"],
      values: [1, 2, 3],
    });
    const withZero = encodePairs(["a", "b"], new Float64Array([1, -0]), 0, 2, schemas, noClasses);
    expect(Object.is(decodePairs(withZero, schemas, noClasses).values[1], -0)).toBe(true);
  });

  it("are gathered by index in the order of the indices", () => {
    const indices = new Uint32Array([5, 299, 0, 7]);
    const frame = encodePairsAt(keys, values, indices, 1, 4, schemas, noClasses);
    expect(decodeRecords(frame, schemas, noClasses)).toEqual([
      ["key299", 299.5],
      ["key0", 0.5],
      ["key7", 7.5],
    ]);
  });

  it("come from mixed batches too, and what is no pair is named", () => {
    const mixed = encodeRecords(
      [
        ["a", 1],
        [2, "b"],
        [new Map(), null],
      ],
      0,
      3,
      schemas,
      noClasses,
    );
    expect(decodePairs(mixed, schemas, noClasses)).toStrictEqual({ keys: ["a", 2, new Map()], values: [1, "b", null] });
    for (const records of [["ab"], [[1, 2, 3]], [{ 0: 1, 1: 2, length: 2 }], [null], [["a", 1], "b"]]) {
      const error = thrown(() =>
        decodePairs(encodeRecords(records, 0, records.length, schemas, noClasses), schemas, noClasses),
      );
      expect(error.code).toBe("NOT_A_PAIR");
    }
    expect(
      thrown(() => decodePairs(encodeRecords([{ a: 1 }], 0, 1, schemas, noClasses), schemas, noClasses)).message,
    ).toContain("an object with a");
  });

  it("with cycles become two fallback columns", () => {
    const cyclic: unknown[] = [1, 2, 3];
    cyclic.push(cyclic);
    const { keys: outKeys, values: outValues } = decodePairs(
      encodePairs([cyclic], ["x"], 0, 1, schemas, noClasses),
      schemas,
      noClasses,
    );
    expect((outKeys[0] as unknown[])[3]).toBe(outKeys[0]);
    expect(outValues).toEqual(["x"]);
  });
});

describe("what cannot be a record", () => {
  it.each<[string, unknown]>([
    ["", () => 1],
    ["", Symbol("s")],
    ["", Promise.resolve()],
    ["a.b[1]", { a: { b: [1, () => 2] } }],
    ['get("k")[0]', new Map([["k", [new WeakMap()]]])],
    ["member 0", new Set([new WeakSet()])],
    ["it", { it: [][Symbol.iterator]() }],
    ["gen", { gen: (function* () {})() }],
    ["buffer", { buffer: new SharedArrayBuffer(8) }],
  ])("is named with its place %j", (path, record) => {
    for (const records of [[record], [1, record], [null, record], [["key", record]], [{ field: record }]]) {
      const error = thrown(() => roundTrip(records));
      expect(error.code).toBe("RECORD_NOT_ENCODABLE");
      expect(error.fields.path).toContain(path);
    }
  });

  it("includes instances of classes that do not travel, however deep", () => {
    for (const record of [
      new Stranger(),
      [new Stranger()],
      { a: new Stranger() },
      new Map([[1, new Stranger()]]),
      ["k", new Set([new Stranger()])],
    ]) {
      const error = thrown(() => roundTrip([record, record]));
      expect(error.code).toBe("CLASS_NOT_TRAVELLING");
      expect(error.fields.class).toBe("Stranger");
    }
    const frame = encodeRecords([new Point(1, 2)], 0, 1, new SchemaTable(), classes);
    expect(frame.length).toBeGreaterThan(0);
  });

  it("includes classes with private members, which nobody can restore", () => {
    expect(thrown(() => roundTrip([new Secret()])).message).toContain("private");
  });

  it("is an error in the process that does not know the class", () => {
    const schemas = new SchemaTable();
    const frame = encodeRecords([new Point(1, 2)], 0, 1, schemas, classes);
    expect(thrown(() => decodeRecords(frame, schemas, noClasses)).code).toBe("CLASS_NOT_TRAVELLING");
  });

  it("does not spoil the frames after it", () => {
    thrown(() => roundTrip(["a", () => 1]));
    expect(roundTrip(["a", "b"]).out).toEqual(["a", "b"]);
  });
});

describe("a large record", () => {
  it("of 100 MB works, ASCII or not, alone or among small ones", () => {
    const text = "0123456789".repeat(10 * 2 ** 20);
    const { out } = roundTrip(["small", text]);
    expect(out[1] === text).toBe(true);
    const wide = `${"x".repeat(50 * 2 ** 20)}ü`;
    expect(roundTrip([["k", wide]]).out).toSatisfy((rows) => (rows as [string, string][])[0]![1] === wide);
  });

  it("beyond 1 GiB is refused", () => {
    // Never touched, so never in memory.
    const bytes = new Uint8Array(2 ** 29);
    const records = [bytes, bytes, bytes];
    expect(thrown(() => encodeRecords(records, 0, 3, new SchemaTable(), noClasses)).code).toBe("RECORD_TOO_LARGE");
    expect(thrown(() => encodeRecords([records], 0, 1, new SchemaTable(), noClasses)).code).toBe("RECORD_TOO_LARGE");
  });
});

function thrown(run: () => unknown): { code: string; message: string; fields: Record<string, unknown> } {
  try {
    run();
  } catch (error) {
    if (isMillraceError(error)) return error as never;
    throw error;
  }
  throw new Error("nothing was thrown");
}
