// A record stream decoded from pieces of any size gives what decoding it whole gives.

import fc from "fast-check";
import { expect, test } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { RecordStreamWriter } from "../../src/codec/stream.js";
import { RecordStreamReader } from "../../src/codec/stream-reader.js";

function encode(records: readonly unknown[], frames = 1): Uint8Array {
  const writer = new RecordStreamWriter(noClasses);
  for (let i = 0; i < frames; i++) writer.addBatch(records);
  return writer.finish();
}

function readIn(bytes: Uint8Array, size: number): unknown[] {
  const reader = new RecordStreamReader(noClasses);
  const records: unknown[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const batch of reader.push(bytes.subarray(at, at + size))) records.push(...batch);
  }
  reader.end();
  return records;
}

test("pieces of any size", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.double(), fc.dictionary(fc.string(), fc.nat()))),
      fc.integer({ min: 1, max: 500 }),
      (all, size) => {
        expect(readIn(encode(all), size)).toEqual(all);
      },
    ),
  );
});

test("frames are given before the end of the stream is there", () => {
  const text = "x".repeat(3 * 2 ** 20);
  const bytes = encode([text], 4);
  const reader = new RecordStreamReader(noClasses);
  const first = [...reader.push(bytes.subarray(0, bytes.length - 8))];
  expect(first.length).toBeGreaterThan(0);
  expect([...first, ...reader.push(bytes.subarray(bytes.length - 8))].flat()).toEqual([text, text, text, text]);
  reader.end();
});

test("no bytes are an empty stream; a cut one is BLOCK_CORRUPT", () => {
  new RecordStreamReader(noClasses).end();
  expect(readIn(encode([]), 3)).toEqual([]);
  const bytes = encode([1, 2, 3]);
  for (const cut of [1, 9, bytes.length - 1]) {
    expect(() => readIn(bytes.subarray(0, cut), 100)).toThrow(expect.objectContaining({ code: "BLOCK_CORRUPT" }));
  }
  expect(() => readIn(new Uint8Array(64), 64)).toThrow(expect.objectContaining({ code: "BLOCK_CORRUPT" }));
});
