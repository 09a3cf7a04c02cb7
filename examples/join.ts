// A join with aggregation over two tables: flights with the airports that they left from, then the mean delay by state.
//
//   millrace run examples/join.ts
//   millrace run --master local-cluster[2,1,1g] examples/join.ts data/flights.csv data/airports.csv

import { Session } from "millrace";

const [flightsPath = "data/flights.csv", airportsPath = "data/airports.csv"] = process.argv.slice(2);

const session = await Session.open({ appName: "delays by state" });

const stateOf = session
  .textFile(airportsPath)
  .filter((line) => !line.startsWith("iata,"))
  .map(columns)
  .map(([iata, , , state]) => [iata!, state!]);

const delays = session
  .textFile(flightsPath)
  .filter((line) => !line.startsWith("date,"))
  .map(columns)
  .map(([, delay, , origin]) => [origin!, Number(delay)]);

const byState = await delays
  .join(stateOf)
  .map(([, [delay, state]]) => [state, delay])
  .aggregateByKey(
    { flights: 0, minutes: 0 },
    (total, delay) => ({ flights: total.flights + 1, minutes: total.minutes + delay }),
    (a, b) => ({ flights: a.flights + b.flights, minutes: a.minutes + b.minutes }),
  )
  .mapValues(({ flights, minutes }) => ({ flights, meanDelay: minutes / flights }))
  .sortBy(([, { flights }]) => -flights)
  .take(10);

for (const [state, { flights, meanDelay }] of byState) {
  console.log(
    `${state.padEnd(4)} ${String(flights).padStart(6)} flights  ${meanDelay.toFixed(1).padStart(6)} min mean delay`,
  );
}
await session.stop();

/** The columns of a CSV line; a quoted one may hold commas. */
function columns(line: string): string[] {
  return Array.from(line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}
