// PageRank over a text of edges, "from to" on each line (spaces, tabs or commas between; a head line is skipped). Links are
// kept in memory and partitioned once, so that each iteration moves only ranks.
//
//   millrace example pagerank                                    airports, by the routes between them
//   millrace run examples/pagerank.ts --iterations 20 edges.txt

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";

const { input, iterations, top, master } = readArguments({
  name: "pagerank",
  about: "Ranks the nodes of a graph by PageRank.",
  positionals: {
    input: { about: 'text files of edges, "from to" on each line', default: sample("routes.csv") },
  },
  options: {
    iterations: { about: "how often ranks are handed on", default: 10 },
    top: { about: "how many nodes to print", default: 10 },
  },
  example: "--iterations 20 edges.txt",
});
const PARTITIONS = 4;

const session = await Session.open({ appName: "PageRank", master });
const links = session
  .textFile(input)
  .map((line) => line.split(/[\s,]+/))
  .filter(([from]) => from !== "origin")
  .map(([from, to]) => [from!, to!])
  .distinct()
  .groupByKey(PARTITIONS)
  .cache();

let ranks = links.mapValues(() => 1);
for (let iteration = 0; iteration < iterations; iteration++) {
  ranks = links
    .join(ranks)
    .flatMap(([, [targets, rank]]) => {
      const all = [...targets];
      return all.map((target) => [target, rank / all.length] as const);
    })
    .reduceByKey((a, b) => a + b, PARTITIONS)
    .mapValues((sum) => 0.15 + 0.85 * sum);
}

for (const [node, rank] of await ranks.top(top, ([, rank]) => rank)) console.log(`${node}  ${rank.toFixed(6)}`);
await session.stop();
