// `millrace streaming` as it is called: its exit code, what it prints, and the part files.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runCli } from "../support/cli.js";
import { HandCluster } from "../support/hand-cluster.js";
import { scratchDirectory } from "../support/scratch.js";

const folder = scratchDirectory();
const streaming = (...args: readonly string[]) =>
  runCli(["streaming", "-master", "local[1]", ...args], { HOME: folder, MILLRACE_LOCAL_DIR: folder }, folder);

const cluster = new HandCluster();
afterAll(() => cluster.close());

writeFileSync(join(folder, "in.txt"), "b a\na c a\n");
writeFileSync(join(folder, "words.sh"), "#!/bin/sh\nexec tr -s ' ' '\\n'\n");

test("counts words, prints counters as Hadoop does, and says where the output is", async () => {
  const words = ["-file", "words.sh", "-mapper", "words.sh", "-reducer", "uniq -c", "-numReduceTasks", "1"];
  const { code, stdout, stderr } = await streaming("-input", "in.txt", "-output", "out", ...words, "-D", "a.b=c");
  expect(stderr).toContain("Counters: 5\n\tMap-Reduce Framework\n\t\tMap input records=2\n\t\tMap output records=5\n");
  expect(stderr).toContain("Output directory: out\n");
  expect(stdout).toBe("");
  expect(code).toBe(0);
  expect(readdirSync(join(folder, "out")).sort()).toEqual(["_SUCCESS", "part-00000"]);
  expect(
    readFileSync(join(folder, "out/part-00000"), "utf8")
      .split("\n")
      .map((line) => line.trim()),
  ).toEqual([...["3 a", "1 b", "1 c"], ""]);
});

test("a failing command ends with code 1, its own code and last words, and what to do", async () => {
  const { code, stderr } = await streaming(
    ...["-input", "in.txt", "-output", "fails", "-mapper", "sh -c 'echo bad luck >&2; exit 7'", "-reducer", "NONE"],
  );
  expect(stderr).toMatch(/JOB_FAILED.*exited with code 7; its last words: bad luck/);
  expect(stderr).toContain("what to do: Read its last words");
  expect(code).toBe(1);
});

test("-conf beats Hadoop's settings, those beat millrace.json of the working directory", async () => {
  const events = join(folder, "events");
  const settings = { appName: "of the file", "eventLog.dir": events };
  writeFileSync(join(folder, "millrace.json"), JSON.stringify(settings));
  const names = [
    [],
    ["-D", "mapreduce.job.name=of Hadoop"],
    ["-D", "mapreduce.job.name=of Hadoop", "-conf", "appName=of -conf"],
  ];
  const job = ["-input", "in.txt", "-mapper", "cat", "-reducer", "NONE"];
  for (const [at, name] of names.entries()) await streaming(...job, "-output", `named-${at}`, ...name);
  rmSync(join(folder, "millrace.json"));
  const history = ["status", "--history", "--json", "--event-log-dir", events];
  const { stdout } = await runCli(history, { HOME: folder }, folder);
  const apps = (JSON.parse(stdout) as { sessions: readonly { appName: string }[] }).sessions.map(
    ({ appName }) => appName,
  );
  expect(apps.sort()).toEqual(["of -conf", "of Hadoop", "of the file"]);
});

test("-help shows the arguments, and a wrong one is told by name", async () => {
  const { code, stdout } = await streaming("-help");
  expect(stdout).toContain("-reducer <command|NONE>");
  expect(code).toBe(0);
  const wrong = await streaming("-input", "in.txt", "-outptu", "x");
  expect(wrong.stderr).toContain("UNKNOWN_OPTION: there is no option -outptu; did you mean -output?");
  expect(wrong.code).toBe(1);
});

test("runs on a cluster that was started by hand, with its secret; scripts go along", async () => {
  await cluster.startMaster();
  await cluster.startWorker("w1");
  const args = ["-master", cluster.url, "-secret-file", cluster.secretFile, "-files", "words.sh#w.sh"];
  const job = ["-input", "in.txt", "-output", "far", "-mapper", "w.sh", "-reducer", "uniq -c", "-verbose"];
  const { code, stderr } = await runCli(["streaming", ...args, ...job], { HOME: folder }, folder);
  expect(stderr).toMatch(/2 stages, 2 tasks, 0 failed attempts/);
  expect(code).toBe(0);
  expect(readFileSync(join(folder, "far/part-00000"), "utf8")).toMatch(/^ *3 a\s+1 b\s+1 c\s+$/);
});
