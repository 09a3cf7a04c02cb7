// What `npm start` runs: a word count over a text of 4.6 MB and a join with aggregation over real tables, on a cluster of its
// own: a master, two core workers and one task worker, each a process. Shows the results, what ran where, and how long.
//
//   npm start
//   millrace run examples/main.ts local[2]        the same program and the same results, elsewhere

import { fileURLToPath } from "node:url";
import { Session } from "millrace";

const [master = "local-cluster[2+1,1,512m]"] = process.argv.slice(2);
const data = fileURLToPath(new URL("../data/", import.meta.url));

const opening = performance.now();
const session = await Session.open({ master, appName: "millrace examples" });
console.log(`Session on ${master}, open in ${seconds(opening)}`);

let jobs = 0;
session.onJobEnd(({ callSite, summary }) => {
  jobs++;
  if (summary === null) return;
  const { stages, tasks, elapsedMs, shuffleBytes, workers } = summary;
  console.log(
    `\n  job ${jobs} (${callSite.method}): ${stages} stages, ${tasks} tasks, ${(elapsedMs / 1000).toFixed(2)} s, ` +
      `${(shuffleBytes / 1e6).toFixed(2)} MB shuffled`,
  );
  for (const { worker, role, tasks, runMs } of workers) {
    console.log(
      `    ${worker.padEnd(28)} ${role.padEnd(5)} ${String(tasks).padStart(3)} tasks, ${(runMs / 1000).toFixed(2)} s of work`,
    );
  }
});

await countWords();
await delaysByState();
await session.stop();

/** The words of five letters and more that stand most often in the King James Bible. */
async function countWords(): Promise<void> {
  console.log("\n== Word count: data/king-james-bible.txt");
  const started = performance.now();
  const counts = session
    .textFile(`${data}king-james-bible.txt`)
    .map((verse) => verse.slice(verse.indexOf("\t") + 1).toLowerCase())
    .flatMap((text) => text.match(/[a-z]+/g) ?? [])
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .cache();
  const total = await counts.values().reduce((a, b) => a + b);
  const distinct = await counts.count();
  const top = await counts.filter(([word]) => word.length >= 5).top(10, ([, count]) => count);
  console.log(`\n  ${total} words, ${distinct} different ones; the most frequent of five letters and more:`);
  for (const [word, count] of top) console.log(`    ${word.padEnd(10)} ${String(count).padStart(6)}`);
  counts.unpersist();
  console.log(`  ${seconds(started)} in all`);
}

/** Flights joined with the airports they left from, and the delays of each state. */
async function delaysByState(): Promise<void> {
  console.log("\n== Join and aggregation: data/flights.csv with data/airports.csv");
  const started = performance.now();
  const stateOf = session
    .textFile(`${data}airports.csv`)
    .map(columns)
    .map(([iata, , , state]) => [iata!, state!]);
  const flights = session
    .textFile(`${data}flights.csv`)
    .filter((line) => !line.startsWith("date,"))
    .map(columns)
    .map(([, delay, distance, origin]) => [origin!, { delay: Number(delay), distance: Number(distance) }]);
  const states = await flights
    .join(stateOf)
    .map(([, [flight, state]]) => [state, flight])
    .aggregateByKey(
      { flights: 0, late: 0, minutes: 0, miles: 0 },
      (sums, { delay, distance }) => ({
        flights: sums.flights + 1,
        late: sums.late + (delay > 15 ? 1 : 0),
        minutes: sums.minutes + delay,
        miles: sums.miles + distance,
      }),
      (a, b) => ({
        flights: a.flights + b.flights,
        late: a.late + b.late,
        minutes: a.minutes + b.minutes,
        miles: a.miles + b.miles,
      }),
    )
    .sortBy(([, { flights }]) => -flights)
    .take(8);
  console.log("\n    state  flights  mean delay  over 15 min  mean distance");
  for (const [state, { flights, late, minutes, miles }] of states) {
    const cells = [
      state.padEnd(5),
      String(flights).padStart(8),
      `${(minutes / flights).toFixed(1)} min`.padStart(11),
      `${((100 * late) / flights).toFixed(1)} %`.padStart(12),
      `${(miles / flights).toFixed(0)} miles`.padStart(14),
    ];
    console.log(`    ${cells.join(" ")}`);
  }
  console.log(`  ${seconds(started)} in all`);
}

/** The columns of a CSV line; a quoted one may hold commas. */
function columns(line: string): string[] {
  return Array.from(line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(2)} s`;
}
