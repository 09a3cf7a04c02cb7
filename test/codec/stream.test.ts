import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { estimateBytes, MAX_BATCH_BYTES } from "../../src/codec/estimate.js";
import {
  decodeStream,
  decodeStreamBatches,
  decodeValue,
  encodeValue,
  RecordStreamWriter,
} from "../../src/codec/stream.js";
import { isMillraceError } from "../../src/core/errors.js";

describe("a record stream", () => {
  it("carries records of any kind through self-contained bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.jsonValue()), { maxLength: 5 }), (batches) => {
        const writer = new RecordStreamWriter(noClasses, { compress: true });
        for (const batch of batches) writer.addBatch(batch);
        expect(decodeStream(writer.finish(), noClasses)).toStrictEqual(batches.flat());
      }),
    );
  });

  it("cuts batches at 64 Ki rows and at about 4 MiB", () => {
    const many = new RecordStreamWriter(noClasses);
    for (let i = 0; i < 150_000; i++) many.add(i);
    expect([...decodeStreamBatches(many.finish(), noClasses)].map((batch) => batch.length)).toEqual([
      65_536, 65_536, 18_928,
    ]);
    const wide = new RecordStreamWriter(noClasses);
    for (let i = 0; i < 10; i++) wide.add("x".repeat(MAX_BATCH_BYTES / 4));
    expect(wide.encodedBytes).toBeGreaterThan(MAX_BATCH_BYTES);
    expect([...decodeStreamBatches(wide.finish(), noClasses)].map((batch) => batch.length)).toEqual([4, 4, 2]);
  });

  it("is cut the same whether records come one by one or by the batch", () => {
    const records = Array.from({ length: 70_000 }, (_, i) => `record ${i}`.repeat(i % 20));
    const one = new RecordStreamWriter(noClasses);
    for (const record of records) one.add(record);
    const all = new RecordStreamWriter(noClasses);
    all.addBatch(records.slice(0, 1000));
    all.addBatch(records.slice(1000));
    expect(Buffer.compare(one.finish(), all.finish())).toBe(0);
  });

  it("may be empty", () => {
    expect(decodeStream(new RecordStreamWriter(noClasses).finish(), noClasses)).toEqual([]);
  });

  it("refuses what is cut or something else", () => {
    const bytes = encodeValue({ a: [1, 2, 3], b: "text" }, noClasses);
    for (let length = 0; length < bytes.length; length++) {
      expect(
        codeOf(() => decodeValue(bytes.subarray(0, length), noClasses)),
        `cut at ${length}`,
      ).toBe("BLOCK_CORRUPT");
    }
    expect(codeOf(() => decodeStream(Buffer.from("not a stream at all"), noClasses))).toBe("BLOCK_CORRUPT");
  });
});

describe("one value", () => {
  it("comes back as it was, undefined too", () => {
    for (const value of [undefined, null, 0, -0, "", "x", [1, [2]], { a: undefined }, new Map([[1, 2]]), new Date(3)]) {
      expect(decodeValue(encodeValue(value, noClasses), noClasses)).toStrictEqual(value);
    }
  });
});

describe("the estimate of a record's size", () => {
  it("depends on the record alone and grows with it", () => {
    fc.assert(
      fc.property(
        fc.anything({ withMap: true, withSet: true, withTypedArray: true }),
        (value) => estimateBytes(value) >= 1,
      ),
    );
    expect(estimateBytes("x".repeat(1000))).toBeGreaterThanOrEqual(1000);
    expect(estimateBytes(["k", "x".repeat(1000)])).toBeGreaterThanOrEqual(1000);
    expect(estimateBytes(new Uint8Array(5000))).toBeGreaterThanOrEqual(5000);
    expect(estimateBytes(Array.from({ length: 1000 }, (_, i) => i))).toBeGreaterThanOrEqual(8000);
    expect(estimateBytes(new Map([["a", "x".repeat(500)]]))).toBeGreaterThanOrEqual(500);
  });

  it("ends on cyclic records", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    expect(estimateBytes(cyclic)).toBeGreaterThan(0);
  });
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isMillraceError(error)) return error.code;
    throw error;
  }
  return "nothing was thrown";
}
