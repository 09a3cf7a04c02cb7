import { parseArgs } from "node:util";
import { Session, type TaskContext } from "millrace";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "ignore-case": { type: "boolean", default: false }, skip: { type: "string" } },
});
const [input, output] = positionals;
if (input === undefined || output === undefined) {
  console.error("usage: word-count-2.ts [--ignore-case] [--skip <patterns>] <input> <output>");
  process.exit(2);
}
const ignoreCase = values["ignore-case"];
const { skip } = values;

const sum = (counts: Iterable<number>) => {
  let total = 0;
  for (const count of counts) total += count;
  return total;
};

const session = await Session.open({ appName: "word count 2" });
const { counters, elapsedMs, summary } = await session.mapReduce({
  input,
  files: skip === undefined ? {} : { patterns: skip },
  mapper: (context: TaskContext<string, number>) => {
    // Once a task: what Hadoop's setup does.
    const patterns = skip === undefined ? [] : context.text("patterns").split("\n").filter(Boolean);
    const expressions = patterns.map((pattern) => new RegExp(pattern, "g"));
    const words = context.counter("word count", "INPUT_WORDS");
    return {
      map: (line: string) => {
        let text = ignoreCase ? line.toLowerCase() : line;
        for (const expression of expressions) text = text.replace(expression, "");
        for (const word of text.split(/\s+/).filter(Boolean)) {
          context.write(word, 1);
          words.increment();
        }
      },
    };
  },
  combine: (word, counts, context) => context.write(word, sum(counts)),
  reduce: (word, counts, context) => context.write(word, sum(counts)),
  reducers: 1,
  output,
});
console.log(counters["word count"]);
console.log(counters["Map-Reduce Framework"]);
console.error(`${summary?.tasks} tasks in ${elapsedMs.toFixed(0)} ms`);
await session.stop();
