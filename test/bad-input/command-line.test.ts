// What the command line says to mistakes: one line with the code, the user's own place and error, what to do; exit code 1.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Ended, runCli, workerDirectories } from "../support/cli.js";
import { scratchDirectory, writeTree } from "../support/scratch.js";

const scratch = scratchDirectory();
const localDir = join(scratch, "local");
mkdirSync(localDir);
writeTree(scratch, {
  "program.ts": `import { Session } from "millrace";

interface Row {
  readonly n: number;
}

const session = await Session.open(process.argv[2] === "option" ? ({ "task.maxFailure": 2 } as object) : {});
function half(row: Row): number {
  if (row.n === 2) throw new RangeError("two cannot be halved");
  return row.n / 2;
}
switch (process.argv[2]) {
  case "throws":
    await session.parallelize([{ n: 1 }, { n: 2 }]).map((row) => half(row)).collect();
    break;
  case "missing":
    await session.textFile("nowhere/*.txt").count();
    break;
  case "chatty":
    await session.parallelize([0], 1).foreach(() => {
      console.log("a %s", "line");
      console.error("an error line");
      process.stdout.write("no newline");
    });
    await session.parallelize([0, 1], 2).foreach(() => {
      for (let i = 0; i < 1_500; i++) console.log("line " + i);
    });
}
`,
});
const env = { MILLRACE_LOCAL_DIR: localDir, MILLRACE_EVENT_LOG_DIR: join(scratch, "events") };
const run = (...args: string[]): Promise<Ended> => runCli(args, env, scratch);
const program = (...args: string[]) => run("run", "--master", "local[2]", "program.ts", ...args);

test("a function that throws is told by its own place, message and stack, in a few lines", async () => {
  const { code, stdout, stderr } = await program("throws");
  expect([code, stdout]).toEqual([1, ""]);
  const lines = stderr.trimEnd().split("\n");
  expect(lines[0]).toMatch(
    /^millrace: JOB_FAILED: map at program\.ts:14:53 threw in partition 1: RangeError: two cannot be halved \(job 1 failed: .*"collect at program\.ts:14:77" failed 4 times/,
  );
  expect(lines.slice(1, 4)).toEqual([
    "  caused by: RangeError: two cannot be halved",
    expect.stringMatching(/^ +at half \(.*program\.ts:9:26\)$/),
    expect.stringMatching(/^ +at .*program\.ts:14:66\)?$/),
  ]);
  expect(lines.slice(4)).toEqual([
    "  failed attempts:",
    expect.stringMatching(/^ {4}stage \d+, partition 1, attempt 0 on .*: TASK_FAILED: map at program\.ts:14:53 threw/),
    ...[1, 2, 3].map((attempt) => expect.stringMatching(new RegExp(`attempt ${attempt} on .*: as the one before$`))),
    expect.stringMatching(/^ {2}what to do: /),
  ]);
  expect(workerDirectories(localDir)).toEqual([]);
});

test("mistakes in options, paths and names say what would be right", async () => {
  const cases: readonly (readonly [Promise<Ended>, RegExp])[] = [
    [program("option"), /^millrace: UNKNOWN_OPTION: .*task\.maxFailure: did you mean task\.maxFailures\?/],
    [program("missing"), /^millrace: GLOB_MATCHED_NOTHING: no file matches .*nowhere\/\*\.txt\n {2}what to do: /],
    [run("run", "--conf", "maxfailures=3", "program.ts"), /UNKNOWN_OPTION: .*did you mean task\.maxFailures\?/],
    [run("run", "--conf", "task.maxFailures=x", "program.ts"), /INVALID_OPTION: .*"x" cannot be read, a whole number/],
    [run("run", "--conf", "memory=much", "program.ts"), /INVALID_OPTION: .*memory/],
    [run("run", "--master", "locl[2]", "program.ts"), /INVALID_MASTER_URL: .*"locl\[2\]".*local\[N\]/],
    [run("run", "nothing.ts"), /PATH_NOT_FOUND: there is no program nothing\.ts/],
    [run("run", "."), /IS_A_DIRECTORY/],
    [run("run", "--mster", "local", "program.ts"), /unknown option '--mster'\n\(Did you mean --master\?\)/],
    [run("statsu"), /unknown command 'statsu'\n\(Did you mean status\?\)/],
  ];
  for (const [ended, text] of cases) {
    const { code, stdout, stderr } = await ended;
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(text)]);
    expect(stderr).not.toMatch(/dist\/\w+\.js/);
  }
});

test("what tasks print reaches stderr as lines of their task, a thousand a second, then a count", async () => {
  const { code, stdout, stderr } = await program("chatty");
  expect([code, stdout]).toEqual([0, ""]);
  const lines = stderr.trimEnd().split("\n");
  expect(lines.slice(0, 3).map((line) => line.replace(/^\[\d+\.0\] /, ""))).toEqual([
    "a line",
    "an error line",
    "no newline",
  ]);
  const shown = lines.filter((line) => /^\[\d+\.[01]\] line \d+$/.test(line)).length;
  const untold = lines
    .flatMap((line) => /(\d+) more lines/.exec(line)?.[1] ?? [])
    .reduce((sum, text) => sum + Number(text), 0);
  // A slow machine may spread them over several seconds; told or counted, all are accounted for.
  expect(shown + untold).toBe(3_000);
});
