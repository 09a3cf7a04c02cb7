// Keys are numbered by first occurrence, equal ones alike, whatever they are and however many there are.

import fc from "fast-check";
import { expect, test } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { keysEqual } from "../../src/codec/keys.js";
import { KeyIndex } from "../../src/operators/combine/key-index.js";

const characters = fc.constantFrom("a", "b", "\u0000", "\u00ff", "\u0100", "é", "😀");
const key = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 0.5, Number.NaN, Infinity, null, undefined, true, 1n),
  fc.string({ unit: characters, maxLength: 20 }),
  fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 2 }),
  fc.record({ a: fc.integer({ min: 0, max: 1 }), b: fc.string({ unit: characters, maxLength: 1 }) }),
);

test("a key has the number of the first equal one", () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      const index = new KeyIndex(noClasses);
      const known: unknown[] = [];
      for (const one of keys) {
        const found = known.findIndex((other) => keysEqual(other, one));
        expect(index.numberOf(one)).toBe(found < 0 ? known.push(one) - 1 : found);
      }
      expect(index.keys).toEqual(known);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ["integers near and far", (i: number) => (i % 2 === 0 ? i : Math.imul(i, 0x9e3779b1))],
  ["strings of every length up to 20", (i: number) => `${i}${"x".repeat(20)}`.slice(0, Math.max(6, i % 21))],
  ["strings that differ only where one word ends", (i: number) => `${"y".repeat(i % 4)}\u0000${String(i)}`],
  ["strings beyond latin1", (i: number) => `ж${i}`],
  ["doubles", (i: number) => i + 0.5],
])("200,000 %s, each seen twice, keep their numbers while the table grows", (_, make) => {
  const index = new KeyIndex(noClasses);
  const model = new Map<unknown, number>();
  for (const round of [0, 1]) {
    for (let i = 0; i < 200_000; i++) {
      const one = make(i);
      if (!model.has(one)) model.set(one, model.size);
      const number = index.numberOf(one);
      if (number !== model.get(one)) expect([round, i, number]).toEqual([round, i, model.get(one)]);
    }
  }
  expect(index.keys).toHaveLength(model.size);
});

test("what cannot be a key is refused and leaves nothing behind", () => {
  const index = new KeyIndex(noClasses);
  class Unknown {}
  expect(() => index.numberOf(new Map())).toThrow(/INVALID_KEY|a key/);
  expect(() => index.numberOf(new Unknown())).toThrow(/INVALID_KEY|a key/);
  expect(index.keys).toEqual([]);
  expect(index.numberOf("next")).toBe(0);
});
