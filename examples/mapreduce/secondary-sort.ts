import { Session, type TaskContext } from "millrace";

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error("usage: secondary-sort.ts <input> <output>");
  process.exit(2);
}

type Reading = readonly [year: number, degrees: number];

const session = await Session.open({ appName: "secondary sort" });
await session.mapReduce({
  input,
  map: (line: string, context: TaskContext<Reading, number>) => {
    const [year, degrees] = line.split(/\s+/).map(Number) as [number, number];
    context.write([year, degrees], degrees);
  },
  // Which reducer: by the year alone, in two halves of the century.
  partition: ([year], reducers) => Math.min(reducers - 1, Math.floor(((year - 1900) * reducers) / 100)),
  // In which order a reducer meets the keys: years rising, degrees falling.
  sort: ([year, degrees]) => [year, -degrees],
  // Which keys are one call: those of a year.
  group: ([year]) => year,
  reduce: ([year], degrees, context: TaskContext<number, string>) => {
    const [warmest, ...others] = degrees;
    context.write(year, `${warmest}, then ${others.join(" ") || "nothing"}`);
  },
  reducers: 2,
  output,
});
await session.stop();
