// Streaming jobs with real commands (awk, sort, python3, ...) on threads and on worker processes.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { isAlive, until } from "../../support/cli.js";
import { type Session, sessions } from "../../support/engine.js";
import { hasPython } from "../../support/python.js";

const engine = sessions();
let masters: readonly Session[];
let directories = 0;
const fresh = () => join(engine.directory, `streaming-${++directories}`);
const bible = new URL("../../../data/king-james-bible.txt", import.meta.url).pathname;

beforeAll(async () => {
  masters = [await engine.open("local[2]"), await engine.open("local-cluster[2,1,512m]", { "memory.taskBytes": "1m" })];
});

const each = async (check: (s: Session) => Promise<void>) => {
  for (const s of masters) await check(s);
};

/** The part files, a character for each byte. */
const parts = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("part-"))
    .sort()
    .map((name) => readFileSync(join(directory, name), "latin1"));
const linesOf = (directory: string) => parts(directory).join("").split("\n").slice(0, -1);

function file(text: string | Uint8Array): string {
  const path = fresh();
  writeFileSync(path, text);
  return path;
}

function script(name: string, text: string): string {
  const directory = fresh();
  mkdirSync(directory);
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const WORDS = `awk '{ for (i = 1; i <= NF; i++) print $i "\\t1" }'`;
const SUMS = `awk -F'\\t' '$1 != key { if (NR > 1) print key "\\t" sum; key = $1; sum = 0 } { sum += $2 } END { if (NR) print key "\\t" sum }'`;
/** Of the text, for what is counted word by word. */
const LINES = 4_000;
const FRAMEWORK = "Map-Reduce Framework";

test("word count by awk is that of reduceByKey, with and without a combiner; counters add up", () =>
  each(async (s) => {
    const input = file(readFileSync(bible, "utf8").split("\n").slice(0, LINES).join("\n"));
    const counts = await s
      .textFile(input, 3)
      .flatMap((line) => line.split(/[ \t]+/).filter((word) => word !== ""))
      .map((word) => [word, 1])
      .reduceByKey((a, b) => a + b)
      .collect();
    const expected = counts.map(([word, n]) => `${word}\t${n}`).sort();
    const outputs: string[][] = [];
    for (const combiner of [undefined, SUMS]) {
      const output = fresh();
      const { counters } = await s.streaming({
        input,
        output,
        mapper: WORDS,
        combiner,
        reducer: SUMS,
        reducers: 3,
        settings: { "mapreduce.job.maps": "3" },
      });
      expect(linesOf(output).sort()).toEqual(expected);
      const framework = counters[FRAMEWORK]!;
      const words = counts.reduce((sum, [, n]) => sum + n, 0);
      expect(framework["Map input records"]).toBe(LINES);
      expect(framework["Map output records"]).toBe(words);
      expect(framework["Reduce input groups"]).toBe(counts.length);
      expect(framework["Reduce output records"]).toBe(counts.length);
      const moved = combiner === undefined ? words : framework["Combine output records"]!;
      expect(framework["Reduce input records"]).toBe(moved);
      if (combiner !== undefined) expect(moved).toBeLessThan(words / 3);
      expect(existsSync(join(output, "_SUCCESS"))).toBe(true);
      outputs.push(parts(output));
    }
    expect(outputs[1]).toEqual(outputs[0]);
  }));

test("bytes that are no UTF-8 pass as they are, sorted by byte; a line without a tab gets one, as in Hadoop", () =>
  each(async (s) => {
    // Lines of every byte but line ends and tabs.
    const lines = Array.from({ length: 3_000 }, (_, i) =>
      Buffer.from(
        createHash("sha256")
          .update(`line ${i}`)
          .digest()
          .filter((byte) => ![9, 10, 13].includes(byte)),
      ),
    );
    const input = file(Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
    const output = fresh();
    await s.streaming({ input, output, mapper: "cat", reducer: "cat" });
    const sorted = [...lines].sort(Buffer.compare).map((line) => `${line.toString("latin1")}\t`);
    expect(linesOf(output)).toEqual(sorted);
    const plain = fresh();
    const settings = { "mapreduce.output.textoutputformat.separator": "" };
    await s.streaming({ input, output: plain, mapper: ["cat"], settings });
    expect(linesOf(plain)).toEqual(sorted.map((line) => line.slice(0, -1)));
  }));

test("the reducers' parts are those of Hadoop's hash", () =>
  each(async (s) => {
    const input = file("hello\t1\nworld\t2\na\t3\n");
    const output = fresh();
    await s.streaming({ input, output, mapper: "cat", reducer: "cat", reducers: 4 });
    const place = (key: string) => parts(output).findIndex((part) => part.includes(`${key}\t`));
    expect(place("hello")).toBe((31 ** 5 + 99_162_322) % 4);
    expect(place("world")).toBe((31 ** 5 + 113_318_802) % 4);
    expect(place("a")).toBe(128 % 4);
  }));

test.skipIf(!hasPython)(
  "shipped files are beside the command; the environment is Hadoop's; stderr counts and reports",
  () =>
    each(async (s) => {
      const mapper = script(
        "map.py",
        `#!/usr/bin/env python3
import os, sys
names = ["mapreduce_task_ismap", "mapred_task_is_map", "mapreduce_task_partition", "mapred_reduce_tasks", "my_setting", "GREETING"]
stop = set(open("stop-words").read().split())
for line in sys.stdin:
    for word in line.split():
        sys.stderr.write("reporter:counter:words,%s,1\\n" % ("stopped" if word in stop else "kept"))
        if word not in stop: print(word)
sys.stderr.write("reporter:status:read it all\\n")
for name in names: print("%s\\t%s" % (name, os.environ[name]))
print("file\\t" + os.path.basename(os.environ["map_input_file"]))
print("length\\t%s of %s" % (os.environ["mapreduce_map_input_start"], os.environ["map_input_length"]))
print("attempt\\t" + os.environ["mapreduce_task_attempt_id"])
print("same\\t%s" % (os.environ["mapred_task_id"] == os.environ["mapreduce_task_attempt_id"]))
print("cwd\\t" + ",".join(sorted(os.listdir("."))))
`,
      );
      const stop = file("the a\n");
      const input = script("in.txt", "the cat a dog\n");
      const output = fresh();
      const logs: string[] = [];
      const unhear = s.onLog((log) => logs.push(log.text.trim()));
      const { counters } = await s.streaming({
        input,
        output,
        // As it is written where it lies: the shipped one is meant.
        mapper: mapper,
        reducer: "cat",
        reducers: 2,
        files: [mapper, `${stop}#stop-words`],
        env: { GREETING: "good day" },
        settings: { "my.setting": "7" },
      });
      unhear();
      expect(counters.words).toEqual({ stopped: 2, kept: 2 });
      expect(logs).toContain("status: read it all");
      const lines = linesOf(output);
      for (const line of [
        ...[
          "mapreduce_task_ismap\ttrue",
          "mapred_task_is_map\ttrue",
          "mapreduce_task_partition\t0",
          "mapred_reduce_tasks\t2",
        ],
        ...["my_setting\t7", "GREETING\tgood day", "file\tin.txt", "length\t0 of 14", "same\tTrue", "cat\t", "dog\t"],
        "cwd\tmap.py,stop-words,tmp",
      ])
        expect(lines).toContain(line);
      expect(lines.find((line) => line.startsWith("attempt"))).toMatch(/^attempt\tattempt_\d{12}_\d{4}_m_000000_0$/);
    }),
);

test("without reducers what the mapper prints is the output, one part a split", () =>
  each(async (s) => {
    const output = fresh();
    const { counters } = await s.streaming({ input: bible, output, mapper: "grep -c Moses", reducer: "NONE" });
    const total = linesOf(output).reduce((sum, line) => sum + Number(line), 0);
    expect(total).toBe(Number(spawnSync("grep", ["-c", "Moses", bible], { encoding: "utf8" }).stdout));
    expect(parts(output).length).toBeGreaterThan(1);
    expect(counters[FRAMEWORK]).not.toHaveProperty("Reduce input records");
    const none = fresh();
    await s.streaming({ input: bible, output: none, mapper: "wc -l", settings: { "mapred.reduce.tasks": "0" } });
    expect(linesOf(none).reduce((sum, line) => sum + Number(line), 0)).toBe(31_102);
  }));

test("input formats: pairs of a line, n lines a mapper, offsets", () =>
  each(async (s) => {
    const input = file("one\t1\r\ntwo\n\nlast\t2");
    const run = async (
      inputFormat: string,
      settings: Record<string, string> = {},
      mapper: string | undefined = "cat",
    ) => {
      const output = fresh();
      await s.streaming({ input, output, mapper, reducer: "NONE", inputFormat, settings });
      return parts(output);
    };
    expect(await run("TextInputFormat")).toEqual(["one\t1\ntwo\t\n\t\nlast\t2\n"]);
    expect(await run("KeyValueTextInputFormat")).toEqual(["one\t1\ntwo\t\n\t\nlast\t2\n"]);
    expect(await run("KeyValueTextInputFormat", { "key.value.separator.in.input.line": "o" })).toEqual([
      "\tne\t1\ntw\t\n\t\nlast\t2\t\n",
    ]);
    expect(await run("KeyValueTextInputFormat", { "stream.map.input.ignoreKey": "true" })).toEqual([
      "1\t\n\t\n\t\n2\t\n",
    ]);
    expect(await run("TextInputFormat", { "stream.map.input.ignoreKey": "false" }, "tail -n 1")).toEqual([
      "12\tlast\t2\n",
    ]);
    expect(await run("org.apache.hadoop.mapred.lib.NLineInputFormat")).toEqual([
      "0\tone\t1\n",
      "7\ttwo\n",
      "11\t\n",
      "12\tlast\t2\n",
    ]);
    const pairs = { "mapreduce.input.lineinputformat.linespermap": "2", "stream.map.input.ignoreKey": "true" };
    expect(await run("NLineInputFormat", pairs)).toEqual(["one\t1\ntwo\t\n", "\t\nlast\t2\n"]);
    expect(await run("TextInputFormat", {}, "org.apache.hadoop.mapred.lib.IdentityMapper")).toEqual([
      "0\tone\t1\n7\ttwo\n11\t\n12\tlast\t2\n",
    ]);
  }));

test("aggregate: the mapper's keys say how values are put together", () =>
  each(async (s) => {
    const input = file("a 3\nb -7\na 12\nb 4\na 3\n");
    const output = fresh();
    const kinds = [
      "LongValueSum",
      "LongValueMax",
      "longvaluemin",
      "DoubleValueSum",
      "StringValueMax",
      "StringValueMin",
    ];
    const mapper = `awk '{ n = split("${[...kinds, "UniqValueCount", "ValueHistogram"].join(" ")}", k, " "); for (i = 1; i <= n; i++) print k[i] ":" $1 "-" k[i] "\t" $2 }'`;
    const { counters } = await s.streaming({ input, output, mapper, reducer: "aggregate", reducers: 2 });
    expect(linesOf(output).sort()).toEqual(
      [
        ...["a-LongValueSum\t18", "a-LongValueMax\t12", "a-longvaluemin\t3", "a-DoubleValueSum\t18.0"],
        // Texts: "3" is above "12".
        ...["a-StringValueMax\t3", "a-StringValueMin\t12", "a-UniqValueCount\t2"],
        // Two values, of which one stands once and one twice: mean 1.5, deviation 0.5.
        "a-ValueHistogram\t2\t1\t2\t2\t1.5\t0.5",
        ...["b-LongValueSum\t-3", "b-LongValueMax\t4", "b-longvaluemin\t-7", "b-DoubleValueSum\t-3.0"],
        ...[
          "b-StringValueMax\t4",
          "b-StringValueMin\t-7",
          "b-UniqValueCount\t2",
          "b-ValueHistogram\t2\t1\t1\t1\t1.0\t0.0",
        ],
      ].sort(),
    );
    expect(counters[FRAMEWORK]).toMatchObject({ "Reduce input groups": 16, "Reduce output records": 16 });
    for (const [line, message] of [
      ["a\t1", /the key a does not begin with one of LongValueSum:/],
      ["LongValueSum:a\t1.5", /the value "1.5" is no whole number/],
    ] as const)
      await expect(
        s.streaming({ input: file(line), output: fresh(), mapper: "cat", reducer: "aggregate" }),
      ).rejects.toMatchObject({ message: expect.stringMatching(message) });
  }));

test("secondary sort: key of two fields, placed by the first, the second falling", () =>
  each(async (s) => {
    const readings = Array.from({ length: 400 }, (_, i) => `${1900 + ((i * 7) % 20)}.${((i * 7919) % 401) - 200}`);
    const input = file(`${readings.join("\n")}\n`);
    const output = fresh();
    const { counters } = await s.streaming({
      input,
      output,
      mapper: "cat",
      // The first of each year is its greatest.
      reducer: "awk -F. '!seen[$1]++'",
      reducers: 3,
      partitioner: "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
      settings: {
        "stream.map.output.field.separator": ".",
        "stream.num.map.output.key.fields": "2",
        "mapreduce.map.output.key.field.separator": ".",
        "mapreduce.partition.keypartitioner.options": "-k1,1",
        "mapreduce.job.output.key.comparator.class":
          "org.apache.hadoop.mapreduce.lib.partition.KeyFieldBasedComparator",
        "mapreduce.partition.keycomparator.options": "-k1,1n -k2,2nr",
        "mapreduce.output.textoutputformat.separator": "",
      },
    });
    const greatest = new Map<string, number>();
    for (const reading of readings) {
      const [year, degrees] = reading.split(".") as [string, string];
      greatest.set(year, Math.max(greatest.get(year) ?? -1_000, Number(degrees)));
    }
    // Reduce input has a tab behind the key.
    const lines = linesOf(output).map((line) => line.trim());
    expect([...lines].sort()).toEqual([...greatest].map(([year, most]) => `${year}.${most}`).sort());
    expect(counters[FRAMEWORK]!["Reduce input groups"]).toBe(new Set(readings).size);
    for (const part of parts(output)) {
      const years = part
        .split("\n")
        .filter(Boolean)
        .map((line) => Number(line.split(".")[0]));
      expect(years).toEqual([...years].sort((a, b) => a - b));
    }
  }));

describe("what goes wrong", () => {
  test("a failing command is told with its exit code and last words, and leaves no output", () =>
    each(async (s) => {
      const output = fresh();
      const mapper = `sh -c 'head -n 1 > /dev/null; echo "no such table" >&2; exit 3'`;
      const failed = await s.streaming({ input: bible, output, mapper, reducer: "cat" }).catch((error) => error);
      expect(failed).toMatchObject({
        code: "JOB_FAILED",
        message: expect.stringMatching(/exited with code 3; its last words: no such table/),
      });
      expect(causes(failed)).toContainEqual(
        expect.objectContaining({
          code: "COMMAND_FAILED",
          fields: expect.objectContaining({ exitCode: 3, stderr: "no such table" }),
        }),
      );
      expect(existsSync(output)).toBe(false);
    }));

  test("another exit code is no failure where the job says so", () =>
    each(async (s) => {
      const output = fresh();
      await s.streaming({
        input: file("a\nb\n"),
        output,
        mapper: "sh -c 'cat; exit 3'",
        reducer: "cat",
        settings: { "stream.non.zero.exit.is.failure": "false" },
      });
      expect(linesOf(output)).toEqual(["a\t", "b\t"]);
    }));

  test("a command that reads only a part of its input is right to do so", () =>
    each(async (s) => {
      const output = fresh();
      await s.streaming({ input: bible, output, mapper: "cat", reducer: "head -n 3" });
      expect(linesOf(output)).toHaveLength(3);
    }));

  test("an output that exists, commands that are none, settings that cannot be", async () => {
    const s = masters[0] as Session;
    const job = { input: bible, output: fresh(), mapper: "cat", reducer: "cat" };
    await expect(s.streaming({ ...job, output: engine.directory })).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    await expect(s.streaming({ ...job, mapper: "no-such-command-anywhere" })).rejects.toMatchObject({
      message: expect.stringContaining("cannot be started: ENOENT, there is no program no-such-command-anywhere"),
    });
    await expect(s.streaming({ ...job, files: ["/no/such/file"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    for (const [wrong, message] of [
      [{ mapper: "cat | sort" }, /only a shell knows/],
      [{ combiner: "aggregate" }, /class of Hadoop's/],
      [{ inputFormat: "SequenceFileInputFormat" }, /input format SequenceFileInputFormat is not known/],
      [{ partitioner: "TotalOrderPartitioner" }, /partitioner TotalOrderPartitioner is not known/],
      [{ settings: { "mapreduce.job.reduces": "-1" } }, /mapreduce.job.reduces=-1: a whole number/],
      [{ settings: { "stream.non.zero.exit.is.failure": "no" } }, /true or false was expected/],
    ] as const)
      await expect(s.streaming({ ...job, ...wrong })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(message),
      });
    expect(existsSync(job.output)).toBe(false);
  });

  test("a command that does nothing is ended after mapreduce.task.timeout", async () => {
    const s = await engine.open("local[1]", { "task.maxFailures": 1 });
    const settings = { "mapreduce.task.timeout": "300" };
    await expect(
      s.streaming({ input: file("a\n"), output: fresh(), mapper: "sleep 60", settings }),
    ).rejects.toMatchObject({
      message: expect.stringContaining("neither read, wrote nor reported anything for 300 ms"),
    });
  });

  test("a cancelled job ends its commands and what they have started", () =>
    each(async (s) => {
      const pidFile = fresh();
      const output = fresh();
      const stop = new AbortController();
      const mapper = ["sh", "-c", `sleep 300 & echo $! > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait`];
      const job = s.streaming({ input: file("a\n"), output, mapper, reducer: "cat", signal: stop.signal });
      const failed = expect(job).rejects.toMatchObject({ code: "JOB_CANCELLED" });
      await until("the mapper runs", () => existsSync(pidFile));
      const pid = Number(readFileSync(pidFile, "utf8"));
      expect(isAlive(pid)).toBe(true);
      stop.abort();
      await failed;
      await until("its child is gone", () => !isRunning(pid));
      await until("the output is gone", () => !existsSync(output));
      await until("the working directories are gone", () => workDirectories().length === 0);
    }));

  test("a worker that is killed in the middle of a mapper costs nothing but time", async () => {
    const s = await engine.open("local-cluster[2,1,512m]");
    const fault = fresh();
    // Once, in one task: its worker goes, by SIGKILL, and leaves a process behind that would run for minutes.
    const mapper = script(
      "once.sh",
      `#!/bin/sh
if [ "$mapreduce_task_partition" = 1 ] && mkdir ${fault} 2>/dev/null; then
  sleep 300 & echo $! > ${fault}/pid
  kill -9 $PPID
  wait
fi
exec awk '{ print $1 }'
`,
    );
    chmodSync(mapper, 0o644);
    const output = fresh();
    const { counters, summary } = await s.streaming({
      input: bible,
      output,
      mapper,
      reducer: "uniq -c",
      files: [mapper],
    });
    const left = Number(readFileSync(join(fault, "pid"), "utf8"));
    expect(left).toBeGreaterThan(1);
    await until("what the killed worker's command has started is gone", () => !isRunning(left));
    expect(summary!.failedAttempts).toBeGreaterThan(0);
    expect(counters[FRAMEWORK]!["Map input records"]).toBe(31_102);
    const { stdout } = spawnSync(
      "sh",
      ["-c", `awk '{ print $1 }' ${bible} | LC_ALL=C sort | sed 's/$/\\t/' | uniq -c`],
      {
        encoding: "latin1",
        maxBuffer: 1e8,
      },
    );
    expect(parts(output).join("")).toBe(stdout);
  });
});

function causes(error: unknown): unknown[] {
  const all: unknown[] = [];
  for (let at = error; at instanceof Error; at = at.cause) all.push(at);
  return all;
}

/** Not a zombie that nobody has waited for. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return /^[^Z]/.test(stdout.trim());
}

function workDirectories(): string[] {
  return readdirSync(engine.directory, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".work"));
}
