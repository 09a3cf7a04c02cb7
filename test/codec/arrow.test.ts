// Records to Arrow record batches and back, by the buffers that are built for it; checked against apache-arrow's own reading.

import * as arrow from "apache-arrow";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ColumnKind } from "../../src/codec/arrow/column-data.js";
import { recordsOf, schemaText } from "../../src/codec/arrow/from-batch.js";
import { BatchEncoder } from "../../src/codec/arrow/to-batch.js";

const values: Readonly<Record<ColumnKind, fc.Arbitrary<unknown>>> = {
  number: fc.double(),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  string: fc.string({ unit: "grapheme", maxLength: 12 }),
  boolean: fc.boolean(),
  date: fc.date({ noInvalidDate: true }),
  bytes: fc.uint8Array({ maxLength: 9 }),
};
const kinds = Object.keys(values) as ColumnKind[];
const records = fc
  .dictionary(fc.string({ minLength: 1, maxLength: 4 }).filter(plain), fc.constantFrom(...kinds), {
    minKeys: 1,
    maxKeys: 5,
  })
  .chain((columns) =>
    fc.array(
      fc.record(
        Object.fromEntries(Object.entries(columns).map(([name, kind]) => [name, fc.option(values[kind])])) as Record<
          string,
          fc.Arbitrary<unknown>
        >,
        { noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 40 },
    ),
  );

/** Names of which JavaScript keeps no order, and which would be tuples. */
function plain(name: string): boolean {
  return name !== "__proto__" && !/^\d+$/.test(name);
}

const encode = (all: readonly unknown[], columns: readonly (readonly [string, ColumnKind])[] | null = null) =>
  new BatchEncoder(arrow, columns).encode(all);

test("objects come back equal, in whatever batches they went", () =>
  fc.assert(
    fc.property(records, fc.integer({ min: 1, max: 50 }), (all, rows) => {
      const encoder = new BatchEncoder(arrow, null);
      const back: unknown[] = [];
      for (let at = 0; at < all.length; at += rows)
        back.push(...recordsOf(arrow, encoder.encode(all.slice(at, at + rows))));
      expect(back).toStrictEqual(all);
    }),
  ));

test("tuples come back as tuples; what is missing or undefined is null", () => {
  expect(
    recordsOf(
      arrow,
      encode([
        [1, "a"],
        [null, "b"],
      ]),
    ),
  ).toStrictEqual([
    [1, "a"],
    [null, "b"],
  ]);
  expect(recordsOf(arrow, encode([{ a: 1 }, { b: undefined }, { b: true, a: 2 }]))).toStrictEqual([
    { a: 1, b: null },
    { a: null, b: null },
    { a: 2, b: true },
  ]);
});

test("apache-arrow reads the buffers as it reads its own, after a way through its stream format too", () => {
  const all = [
    { n: 1.5, t: "é", ok: true, at: new Date(86_400_000), big: 2n ** 62n, raw: new Uint8Array([1, 2]) },
    { n: -0, t: "", ok: null, at: null, big: null, raw: new Uint8Array(0) },
  ];
  const batch = encode(all);
  expect(schemaText(batch)).toBe(
    "n: Float64, t: Utf8, ok: Bool, at: Timestamp<MILLISECOND, UTC>, big: Int64, raw: Binary",
  );
  const [read] = arrow.tableFromIPC(arrow.tableToIPC(new arrow.Table(batch))).batches as [arrow.RecordBatch];
  expect(recordsOf(arrow, read)).toStrictEqual(all);
  expect(read.getChild("t")?.toArray()).toEqual(["é", ""]);
});

test("columns that are named leave the others out, and have their type without a value too", () => {
  const batch = encode(
    [{ a: null, b: 1, c: "x" }],
    [
      ["c", "string"],
      ["a", "date"],
    ],
  );
  expect(schemaText(batch)).toBe("c: Utf8, a: Timestamp<MILLISECOND, UTC>");
  expect(recordsOf(arrow, batch)).toStrictEqual([{ c: "x", a: null }]);
});

test("a column of nulls gets its type with its first value, in a later batch", () => {
  const encoder = new BatchEncoder(arrow, null);
  expect(schemaText(encoder.encode([{ a: null }]))).toBe("a: Null");
  expect(schemaText(encoder.encode([{ a: "x" }]))).toBe("a: Utf8");
});

describe("what Arrow types become", () => {
  const table = (columns: Record<string, arrow.Vector>) => new arrow.Table(columns).batches[0] as arrow.RecordBatch;
  const back = (vector: arrow.Vector) =>
    recordsOf(arrow, table({ x: vector })).map((record) => (record as { x: unknown }).x);

  test.each<[string, arrow.Vector, unknown[]]>([
    ["Int32", arrow.vectorFromArray([1, null, 3], new arrow.Int32()), [1, null, 3]],
    ["Int64", arrow.vectorFromArray([1n, 2n], new arrow.Int64()), [1n, 2n]],
    ["Date in days", arrow.vectorFromArray([new Date(86_400_000)], new arrow.DateDay()), [new Date(86_400_000)]],
    ["Dictionary", arrow.vectorFromArray(["a", "b", "a"]), ["a", "b", "a"]],
    ["LargeUtf8", arrow.vectorFromArray(["a"], new arrow.LargeUtf8()), ["a"]],
    [
      "List",
      arrow.vectorFromArray([[1, 2], null, []], new arrow.List(new arrow.Field("item", new arrow.Float64(), true))),
      [[1, 2], null, []],
    ],
    [
      "Struct",
      arrow.vectorFromArray([{ a: 1 }, null], new arrow.Struct([new arrow.Field("a", new arrow.Int8(), true)])),
      [{ a: 1 }, null],
    ],
    ["Null", arrow.vectorFromArray([null, null], new arrow.Null()), [null, null]],
  ])("%s", (_name, vector, expected) => expect(back(vector)).toStrictEqual(expected));

  test("timestamps of any unit", () => {
    const second = arrow.makeVector(
      arrow.makeData({ type: new arrow.TimestampSecond(), length: 1, data: new BigInt64Array([5n]) }),
    );
    const nano = arrow.makeVector(
      arrow.makeData({ type: new arrow.TimestampNanosecond(), length: 1, data: new BigInt64Array([5_000_000n]) }),
    );
    expect([back(second), back(nano)]).toStrictEqual([[new Date(5000)], [new Date(5)]]);
  });

  test("others are refused by name", () => {
    const time = arrow.makeVector(
      arrow.makeData({ type: new arrow.TimeSecond(), length: 1, data: new Int32Array([5]) }),
    );
    expect(() => back(time)).toThrow(
      expect.objectContaining({
        code: "WRONG_SHAPE",
        message:
          "in the record batch that the function gave, column x has the type Time32<SECOND>, which records cannot hold: cast it before",
      }),
    );
  });
});

describe("what does not fit says which record and which column", () => {
  class Point {
    x = 1;
  }
  test.each<[string, readonly unknown[], string]>([
    ["a plain number", [1], "record 0 of the partition has a number, where a plain object or a tuple is needed"],
    ["a class instance", [{ a: 1 }, new Point()], "record 1 of the partition has Point, where a plain object"],
    [
      "a tuple among objects",
      [{ a: 1 }, [1]],
      "record 1 of the partition has a tuple, where the records before are objects",
    ],
    ["another kind", [{ a: 1 }, { a: "x" }], "a value of type string in column a, where number or null is needed"],
    ["a value of no kind", [{ a: new Map() }], "a value of type Map in column a, where number, bigint"],
    [
      "a bigint of 65 bits",
      [{ a: 2n ** 64n }],
      "column a of a record batch: the bigint 18446744073709551616 needs more than 64",
    ],
    ["an invalid date", [{ a: new Date(Number.NaN) }], "column a of a record batch: a Date is no time"],
    ["a longer tuple", [[1, 2], [1]], "a tuple of length 1, where the others have 2"],
  ])("%s", (_name, all, message) =>
    expect(() => encode(all)).toThrow(
      expect.objectContaining({ code: "WRONG_SHAPE", message: expect.stringContaining(message) }),
    ),
  );

  test("a property that the first batch did not have, counted over batches", () => {
    const encoder = new BatchEncoder(arrow, null);
    encoder.encode([{ a: 1 }, { a: 2 }]);
    expect(() => encoder.encode([{ a: 1, b: 2 }])).toThrow(
      "record 2 of the partition has the property b, which no record of the first batch has: name all in options.columns",
    );
  });
});
