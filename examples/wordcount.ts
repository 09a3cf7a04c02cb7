// Word count: how often does each word stand in the files? The result is sorted, so the output is the same bytes on every
// master, whatever the number of slots.
//
//   millrace example wordcount
//   millrace run examples/wordcount.ts data/king-james-bible.txt out/counts
//   millrace run --master local-cluster[2,1,1g] examples/wordcount.ts "logs/**/*.gz" out/counts
//   millrace submit --master millrace://127.0.0.1:7077 examples/wordcount.ts in.txt out/counts

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";

const { input, output, top, master } = readArguments({
  name: "wordcount",
  about: "Counts how often each word stands in text files.",
  positionals: {
    input: { about: "text files: a path, a glob or a directory", default: sample("king-james-bible.txt") },
    output: { about: "directory for all counts by word; without it the most frequent are printed", default: null },
  },
  options: { top: { about: "how many words to print", default: 10 } },
  example: "--top 3 'logs/**/*.gz'",
});

const session = await Session.open({ appName: "word count", master });
const counts = session
  .textFile(input)
  .flatMap((line) => line.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [])
  .map((word) => [word, 1])
  .reduceByKey((a, b) => a + b);

if (output === null) {
  // The more frequent first; of those that are as frequent, in the order of the alphabet.
  for (const [word, count] of await counts.takeOrdered(top, ([word, count]) => [-count, word]))
    console.log(`${String(count).padStart(8)}  ${word}`);
} else {
  await counts
    .sortByKey()
    .map(([word, count]) => `${word}\t${count}`)
    .saveAsTextFile(output);
}
await session.stop();
