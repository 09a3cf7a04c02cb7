// What a program's own metrics cost: a word count of text with a counter a line, a counter a word, a histogram a line and a
// timer around the splitting of each line, against the same without, in turn in one session. Printed: the median of the ratios
// of neighbouring runs, of elapsed and of processor time. Ends with 1 when answers differ or a metric has not counted all.
//
//   npm run build && npx tsx bench/metrics.ts [--size 0.25] [--rounds 15]

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Session as SessionType } from "../src/index.js";
import { median } from "./against.js";
import { inputFile } from "./data.js";

const { values: flags } = parseArgs({
  options: { size: { type: "string", default: "0.25" }, rounds: { type: "string", default: "15" } },
});
const rounds = Number(flags.rounds);
const built: string = new URL("../dist/index.js", import.meta.url).href;
const { Session } = (await import(built)) as { Session: typeof SessionType };
const { path, bytes } = inputFile(fileURLToPath(new URL("./data", import.meta.url)), "text", Number(flags.size));

const session = await Session.open({ master: "local[2]", "eventLog.enabled": false });
const lines = session.textFile(path);
const counter = session.counter("lines");
const words = session.counter("words");
const lengths = session.histogram("line lengths");
const splitting = session.timer("splitting");

const count = (pairs: ReturnType<typeof lines.flatMap<string>>) =>
  pairs
    .map((word): [string, number] => [word, 1])
    .reduceByKey((a, b) => a + b)
    .map(([, n]) => n)
    .sum();

const variants: Readonly<Record<string, () => Promise<number>>> = {
  none: () => count(lines.flatMap((line) => line.split(" "))),
  "a counter a line": () =>
    count(
      lines.flatMap((line) => {
        counter.add();
        return line.split(" ");
      }),
    ),
  "a counter a word": () =>
    count(
      lines
        .flatMap((line) => line.split(" "))
        .map((word) => {
          words.add();
          return word;
        }),
    ),
  "no counter a word": () => count(lines.flatMap((line) => line.split(" ")).map((word) => word)),
  "a histogram a line": () =>
    count(
      lines.flatMap((line) => {
        lengths.record(line.length);
        return line.split(" ");
      }),
    ),
  "a timer a line": () => count(lines.flatMap((line) => splitting.time(() => line.split(" ")))),
};

interface Run {
  readonly answer: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
}

async function run(name: string): Promise<Run> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  const answer = await (variants[name] as () => Promise<number>)();
  const { user, system } = process.cpuUsage(before);
  return { answer, elapsedMs: performance.now() - startedMs, cpuMs: (user + system) / 1000 };
}

for (const name of Object.keys(variants)) await run(name);
for (const metric of [counter, words, lengths, splitting]) metric.reset();
const baseOf = (name: string) => (name === "a counter a word" ? "no counter a word" : "none");
const ratios = new Map<string, { elapsed: number[]; cpu: number[] }>();
for (let round = 0; round < rounds; round++) {
  for (const name of Object.keys(variants)) {
    if (name === "none" || name === "no counter a word") continue;
    // Which is first changes, so that neither has the other's garbage always.
    const names = round % 2 === 0 ? [baseOf(name), name] : [name, baseOf(name)];
    const runs = new Map<string, Run>();
    for (const one of names) runs.set(one, await run(one));
    const base = runs.get(baseOf(name)) as Run;
    const own = runs.get(name) as Run;
    if (own.answer !== base.answer) throw new Error(`${name}: ${own.answer} words, not ${base.answer}`);
    const known = ratios.get(name) ?? { elapsed: [], cpu: [] };
    known.elapsed.push(own.elapsedMs / base.elapsedMs);
    known.cpu.push(own.cpuMs / base.cpuMs);
    ratios.set(name, known);
  }
}
console.log(`word count of ${(bytes / 1e6).toFixed(0)} MB on local[2], ${rounds} pairs each`);
for (const [name, { elapsed, cpu }] of ratios)
  console.log(`${name}: ${median(elapsed).toFixed(3)} of the time, ${median(cpu).toFixed(3)} of the processor time`);

const counted = { lines: counter.value, lengths: lengths.value.count, splitting: splitting.value.count };
if (new Set(Object.values(counted)).size !== 1 || words.value === 0) {
  console.error("the metrics differ:", counted);
  process.exitCode = 1;
}
await session.stop();
