import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareKeys, hashKey } from "../../src/codec/keys.js";
import {
  customPartitioner,
  hashPartitioner,
  partitionOfHash,
  rangePartitioner,
  roundRobinPartitioner,
} from "../../src/shuffle/partitioners.js";

const key = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.bigInt(),
  fc.tuple(fc.string(), fc.integer()),
);

describe("hash partitioner", () => {
  it("answers a partition in range, the same for equal keys", () => {
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 5000 }), (k, partitions) => {
        const partition = hashPartitioner(partitions)(k);
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
        expect(hashPartitioner(partitions)(structuredClone(k))).toBe(partition);
      }),
    );
    expect(partitionOfHash(0xffffffff, 1 << 21)).toBe((1 << 21) - 1);
    expect(hashPartitioner(7)(-0)).toBe(hashPartitioner(7)(0));
  });

  it("spreads keys evenly and leaves the hash's low bits free", () => {
    const counts = new Array<number>(16).fill(0);
    const lowBits = new Set<number>();
    const partitionOf = hashPartitioner(16);
    for (let i = 0; i < 16_000; i++) {
      const partition = partitionOf(`key ${i}`);
      counts[partition]!++;
      if (partition === 3) lowBits.add(hashKey(`key ${i}`) & 15);
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
    expect(lowBits.size).toBe(16);
  });

  it("refuses what cannot be a key, with one partition too", () => {
    for (const partitions of [1, 2]) {
      expect(() => hashPartitioner(partitions)(() => 1)).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
    }
  });
});

describe("range partitioner", () => {
  it("puts a key at the first bound that is not below it", () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 20 }), key, fc.boolean(), (bounds, k, ascending) => {
        const sorted = [...bounds].sort(compareKeys);
        const at = sorted.findIndex((bound) => compareKeys(k, bound) <= 0);
        const expected = at < 0 ? sorted.length : at;
        expect(rangePartitioner(sorted, ascending)(k)).toBe(ascending ? expected : sorted.length - expected);
      }),
    );
    const numbers = rangePartitioner([1, 5, 9], true);
    expect([0, 1, 2, 5, 9, 10, Number.NaN, "a", null].map(numbers)).toEqual([0, 0, 1, 1, 2, 3, 3, 3, 0]);
    expect([0, 1, 2, 10].map(rangePartitioner([1, 5, 9], false))).toEqual([3, 3, 2, 0]);
    expect(rangePartitioner([], true)("x")).toBe(0);
  });
});

describe("custom and round robin", () => {
  it("holds a user's partitioner to its promise", () => {
    expect(customPartitioner(4, (k: never) => (k as number) % 4, "f")(7)).toBe(3);
    for (const answer of [4, -1, 1.5, Number.NaN, "1", undefined, null, 1n, Promise.resolve(1)]) {
      expect(() => customPartitioner(4, () => answer, "byCity")(0)).toThrow(
        expect.objectContaining({ code: "WRONG_SHAPE", message: expect.stringContaining("byCity") as string }),
      );
    }
  });

  it("deals records out evenly, from elsewhere for each map", () => {
    const deal = roundRobinPartitioner(3, 5);
    const dealt = Array.from({ length: 9 }, () => deal(null));
    expect([...dealt].sort()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect(new Set(Array.from({ length: 50 }, (_, map) => roundRobinPartitioner(8, map)(null))).size).toBe(8);
  });
});
