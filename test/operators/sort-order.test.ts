import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys } from "../../src/codec/keys.js";
import { sortedOrder } from "../../src/operators/sort/key-order-index.js";
import { LoserTree } from "../../src/operators/sort/loser-tree.js";

function model(keys: readonly unknown[], descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  return keys.map((_, i) => i).sort((a, b) => sign * compareKeys(keys[a], keys[b]) || a - b);
}

const anyString = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", "b", "\0", "é", "￿", "😀", "\ud800"), maxLength: 14 }),
  fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 20 }).map((tail) => `a common beginning ${tail}`),
);

describe("the order of a column of keys", () => {
  test.each([
    ["numbers", fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, Number.NaN, 1 / 0, -1 / 0))],
    ["strings", anyString],
    [
      "anything",
      fc.oneof(anyString, fc.integer(), fc.boolean(), fc.constant(null), fc.bigInt(), fc.array(fc.integer())),
    ],
  ] as const)("of %s is the stable order by comparing", (_name, key) => {
    fc.assert(
      fc.property(fc.array(key as fc.Arbitrary<unknown>, { maxLength: 300 }), fc.boolean(), (keys, descending) => {
        // Repeated, so that ties and the larger paths occur.
        const many = [...keys, ...keys.slice(0, 100), ...keys.slice(50)];
        expect([...sortedOrder(many, many.length, descending)]).toEqual(model(many, descending));
      }),
      { numRuns: 150 },
    );
  });

  test("of many rows uses wide digits with the same result", () => {
    const keys = Array.from({ length: 40_000 }, (_, i) => `${(i * 7919) % 10_007}-${i % 13}`);
    expect([...sortedOrder(keys, keys.length, false)]).toEqual(model(keys, false));
  });
});

test("a loser tree merges sorted inputs, the earlier input first among equals", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 }), { maxLength: 12 }), (lists) => {
      const inputs = lists.map((list, input) => {
        const sorted = [...list].sort((a, b) => a - b);
        let at = 0;
        return {
          input,
          get live() {
            return at < sorted.length;
          },
          get key() {
            return sorted[at];
          },
          advance: () => at++,
        };
      });
      const tree = new LoserTree(inputs, (a, b) => (a as number) - (b as number));
      const merged: [number, number][] = [];
      for (let winner = tree.winner; winner !== null; winner = tree.winner) {
        merged.push([winner.key as number, winner.input]);
        winner.advance();
        tree.replay();
      }
      const expected = lists
        .flatMap((list, input) => list.map((key): [number, number] => [key, input]))
        .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      expect(merged).toEqual(expected);
    }),
  );
});
