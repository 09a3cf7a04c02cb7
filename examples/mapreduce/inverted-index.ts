import { basename } from "node:path";
import { Session, type TaskContext } from "millrace";

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error("usage: inverted-index.ts <input> <output>");
  process.exit(2);
}

const session = await Session.open({ appName: "inverted index" });
const { counters } = await session.mapReduce({
  input,
  mapper: (context: TaskContext<string, string>) => {
    const file = basename(context.split?.path ?? "");
    return {
      map: (line: string) => {
        for (const word of line.toLowerCase().match(/[a-z]+/g) ?? []) context.write(word, file);
      },
    };
  },
  reduce: (word, files, context: TaskContext<string, string>) => {
    const counts = new Map<string, number>();
    for (const file of files) counts.set(file, (counts.get(file) ?? 0) + 1);
    context.counter("index", "words").increment();
    context.write(word, [...counts].map(([file, count]) => `${file}:${count}`).join(" "));
    // A second output: words of one file only.
    if (counts.size === 1) context.writeTo("rare", word, [...counts.keys()][0]);
  },
  reducers: 1,
  output,
  outputs: ["rare"],
});
console.log(counters.index);
await session.stop();
