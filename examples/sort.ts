// Sorts the lines of files by a prefix, into part files that are in order one after the other.
//
//   millrace run examples/sort.ts data/king-james-bible.txt out/sorted
//   millrace run examples/sort.ts data/flights.csv out/sorted 10        by the first 10 characters

import { Session } from "millrace";

const [input, output, keyLength = "20"] = process.argv.slice(2);
const length = Number(keyLength);
if (input === undefined || output === undefined || !(length > 0)) {
  console.error("usage: sort.ts <files> <output directory> [characters of the key]");
  process.exit(2);
}

const session = await Session.open({ appName: "sort" });
await session
  .textFile(input)
  .sortBy((line) => line.slice(0, length))
  .saveAsTextFile(output);
await session.stop();
