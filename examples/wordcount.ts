// Word count: how often does each word stand in the files? The result is sorted, so the output is the same bytes on every
// master, whatever the number of slots.
//
//   millrace run examples/wordcount.ts data/king-james-bible.txt out/counts
//   millrace run --master local-cluster[2,1,1g] examples/wordcount.ts "logs/**/*.gz" out/counts
//   millrace submit --master millrace://127.0.0.1:7077 examples/wordcount.ts in.txt out/counts

import { Session } from "millrace";

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error("usage: wordcount.ts <files> <output directory>");
  process.exit(2);
}

const session = await Session.open({ appName: "word count" });
await session
  .textFile(input)
  .flatMap((line) => line.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [])
  .map((word) => [word, 1])
  .reduceByKey((a, b) => a + b)
  .sortByKey()
  .map(([word, count]) => `${word}\t${count}`)
  .saveAsTextFile(output);
await session.stop();
