// PageRank over a text of edges, "from to" on each line (spaces, tabs or commas between; a head line is skipped). Links are
// kept in memory and partitioned once, so that each iteration moves only ranks.
//
//   millrace run examples/pagerank.ts                       airports, by the routes between them
//   millrace run examples/pagerank.ts edges.txt 20          20 iterations

import { Session } from "millrace";

const [input = "data/routes.csv", iterations = "10"] = process.argv.slice(2);
const PARTITIONS = 4;

const session = await Session.open({ appName: "PageRank" });
const links = session
  .textFile(input)
  .map((line) => line.split(/[\s,]+/))
  .filter(([from]) => from !== "origin")
  .map(([from, to]) => [from!, to!])
  .distinct()
  .groupByKey(PARTITIONS)
  .cache();

let ranks = links.mapValues(() => 1);
for (let iteration = 0; iteration < Number(iterations); iteration++) {
  ranks = links
    .join(ranks)
    .flatMap(([, [targets, rank]]) => {
      const all = [...targets];
      return all.map((target) => [target, rank / all.length] as const);
    })
    .reduceByKey((a, b) => a + b, PARTITIONS)
    .mapValues((sum) => 0.15 + 0.85 * sum);
}

for (const [node, rank] of await ranks.top(10, ([, rank]) => rank)) console.log(`${node}  ${rank.toFixed(6)}`);
await session.stop();
