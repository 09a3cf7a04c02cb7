// Commands as users write them on one line.

import fc from "fast-check";
import { expect, test } from "vitest";
import { splitCommand } from "../../../src/mapreduce/streaming/command-line.js";

test.each<[string, string[]]>([
  ["cat", ["cat"]],
  ["  python3\tmap.py  --top 10 ", ["python3", "map.py", "--top", "10"]],
  [`awk '{ print $1 "\\t1" }'`, ["awk", '{ print $1 "\\t1" }']],
  [`sh -c "echo \\"a b\\" \\$HOME \\n"`, ["sh", "-c", 'echo "a b" $HOME \\n']],
  ["a\\ b c\\'d", ["a b", "c'd"]],
  [`x'y'"z"`, ["xyz"]],
  [`tr '' "" '|'`, ["tr", "", "", "|"]],
  ["grep a\\|b", ["grep", "a|b"]],
])("%s", (text, words) => {
  expect(splitCommand(text, "mapper")).toEqual(words);
});

test.each([
  ["", /mapper is empty/],
  ["   ", /mapper is empty/],
  ["echo 'a", /has a ' that nothing closes/],
  ['echo "a\\"', /has a " that nothing closes/],
  ["echo a\\", /ends with a backslash/],
  ["cat | sort", /uses \|, which only a shell knows/],
  ["cat > out", /uses >, which only a shell knows/],
  ["a && b", /uses &&/],
])("%s is refused", (text, message) => {
  expect(() => splitCommand(text, "mapper")).toThrow(message);
});

test("words that are quoted come back, whatever is in them", () => {
  const word = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), fc.boolean(), (words, single) => {
      const quote = (text: string) =>
        single ? `'${text.replaceAll("'", `'"'"'`)}'` : `"${text.replace(/["\\$`]/g, "\\$&")}"`;
      expect(splitCommand(words.map(quote).join(" "), "mapper")).toEqual(words);
    }),
  );
});
