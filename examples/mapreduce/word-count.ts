import { Session } from "millrace";

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error("usage: word-count.ts <input> <output>");
  process.exit(2);
}

const sum = (counts: Iterable<number>) => {
  let total = 0;
  for (const count of counts) total += count;
  return total;
};

const session = await Session.open({ appName: "word count" });
await session.mapReduce({
  input,
  map: (line: string, context) => {
    for (const word of line.split(/\s+/).filter(Boolean)) context.write(word, 1);
  },
  combine: (word, counts, context) => context.write(word, sum(counts)),
  reduce: (word, counts, context) => context.write(word, sum(counts)),
  reducers: 1,
  output,
});
await session.stop();
