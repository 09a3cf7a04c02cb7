// A broadcast value (sent to each worker once) and an accumulator (added to in tasks, read here): which words of the text are
// left without stop words, and how many were dropped.
//
//   millrace run examples/broadcast-accumulator.ts        from the package's root: the text lies in data/

import { Session } from "millrace";

const [input = "data/king-james-bible.txt"] = process.argv.slice(2);

const session = await Session.open({ appName: "without stop words" });
const stopWords = session.broadcast(
  new Set(["the", "and", "of", "to", "that", "in", "he", "shall", "unto", "for", "i", "his", "a"]),
);
const dropped = session.longAccumulator("stop words");

const words = session.textFile(input).flatMap((line) => line.toLowerCase().match(/[a-z]+/g) ?? []);

// Accumulators are exact in actions, also when a task runs twice; in a transformation they may count again.
await words.foreach((word) => {
  if (stopWords.value.has(word)) dropped.add(1);
});

const counts = await words
  .filter((word) => !stopWords.value.has(word))
  .map((word) => [word, 1])
  .reduceByKey((a, b) => a + b)
  .top(10, ([, count]) => count);

console.log(`${dropped.value} stop words dropped`);
for (const [word, count] of counts) console.log(`${word.padEnd(10)} ${count}`);
await session.stop();
