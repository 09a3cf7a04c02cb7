// Sorts the lines of files by a prefix, into part files that are in order one after the other.
//
//   millrace example sort
//   millrace run examples/sort.ts data/king-james-bible.txt out/sorted
//   millrace run examples/sort.ts --key 10 data/flights.csv out/sorted        by the first 10 characters

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";

const { input, output, key, top, master } = readArguments({
  name: "sort",
  about: "Sorts the lines of text files by their first characters, over all files.",
  positionals: {
    input: { about: "text files: a path, a glob or a directory", default: sample("flights.csv") },
    output: { about: "directory for the sorted lines; without it the first are printed", default: null },
  },
  options: {
    key: { about: "characters of a line that it is sorted by", default: 20 },
    top: { about: "how many lines to print", default: 10 },
  },
  example: "--key 10 'logs/*.txt' out/sorted",
});

const session = await Session.open({ appName: "sort", master });
const sorted = session.textFile(input).sortBy((line) => line.slice(0, key));
if (output === null) for (const line of await sorted.take(top)) console.log(line);
else await sorted.saveAsTextFile(output);
await session.stop();
