// Parts of keys: their order against sort(1) in the C locale, their reducers against Hadoop's hashes.

import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys } from "../../../src/codec/keys.js";
import { parseKeyFields, partOf, sortKeyOf } from "../../../src/mapreduce/streaming/key-fields.js";
import { reducerOf } from "../../../src/mapreduce/streaming/partitioning.js";

const fieldsOf = (options: string) => parseKeyFields(options, "a.setting");

test.each<[string, string, string | null]>([
  ["-k1,1", "ab.cd.ef", "ab"],
  ["-k2", "ab.cd.ef", "cd.ef"],
  ["-k2,2", "ab.cd.ef", "cd"],
  ["-k2.2,3.1", "ab.cd.ef", "d.e"],
  ["-k1.3,1.9", "ab.cd", ".cd"],
  ["-k2,2", "ab..ef", ""],
  ["-k4", "ab.cd.ef", null],
  ["-k3,9", "ab.cd.ef", "ef"],
  ["-k1,1", "", null],
])("%s of %s", (options, key, part) => {
  expect(partOf(key, fieldsOf(options)[0]!, ".")).toBe(part);
});

describe("the order of keys is that of sort(1)", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "B", "-", "z"), minLength: 1, maxLength: 3 });
  const digits = fc.string({ unit: fc.constantFrom("0", "1", "2", "9"), minLength: 1, maxLength: 18 });
  const number = fc
    .tuple(fc.constantFrom("", "-"), digits, fc.option(digits))
    .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? "" : `.${fraction}`}`);
  const key = fc.tuple(word, number, word).map((parts) => parts.join("\t"));

  test.each(["-k1,1", "-k2,2n", "-k2,2nr", "-k1,1r -k2,2n", "-k3.2,3.2 -k1,1", "-k1.2,2.1r", "-r", "-k2,2n -k3,3r"])(
    "%s",
    (options) => {
      const fields = fieldsOf(options);
      const args = options.split(" ").filter((one) => one !== "");
      fc.assert(
        fc.property(fc.array(key, { minLength: 2, maxLength: 300 }), (keys) => {
          const { stdout } = spawnSync("sort", ["-s", "-t", "\t", ...args], {
            input: `${keys.join("\n")}\n`,
            encoding: "latin1",
            env: { ...process.env, LC_ALL: "C" },
          });
          const ours = keys.map((one) => [sortKeyOf(one, fields, "\t"), one] as const);
          ours.sort(([a], [b]) => compareKeys(a, b));
          expect(ours.map(([, one]) => one).join("\n")).toBe(stdout.trimEnd());
        }),
        { numRuns: 10 },
      );
    },
  );

  test("a key without the field comes first, or last where the order is turned round", () => {
    const keys = ["b\t1", "a", "c\t0"];
    const sorted = (options: string) =>
      [...keys].sort((a, b) =>
        compareKeys(sortKeyOf(a, fieldsOf(options), "\t"), sortKeyOf(b, fieldsOf(options), "\t")),
      );
    expect(sorted("-k2,2")).toEqual(["a", "c\t0", "b\t1"]);
    expect(sorted("-k2,2r")).toEqual(["b\t1", "c\t0", "a"]);
  });
});

test.each(["-k", "-k0", "-kx", "-k1.0", "-k1,2x", "-x", "1,1"])("%s is refused by the setting's name", (options) => {
  expect(() => fieldsOf(options)).toThrow(/a\.setting: .* cannot be read/);
});

describe("reducers", () => {
  const n = 1_000_003;

  test("by the hash of Hadoop's Text", () => {
    // 31 ** 5 + "hello".hashCode(), which is 99162322.
    expect(reducerOf("hello", { kind: "hash" }, n)).toBe((31 ** 5 + 99_162_322) % n);
    expect(reducerOf("", { kind: "hash" }, n)).toBe(1);
    // Bytes are signed in Java: 31 - 1.
    expect(reducerOf("\xff", { kind: "hash" }, n)).toBe(30);
  });

  test("by fields, by the hash of their bytes; without fields as a Java string", () => {
    const by = (options: string) => ({ kind: "keyFields", fields: fieldsOf(options), separator: "." }) as const;
    expect(reducerOf("hello.1", by("-k1,1"), n)).toBe(99_162_322 % n);
    expect(reducerOf("x.hello.1", by("-k2,2"), n)).toBe(reducerOf("y.hello.2", by("-k2,2"), n));
    expect(reducerOf("hello", by(""), n)).toBe(99_162_322 % n);
    // "é".hashCode() is 233, though it is two bytes.
    expect(reducerOf(Buffer.from("é").toString("latin1"), by(""), n)).toBe(233);
  });
});
