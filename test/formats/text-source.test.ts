import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noClasses } from "../../src/codec/class-registry.js";
import { pathToUrl } from "../../src/emrfs/url.js";
import { openGzipInput, openPlainInput } from "../../src/formats/byte-input.js";
import { openSplit } from "../../src/formats/open-split.js";
import { firstInvalidByte, TextSource, textInputStart } from "../../src/formats/text-source.js";
import type { LineForm } from "../../src/plan/lineage.js";
import { scratchDirectory } from "../support/scratch.js";

const root = scratchDirectory();
let files = 0;

function pinned(content: string | Uint8Array) {
  const path = join(root, `t${files++}`);
  writeFileSync(path, content);
  const { size, mtimeMs } = statSync(path);
  return { path, url: pathToUrl(path), fileSize: size, modifiedMs: Math.floor(mtimeMs) };
}

/** Lines by the plain definition: "\n" ends one, a "\r" before it belongs to the end. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  const rest = lines.pop()!;
  return [...lines.map((line) => line.replace(/\r$/, "")), ...(rest === "" ? [] : [rest])];
}

function readSplit(
  file: ReturnType<typeof pinned>,
  start: number,
  end: number,
  chunkBytes: number,
  form: LineForm = {},
): string[] {
  const source = new TextSource(openPlainInput(file, textInputStart(start)), { start, end }, form, chunkBytes);
  const lines: string[] = [];
  for (let batch = source.next(); batch !== null; batch = source.next()) {
    expect(batch.length).toBeGreaterThan(0);
    expect(batch.length).toBeLessThanOrEqual(1024);
    lines.push(...batch);
  }
  source.close();
  return lines;
}

function readGzip(bytes: Uint8Array, inOnePiece = false): string[] {
  const file = pinned(bytes);
  const split = { kind: "file", start: 0, length: file.fileSize, compression: "gzip", ...file } as const;
  const source = inOnePiece
    ? new TextSource(openGzipInput(file, true), { start: 0, end: Number.POSITIVE_INFINITY })
    : openSplit({ kind: "text" }, split, noClasses);
  const lines: string[] = [];
  try {
    for (let batch = source.next(); batch !== null; batch = source.next()) lines.push(...(batch as string[]));
  } finally {
    source.close();
  }
  return lines;
}

describe("any bytes as latin1", () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).chain((all) =>
    // More line ends than chance gives, and no byte order mark.
    fc.array(fc.nat(299), { maxLength: 40 }).map((ends) => {
      for (const at of ends) if (at < all.length) all[at] = at % 3 === 0 ? 13 : 10;
      if (all[0] === 0xef) all[0] = 65;
      return all;
    }),
  );

  it("gives the file's own bytes back with their line ends, whatever the splits", () => {
    fc.assert(
      fc.property(
        bytes,
        fc.array(fc.nat(299), { maxLength: 5 }),
        fc.integer({ min: 4, max: 64 }),
        (all, cuts, chunk) => {
          const file = pinned(all);
          const borders = [0, file.fileSize, ...cuts.map((cut) => cut % (file.fileSize + 1))].sort((a, b) => a - b);
          const read = (form: LineForm) =>
            borders
              .slice(1)
              .flatMap((end, i) => (end > borders[i]! ? readSplit(file, borders[i]!, end, chunk, form) : []));
          const text = Buffer.from(all).toString("latin1");
          const whole = read({ encoding: "latin1", keepEnds: true });
          expect(whole.join("")).toBe(text);
          expect(whole.slice(0, -1).every((line) => line.indexOf("\n") === line.length - 1)).toBe(true);
          expect(read({ encoding: "latin1" })).toEqual(linesOf(text));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is INVALID_TEXT where it was not asked for, and line ends stay in UTF-8 too", () => {
    const file = pinned(Uint8Array.of(65, 0xff, 10));
    expect(() => readSplit(file, 0, 3, 64)).toThrow("is not UTF-8 text: byte 1");
    const text = "é\r\n日本\nx";
    expect(readSplit(pinned(text), 0, Buffer.byteLength(text), 64, { keepEnds: true })).toEqual([
      "é\r\n",
      "日本\n",
      "x",
    ]);
  });
});

describe("TextSource", () => {
  it("cuts any text at any split borders and chunk sizes into the same lines", () => {
    const piece = fc.constantFrom("a", "\n", "\r\n", "\r", "é", "日本", "😀", "word ", "\n\n", "x".repeat(40));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 60 }),
        fc.array(fc.nat(1000), { maxLength: 5 }),
        fc.integer({ min: 4, max: 64 }),
        (pieces, cuts, chunkBytes) => {
          const text = pieces.join("");
          const file = pinned(text);
          const borders = [0, file.fileSize, ...cuts.map((cut) => cut % (file.fileSize + 1))].sort((a, b) => a - b);
          const lines = borders
            .slice(1)
            .flatMap((end, i) => (end > borders[i]! ? readSplit(file, borders[i]!, end, chunkBytes) : []));
          expect(lines).toEqual(linesOf(text));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("reads long texts of short, long and mixed lines in every split", () => {
    for (const make of [
      (i: number) => "abc".slice(0, i % 4),
      (i: number) => `line ${i} ${"x".repeat(i % 90)}`,
      (i: number) => (i % 7 === 0 ? `ü${i}` : `plain ${i}`),
      (i: number) => (i % 1000 < 500 ? String(i) : "y".repeat(80)),
    ]) {
      const text = Array.from({ length: 30_000 }, (_, i) => make(i)).join("\r\n");
      const file = pinned(text);
      const third = Math.floor(file.fileSize / 3);
      const lines = [
        ...readSplit(file, 0, third, 65536),
        ...readSplit(file, third, third + 1, 65536),
        ...readSplit(file, third + 1, file.fileSize, 65536),
      ];
      expect(lines).toEqual(linesOf(text));
    }
  });

  it("gives a line to the split in which it begins, however long it is", () => {
    const long = "z".repeat(3_000_000);
    const file = pinned(`first\n${long}\nlast\n`);
    expect(readSplit(file, 0, 6, 1024)).toEqual(["first"]);
    expect(readSplit(file, 6, 7, 1024)).toEqual([long]);
    expect(readSplit(file, 7, 2_000_000, 1024)).toEqual([]);
    expect(readSplit(file, 2_000_000, file.fileSize, 1024)).toEqual(["last"]);
  });

  it("reads one line of 100 MB", () => {
    const file = pinned(Buffer.alloc(100_000_000, "q"));
    const lines = readSplit(file, 0, file.fileSize, 256 * 1024);
    expect(lines.length).toBe(1);
    expect(lines[0]!.length).toBe(100_000_000);
  });

  it("drops a byte order mark at the file's start only", () => {
    expect(readSplit(pinned("\ufeffa\n\ufeffb"), 0, 9, 64)).toEqual(["a", "\ufeffb"]);
    expect(readSplit(pinned("\ufeff"), 0, 3, 64)).toEqual([]);
    expect(readSplit(pinned("\xef"), 0, 2, 64)).toEqual(["ï"]);
  });

  it("names file and byte of what is not UTF-8", () => {
    const bytes = Buffer.concat([Buffer.from("good\n".repeat(20)), Buffer.from([0x61, 0xff, 0x62, 0x0a])]);
    const file = pinned(bytes);
    expect(() => readSplit(file, 0, bytes.length, 64)).toThrow(
      expect.objectContaining({ code: "INVALID_TEXT", fields: { path: file.path, offset: 101 } }),
    );
    const cut = pinned(Buffer.from([0x61, 0xe6, 0x97]));
    expect(() => readSplit(cut, 0, 3, 64)).toThrow(expect.objectContaining({ code: "INVALID_TEXT" }));
    expect(firstInvalidByte(Buffer.from([0x61, 0x62, 0xc0, 0x80]))).toBe(2);
  });

  it("finds a file that changed before or during the reading", () => {
    const file = pinned("a\nb\n");
    const source = new TextSource(openPlainInput(file, 0), { start: 0, end: 4 });
    appendFileSync(file.path, "c\n");
    expect(() => {
      while (source.next() !== null);
    }).toThrow(expect.objectContaining({ code: "FILE_CHANGED" }));
    source.close();
    expect(() => openPlainInput(file, 0)).toThrow(expect.objectContaining({ code: "FILE_CHANGED" }));
  });
});

describe("gzip", () => {
  const text = Array.from({ length: 50_000 }, (_, i) => `${i} ${Math.sqrt(i)} ${i % 5 === 0 ? "é" : "e"}`).join("\n");

  it("reads one member, many members and members that end anywhere", () => {
    expect(readGzip(gzipSync(text))).toEqual(linesOf(text));
    const bytes = Buffer.from(text);
    const members: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 1 + Math.floor(bytes.length / 37)) {
      members.push(gzipSync(bytes.subarray(at, at + 1 + Math.floor(bytes.length / 37))));
    }
    expect(readGzip(Buffer.concat(members))).toEqual(linesOf(text));
    expect(readGzip(Buffer.concat([gzipSync(""), gzipSync("a\n"), gzipSync("")]))).toEqual(["a"]);
  });

  it("reads what inflates to much more than a chunk", () => {
    const big = `${"0".repeat(999)}\n`.repeat(5000);
    expect(readGzip(gzipSync(big)).length).toBe(5000);
    const incompressible = Buffer.from(readFileSync(process.execPath).subarray(0, 3_000_000).toString("base64"));
    expect(readGzip(gzipSync(incompressible))[0]!.length).toBe(4_000_000);
  });

  it("reads the same in one piece", () => {
    expect(readGzip(Buffer.concat([gzipSync(text), gzipSync("\nmore")]), true)).toEqual(linesOf(`${text}\nmore`));
    expect(() => readGzip(gzipSync(text).subarray(0, 100), true)).toThrow(
      expect.objectContaining({ code: "INVALID_FILE" }),
    );
  });

  it("refuses what is cut, damaged or no gzip", () => {
    const zipped = gzipSync(text);
    const damaged = Buffer.from(zipped);
    damaged[damaged.length - 7]! ^= 0x55;
    for (const bytes of [
      zipped.subarray(0, zipped.length - 5),
      damaged,
      Buffer.from("plain text\n"),
      Buffer.from("\x1f"),
    ]) {
      expect(() => readGzip(bytes)).toThrow(expect.objectContaining({ code: "INVALID_FILE" }));
    }
  });
});
