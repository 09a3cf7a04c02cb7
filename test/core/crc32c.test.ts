import { crc32c as oracle } from "@node-rs/crc32";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c, crc32cByTables } from "../../src/core/crc32c.js";

describe("crc32c", () => {
  it("gives the value that RFC 3720 names for nine digits", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  });

  it("agrees with @node-rs/crc32 below and above the length where it takes over", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), fc.nat(20), fc.nat(20), (bytes, head, tail) => {
        const start = Math.min(head, bytes.length);
        const end = Math.max(start, bytes.length - tail);
        const expected = oracle(bytes.slice(start, end)) >>> 0;
        expect(crc32c(bytes, start, end)).toBe(expected);
        expect(crc32cByTables(bytes, start, end)).toBe(expected);
      }),
    );
  });

  it("continues an earlier checksum, by either way", () => {
    const bytes = Buffer.alloc(1000, "millrace");
    for (const cut of [0, 1, 7, 255, 256, 500, 999, 1000]) {
      expect(crc32c(bytes, cut, 1000, crc32c(bytes, 0, cut))).toBe(crc32c(bytes));
      expect(crc32cByTables(bytes, cut, 1000, crc32cByTables(bytes, 0, cut))).toBe(crc32c(bytes));
    }
  });
});
