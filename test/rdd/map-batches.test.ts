// mapBatches on the engine: functions that use apache-arrow themselves, by either way of importing it, and what is said of
// answers that are wrong. That records come through unchanged is a property of test/properties; conversions are test/codec/arrow.

import * as arrow from "apache-arrow";
import { makeTable, RecordBatch, Schema, Table, vectorFromArray } from "apache-arrow";
import { beforeAll, describe, expect, test } from "vitest";
import type { BatchResult } from "../../src/rdd/rdd.js";
import { type Session, sessions } from "../support/engine.js";

const engine = sessions();
let session: Session;

describe.each(["local", "local[2]", "local-cluster[1,1,256m]"])("on %s", (master) => {
  beforeAll(async () => {
    session = await engine.open(master);
  }, 30_000);
  const people = () =>
    session.range(0, 25, 1, 2).map((n) => ({ name: `p${n}`, age: n % 5 === 0 ? null : n, born: new Date(n * 1000) }));

  test("a function makes tables with apache-arrow as the program imports it", async () => {
    const doubled = people().mapBatches<{ name: string; twice: number }>(
      (batch) => {
        const names = batch.getChild("name") as arrow.Vector;
        const ages = [...(batch.getChild("age") as arrow.Vector)].map((age) => (age ?? -1) * 2);
        return new Table({ name: names, twice: vectorFromArray(ages, new arrow.Float64()) });
      },
      { batchSize: 4 },
    );
    const all = await doubled.collect();
    expect(all).toHaveLength(25);
    expect(all.slice(0, 3)).toEqual([
      { name: "p0", twice: -2 },
      { name: "p1", twice: 2 },
      { name: "p2", twice: 4 },
    ]);
  });

  test("batches have at most as many rows as asked for, and partitions do not share one", async () => {
    const rows = people().mapBatches<{ n: number }>((batch) => makeTable({ n: new Float64Array([batch.numRows]) }), {
      batchSize: 5,
    });
    expect((await rows.collect()).map(({ n }) => n)).toEqual([5, 5, 2, 5, 5, 3]);
    const one = people().mapBatches<{ n: number }>((batch) => makeTable({ n: new Float64Array([batch.numRows]) }));
    expect((await one.collect()).map(({ n }) => n)).toEqual([12, 13]);
  });

  test("what the function gets is a RecordBatch for the program's own instanceof; it may answer by an async generator", async () => {
    const told = people().mapBatches<{ is: boolean }>(async function* (batch) {
      yield new Table({ is: vectorFromArray([batch instanceof RecordBatch, batch.schema instanceof Schema]) });
      yield new Table({ is: vectorFromArray([new Table(batch).numRows === batch.numRows]) });
    });
    expect((await told.collect()).map(({ is }) => is)).toEqual([true, true, true, true, true, true]);
  });

  test("no record is no call", async () => {
    const none = session.parallelize<{ a: number }>([], 3).mapBatches((batch) => {
      throw new Error(`called with ${batch.numRows}`);
    });
    expect(await none.collect()).toEqual([]);
  });
});

describe("wrong answers", () => {
  beforeAll(async () => {
    session = await engine.open("local[1]");
  }, 30_000);

  const failure = async (fn: (batch: RecordBatch) => unknown, records: readonly unknown[] = [{ a: 1 }, { a: 2 }]) => {
    const made = session
      .parallelize(records, 1)
      .mapBatches(fn as (batch: RecordBatch) => BatchResult, { batchSize: 1 });
    const error = (await made.collect().catch((thrown: unknown) => thrown)) as Error & { code?: string };
    const cause = error.cause as Error & { code?: string };
    return `${cause.code}: ${cause.message}`;
  };

  test("that are no batches", async () => {
    const expected =
      /^WRONG_SHAPE: the function of mapBatches at map-batches\.test\.ts:\d+:\d+ must return an Arrow RecordBatch, a Table, or an iterable of these, but in partition 0 it returned/;
    expect(await failure(() => undefined)).toMatch(expected);
    expect(await failure(() => 7)).toMatch(expected);
    expect(await failure(() => [{ a: 1 }])).toMatch(expected);
    expect(await failure((batch) => batch.getChild("a"))).toMatch(expected);
    expect(await failure(async () => "text")).toMatch(expected);
  });

  test("whose columns differ from one batch to the next", async () => {
    expect(
      await failure((batch) =>
        (batch.getChild("a") as arrow.Vector).get(0) === 1
          ? new Table({ x: vectorFromArray([true]) })
          : new Table({ y: vectorFromArray([true]) }),
      ),
    ).toMatch(/WRONG_SHAPE: mapBatches at .*columns \(y: Bool\), after one with \(x: Bool\)/);
  });

  test("records that fit no column name the record, the column and the operator", async () => {
    expect(await failure((batch) => batch, [{ a: 1 }, { a: "x" }])).toMatch(
      /WRONG_SHAPE: mapBatches at .*record 1 of the partition has a value of type string in column a, where number or null/,
    );
  });

  test("what the function throws comes as of any other", async () => {
    expect(
      await failure(() => {
        throw new RangeError("no");
      }),
    ).toBe("undefined: no");
  });

  test("arguments are checked at the call", () => {
    const refused = (options: unknown, message: string) =>
      expect(() => session.range(1).mapBatches((batch) => batch, options as never)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
      );
    refused({ batchSize: 0 }, "options.batchSize must be an integer from 1 to");
    refused({ columns: {} }, "options.columns must be an object such as");
    refused({ columns: { a: "float" } }, 'options.columns.a must be "number", "bigint"');
    refused(7, "options must be an object");
    expect(() => session.range(1).mapBatches("f" as never)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
