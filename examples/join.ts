// A join with aggregation over two tables: flights with the airports that they left from, then the mean delay by state.
//
//   millrace example join
//   millrace run --master local-cluster[2,1,1g] examples/join.ts data/flights.csv data/airports.csv

import { Session } from "millrace";
import { readArguments, sample } from "./support/arguments.js";
import { columns } from "./support/csv.js";

const {
  flights: flightsPath,
  airports: airportsPath,
  top,
  master,
} = readArguments({
  name: "join",
  about: "Joins flights with the airports that they left from, and gives the mean delay of each state.",
  positionals: {
    flights: { about: "CSV: date, delay in minutes, distance, origin, destination", default: sample("flights.csv") },
    airports: { about: "CSV: code, name, city, state, ...", default: sample("airports.csv") },
  },
  options: { top: { about: "how many states to print, those with the most flights", default: 10 } },
  example: "--top 5",
});

const session = await Session.open({ appName: "delays by state", master });

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
  .take(top);

for (const [state, { flights, meanDelay }] of byState) {
  console.log(
    `${state.padEnd(4)} ${String(flights).padStart(6)} flights  ${meanDelay.toFixed(1).padStart(6)} min mean delay`,
  );
}
await session.stop();
