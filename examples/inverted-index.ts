// Inverted index: for each word the documents that it stands in, and how often. A document is a line, its name before the first
// tab and its text behind it, as in Hadoop's KeyValueTextInputFormat.
//
//   millrace example inverted-index --words manna,unicorn
//   millrace run examples/inverted-index.ts docs.tsv out/index

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";

const { input, output, words, master } = readArguments({
  name: "inverted-index",
  about: "Builds an index of words: in which documents does each stand, and how often?",
  positionals: {
    input: { about: "text files, a document a line: name, tab, text", default: sample("king-james-bible.txt") },
    output: { about: "directory for the whole index; without it the words of --words are looked up", default: null },
  },
  options: { words: { about: "words to look up, with commas between", default: "unicorn,manna,rainbow" } },
  example: "--words faith,hope,charity",
});

const session = await Session.open({ appName: "inverted index", master });
const index = session
  .textFile(input)
  .flatMap((line) => {
    const tab = line.indexOf("\t");
    const document = line.slice(0, tab);
    const found =
      line
        .slice(tab + 1)
        .toLowerCase()
        .match(/[\p{L}\p{N}']+/gu) ?? [];
    return found.map((word) => [word, document] as const);
  })
  .map((pair) => [pair, 1])
  .reduceByKey((a, b) => a + b)
  .map(([[word, document], count]) => [word, { document, count }])
  .groupByKey()
  .mapValues((postings) =>
    [...postings].sort((a, b) => b.count - a.count || (a.document < b.document ? -1 : a.document > b.document ? 1 : 0)),
  )
  .map(([word, postings]) => [word, postings.map(({ document, count }) => `${document} (${count})`)]);

if (output === null) {
  const wanted = words.toLowerCase().split(",");
  const found = new Map(await index.filter(([word]) => wanted.includes(word)).collect());
  for (const word of wanted) console.log(`${word}: ${found.get(word)?.join(", ") ?? "in no document"}`);
} else {
  await index
    .sortByKey()
    .map(([word, postings]) => `${word}\t${postings.join(", ")}`)
    .saveAsTextFile(output);
}
await session.stop();
