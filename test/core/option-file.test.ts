// Lines of names in millrace.json: found for whatever JSON is, and by the path that options have.

import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOfNames } from "../../src/core/option-file.js";

test("every name has its line, however the file is laid out", () => {
  const text = `{
  "master": "local[2]", "appName": "a, \\"b\\": {x}",
  "task":
  {
    "maxFailures":
      3,
    "list": ["one", {"inner": 1}, 2], "timeout": "1min"
  },
  "memory": "1g"
}`;
  const expected = {
    master: 2,
    appName: 2,
    task: 3,
    "task.maxFailures": 5,
    "task.list": 7,
    "task.timeout": 7,
    memory: 9,
  };
  expect(Object.fromEntries(linesOfNames(text))).toMatchObject(expected);
});

test("in any object that is printed with a member a line, names have the lines on which they are printed", () => {
  const names = fc.string({ minLength: 1, maxLength: 5 }).filter((name) => !name.includes("."));
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const inner = fc.dictionary(names, leaf, { maxKeys: 4, noNullPrototype: true });
  const object = fc.dictionary(names, fc.oneof(leaf, inner), { maxKeys: 5, noNullPrototype: true });
  fc.assert(
    fc.property(object, (value) => {
      const text = JSON.stringify(value, null, 2);
      const lines = text.split("\n");
      for (const [path, line] of linesOfNames(text))
        expect(lines[line - 1]?.trim().startsWith(`${JSON.stringify(path.split(".").at(-1))}:`)).toBe(true);
      const members = Object.values(value).flatMap((one) =>
        typeof one === "object" && one !== null ? Object.keys(one) : [],
      );
      expect(linesOfNames(text).size).toBe(Object.keys(value).length + members.length);
    }),
  );
});
