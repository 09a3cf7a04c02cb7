import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { frameRows, nextFrame, readFrameHeader, splitFrames } from "../../src/codec/frame.js";
import { decodeRecords, encodeRecords } from "../../src/codec/records.js";
import { SchemaTable } from "../../src/codec/schema.js";
import { isMillraceError } from "../../src/core/errors.js";

const schemas = new SchemaTable();
const encode = (records: readonly unknown[], compress = false): Uint8Array =>
  encodeRecords(records, 0, records.length, schemas, noClasses, { compress });
const decode = (frame: Uint8Array): unknown[] => decodeRecords(frame, schemas, noClasses);

describe("frames", () => {
  it("are self-delimiting: concatenated ones split again, at any place in memory", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.oneof(fc.string(), fc.double()), { maxLength: 20 }), { maxLength: 8 }),
        fc.nat(9),
        (batches, shift) => {
          const joined = Buffer.concat([Buffer.alloc(shift), ...batches.map((batch) => encode(batch))]).subarray(shift);
          const frames = splitFrames(joined);
          expect(frames.map(decode)).toStrictEqual(batches);
          expect(frames.map((frame) => frameRows(frame))).toEqual(batches.map((batch) => batch.length));
        },
      ),
    );
  });

  it("end where the bytes do", () => {
    expect(nextFrame(new Uint8Array(0), 0)).toBeNull();
    const frame = encode(["a"]);
    expect(frame.length % 8).toBe(0);
    expect(nextFrame(frame, 0)).toEqual({ frame, next: frame.length });
    expect(nextFrame(frame, frame.length)).toBeNull();
  });

  it("of ten pairs take little more than their content", () => {
    const pairs = Array.from({ length: 10 }, (_, i) => [`word${i}`, i]);
    // 24 header, 44 offsets, 50 characters, 2 padding, 10 integers, 6 padding.
    expect(encode(pairs).length).toBe(136);
  });

  it("are compressed from 4 KiB on, where asked and where it pays", () => {
    const words = Array.from({ length: 3000 }, (_, i) => `word number ${i % 50}`);
    const plain = encode(words);
    const packed = encode(words, true);
    expect(readFrameHeader(plain).compressed).toBe(false);
    expect(readFrameHeader(packed)).toMatchObject({ compressed: true, rows: 3000 });
    expect(packed.length).toBeLessThan(plain.length / 4);
    expect(packed.length % 8).toBe(0);
    expect(decode(packed)).toEqual(words);
    expect(readFrameHeader(encode(words.slice(0, 100), true)).compressed).toBe(false);
    const noise = [Uint8Array.from({ length: 9000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)];
    for (let k = 0; k < 9000; k++) noise[0]![k] = (noise[0]![k]! ^ (Math.imul(k * k + 7, 0x85ebca6b) >>> 21)) & 255;
    expect(decode(encode(noise, true))).toEqual(noise);
  });

  it.each([false, true])("refuse every single changed byte and every cut (compressed: %s)", (compress) => {
    const records = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    const frame = encode(records, compress);
    const step = Math.ceil(frame.length / 500);
    for (let at = 0; at < frame.length; at += at < 64 ? 1 : step) {
      const broken = Uint8Array.from(frame);
      broken[at] = broken[at]! ^ (1 << (at & 7));
      expect(
        codeOf(() => decode(broken)),
        `byte ${at}`,
      ).toBe("BLOCK_CORRUPT");
    }
    for (const length of [0, 1, 4, 23, 24, 100, frame.length - 8, frame.length - 1]) {
      expect(
        codeOf(() => decode(frame.subarray(0, length))),
        `cut at ${length}`,
      ).toBe("BLOCK_CORRUPT");
      if (length > 0) expect(codeOf(() => splitFrames(frame.subarray(0, length)))).toBe("BLOCK_CORRUPT");
    }
  });

  it("refuse a schema number that their table does not have", () => {
    const frame = encode([["a", 1]]);
    expect(codeOf(() => decodeRecords(frame, new SchemaTable(), noClasses))).toBe("BLOCK_CORRUPT");
  });
});

describe("a schema table", () => {
  it("gives equal schemas one number and travels as bytes", () => {
    const table = new SchemaTable();
    const first = table.internText('["tuple","ascii","i8"]');
    expect(table.intern({ text: '["tuple","ascii","i8"]', root: ["tuple", "ascii", "i8"] })).toBe(first);
    expect(table.internText('"f64"')).toBe(1);
    const copy = SchemaTable.fromBytes(table.toBytes());
    expect(copy.size).toBe(2);
    expect(copy.get(0)).toEqual({ text: '["tuple","ascii","i8"]', root: ["tuple", "ascii", "i8"] });
    expect(copy.internText('"f64"')).toBe(1);
  });

  it("refuses bytes that are none", () => {
    for (const text of ["", "{", "{}", "[1,2", "7"]) {
      expect(codeOf(() => SchemaTable.fromBytes(Buffer.from(text)))).toBe("BLOCK_CORRUPT");
    }
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
