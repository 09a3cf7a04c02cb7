// Grep: the lines of files that match a regular expression, and how many they are. The matches are cached, because two jobs
// read them: one counts, the other takes the first.
//
//   millrace example grep unicorn
//   millrace run examples/grep.ts 'ERROR|WARN' 'logs/*.gz' out/errors

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";

const { pattern, input, output, limit, ...options } = readArguments({
  name: "grep",
  about: "Finds the lines of text files that match a regular expression.",
  positionals: {
    pattern: { about: "a JavaScript regular expression" },
    input: { about: "text files: a path, a glob or a directory", default: sample("king-james-bible.txt") },
    output: { about: "directory for all lines that match; without it the first are printed", default: null },
  },
  options: {
    "ignore-case": { about: "let upper and lower case match each other", default: false },
    limit: { about: "how many lines to print", default: 20 },
  },
  example: "--ignore-case 'error|warn' 'logs/*.gz'",
});

const expression = new RegExp(pattern, options["ignore-case"] ? "iu" : "u");
const session = await Session.open({ appName: `grep ${pattern}`, master: options.master });
const matches = session.textFile(input).filter((line) => expression.test(line));

if (output === null) {
  matches.cache();
  const found = await matches.count();
  for (const line of await matches.take(limit)) console.log(line);
  console.log(`${found} ${found === 1 ? "line matches" : "lines match"}${found > limit ? `, ${limit} are shown` : ""}`);
} else {
  await matches.saveAsTextFile(output);
}
await session.stop();
