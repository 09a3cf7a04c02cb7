import { describe, expect, it } from "vitest";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../src/core/sizes.js";

const invalid = expect.objectContaining({ code: "INVALID_OPTION" }) as Error;

describe("sizes", () => {
  it.each<[unknown, number]>([
    ["512m", 512 * 2 ** 20],
    ["1g", 2 ** 30],
    ["1.5g", 1.5 * 2 ** 30],
    ["64 KiB", 65_536],
    ["64kb", 65_536],
    ["10B", 10],
    ["2T", 2 ** 41],
    ["1048576", 1_048_576],
    [1_048_576, 1_048_576],
    [0, 0],
  ])("reads %j", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it("reads a number without a unit in the unit that the option has", () => {
    expect(parseBytes("512", { plainUnit: "m" })).toBe(512 * 2 ** 20);
    expect(parseBytes("512b", { plainUnit: "m" })).toBe(512);
    expect(parseBytes("2g", { plainUnit: "m" })).toBe(2 ** 31);
  });

  it.each([
    "",
    "m",
    "1x",
    "1.5",
    "1,5g",
    "-1",
    "1e3",
    "0x10",
    "1 2m",
    "1mm",
    -1,
    1.5,
    Number.NaN,
    null,
    undefined,
    true,
    "99999999t",
  ])("refuses %j", (text) => {
    expect(() => parseBytes(text)).toThrow(invalid);
  });

  it("prints sizes", () => {
    expect([0, 17, 1023, 1024, 1536, 512 * 2 ** 20, 2 ** 20 - 1, 5e12].map(formatBytes)).toEqual([
      "0 B",
      "17 B",
      "1023 B",
      "1 KiB",
      "1.5 KiB",
      "512 MiB",
      "1 MiB",
      "4.5 TiB",
    ]);
  });
});

describe("durations", () => {
  it.each<[unknown, number]>([
    ["500ms", 500],
    ["3s", 3000],
    ["10min", 600_000],
    ["10m", 600_000],
    ["1.5h", 5_400_000],
    ["1d", 86_400_000],
    ["0", 0],
    [250, 250],
  ])("reads %j", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(["", "3", "3 seconds", "-1s", "s", -1, Number.POSITIVE_INFINITY, Number.NaN, null])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrow(invalid);
  });

  it("prints durations", () => {
    expect([0, 850, 999.9, 3200, 59_990, 125_000, 3_780_000, 187_200_000].map(formatDuration)).toEqual([
      "0 ms",
      "850 ms",
      "1.0 s",
      "3.2 s",
      "1 min 0 s",
      "2 min 5 s",
      "1 h 3 min",
      "2 d 4 h",
    ]);
  });
});
