import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Checksum } from "../../src/codec/checksum.js";
import { noClasses } from "../../src/codec/class-registry.js";
import { encodePairs } from "../../src/codec/pairs.js";
import { encodeRecords } from "../../src/codec/records.js";
import { SchemaTable } from "../../src/codec/schema.js";

function checksumOf(...batches: readonly (readonly unknown[])[]): string {
  const checksum = new Checksum();
  const schemas = new SchemaTable();
  for (const batch of batches) encodeRecords(batch, 0, batch.length, schemas, noClasses, { checksum });
  return checksum.toString();
}

const record = fc.oneof(
  fc.tuple(
    fc.string({ unit: "binary", maxLength: 9 }),
    fc.oneof(fc.integer(), fc.double(), fc.constantFrom(null, undefined, "x", -0)),
  ),
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withTypedArray: true,
    withNullPrototype: true,
    maxDepth: 2,
  }),
  fc.record({ a: fc.option(fc.integer()), b: fc.array(fc.double(), { maxLength: 3 }) }),
  fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
);

describe("the checksum of a map output", () => {
  it("depends neither on order nor on how records are cut into frames", () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 20 }),
        fc.nat(20),
        fc.infiniteStream(fc.nat()),
        (records, at, order) => {
          const cut = Math.min(at, records.length);
          const whole = checksumOf(records);
          expect(checksumOf(records.slice(0, cut), records.slice(cut))).toBe(whole);
          const shuffled = records
            .map((value) => ({ value, rank: order.next().value as number }))
            .sort((a, b) => a.rank - b.rank);
          expect(checksumOf(shuffled.map(({ value }) => value))).toBe(whole);
          expect(checksumOf(...records.map((value) => [value]))).toBe(whole);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("changes with one value, one type, one missing or doubled record, and with values that change places", () => {
    const base: unknown[] = Array.from({ length: 100 }, (_, i) => [`key ${i}`, i]);
    const variants: unknown[][] = [
      base,
      base.slice(1),
      [...base, base[0]],
      [...base, base[0], base[0]],
      base.with(7, ["key 7", 8]),
      base.with(7, ["key 7", "7"]),
      base.with(7, ["key 7", 7n]),
      base.with(7, ["key 7", null]),
      base.with(7, ["key 7", [7]]),
      base.with(7, ["key 8", 7]).with(8, ["key 7", 8]),
      base.with(0, ["key 0", -0]),
    ];
    expect(new Set(variants.map((variant) => checksumOf(variant))).size).toBe(variants.length);
    expect(checksumOf([])).toBe("0");
  });

  it("is the same for pairs and for the records they are", () => {
    const checksum = new Checksum();
    encodePairs(["a", "b"], new Float64Array([1, 2.5]), 0, 2, new SchemaTable(), noClasses, { checksum });
    expect(checksum.toString()).toBe(
      checksumOf([
        ["b", 2.5],
        ["a", 1],
      ]),
    );
  });

  it("adds up", () => {
    const one = new Checksum();
    const two = new Checksum();
    encodeRecords(["a"], 0, 1, new SchemaTable(), noClasses, { checksum: one });
    encodeRecords(["b"], 0, 1, new SchemaTable(), noClasses, { checksum: two });
    one.add(two);
    expect(one.toString()).toBe(checksumOf(["a", "b"]));
  });
});
