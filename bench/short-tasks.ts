// What a short reduce task costs, with launches of several tasks and without: the processor time of jobs that count a few words
// into many partitions, in all threads of the process. Processor time, because it says the same on a busy machine.
// Run: npm run build && npx tsx bench/short-tasks.ts [jobs]. Ends with 1 when the answers differ.

import type { Session as SessionType } from "../src/index.js";

const RECORDS = 20_000;
const WORDS = "the quick brown fox jumps over a lazy dog while nobody looks at it all day long".split(" ");
const jobs = Number(process.argv[2] ?? 8);

const built: string = new URL("../dist/index.js", import.meta.url).href;
const { Session } = (await import(built)) as { Session: typeof SessionType };

const count = (session: SessionType, partitions: number) =>
  session
    .range(0, RECORDS, 1, 8)
    .map((i): [string, number] => [`${WORDS[i % WORDS.length]}${i % 997}`, 1])
    .reduceByKey((a, b) => a + b, partitions)
    .collect();

const answers = new Map<number, string>();
for (const groupTime of ["0s", "20ms"]) {
  const session = await Session.open({
    master: "local[2]",
    "eventLog.enabled": false,
    "scheduler.groupTime": groupTime,
  });
  for (let warm = 0; warm < 6; warm++) await count(session, 1_000);
  for (const partitions of [8, 200, 1_000]) {
    const before = process.cpuUsage();
    const startedMs = performance.now();
    let answer = "";
    for (let job = 0; job < jobs; job++) answer = JSON.stringify(await count(session, partitions));
    const { user, system } = process.cpuUsage(before);
    const cpuMs = ((user + system) / 1000 / jobs).toFixed(0);
    const wallMs = ((performance.now() - startedMs) / jobs).toFixed(0);
    console.log(
      `groupTime ${groupTime}, ${partitions} partitions: ${cpuMs} ms of processor time a job, ${wallMs} ms in all`,
    );
    if ((answers.get(partitions) ?? answer) !== answer) process.exitCode = 1;
    answers.set(partitions, answer);
  }
  await session.stop();
}
if (process.exitCode === 1) console.error("the answers differ");
