import fc from "fast-check";
import murmurhash from "murmurhash3js-revisited";
import { describe, expect, it } from "vitest";
import { murmur3, murmur3String } from "../../src/core/murmur3.js";

describe("murmur3_x86_32", () => {
  it("agrees with an independent implementation on bytes and seeds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.integer({ min: 0, max: 0xffffffff }), (bytes, seed) => {
        expect(murmur3(bytes, seed)).toBe(murmurhash.x86.hash32(bytes, seed));
      }),
    );
  });

  it("hashes a slice as it hashes a copy of it", () => {
    const bytes = Buffer.from("the quick brown fox jumps");
    expect(murmur3(bytes, 7, 4, 15)).toBe(murmur3(Uint8Array.from(bytes.subarray(4, 15)), 7));
  });

  it("hashes a string as its UTF-8 bytes, without making them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.nat(), (text, seed) => {
        expect(murmur3String(text, seed)).toBe(murmur3(Buffer.from(text, "utf8"), seed));
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 40 }), (text) => {
        expect(murmur3String(text)).toBe(murmur3(Buffer.from(text, "utf8")));
      }),
    );
  });

  it("hashes texts of any length beyond ASCII", () => {
    for (const length of [1000, 1023, 1024, 1025, 100_000]) {
      for (const text of ["é".repeat(length), `${"a".repeat(length)}日`, "😀".repeat(length)]) {
        expect(murmur3String(text, 5)).toBe(murmur3(Buffer.from(text, "utf8"), 5));
      }
    }
  });

  it("keeps ill-formed strings apart that Buffer.from would merge", () => {
    expect(murmur3String("\ud800")).not.toBe(murmur3String("\ud801"));
    expect(murmur3String("ab\udc00")).not.toBe(murmur3String("ab\ufffd"));
  });
});
