// Hadoop streaming's command line, as it is written in Hadoop's own documentation and in scripts.

import { expect, test } from "vitest";
import { formatCounters, sessionOptions } from "../../src/cli/commands/streaming.js";
import { parseStreamingArguments } from "../../src/cli/streaming-arguments.js";

test("a call of the documentation, with one dash or two, in any order", () => {
  const words = [
    ...["-D", "stream.map.output.field.separator=.", "-Dmapreduce.job.reduces=12"],
    ...["-input", "a", "b", "-input", "c,d/{x,y}", "-output", "out"],
    ...["-mapper", "cat -n", "-reducer", "org.apache.hadoop.mapred.lib.IdentityReducer"],
    ...["-partitioner", "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner"],
    ...["-file", "x.py", "-files", "y.py,z.py#w", "-cmdenv", "A=b=c", "-numReduceTasks", "3", "-verbose"],
    ...["-master", "local[2]", "-conf", "memory=2g", "-tls", "certs"],
  ];
  const parsed = parseStreamingArguments(words);
  expect(parsed).toEqual({
    job: {
      input: ["a", "b", "c", "d/{x,y}"],
      output: "out",
      mapper: "cat -n",
      reducer: "org.apache.hadoop.mapred.lib.IdentityReducer",
      combiner: undefined,
      reducers: 3,
      files: ["x.py", "y.py", "z.py#w"],
      env: { A: "b=c" },
      settings: { "stream.map.output.field.separator": ".", "mapreduce.job.reduces": "12" },
      partitioner: "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
      inputFormat: undefined,
    },
    master: "local[2]",
    secretFile: undefined,
    tls: "certs",
    conf: ["memory=2g"],
    verbose: true,
    progress: true,
  });
  expect(parseStreamingArguments(words.map((word) => (/^-[a-z]/.test(word) ? `-${word}` : word)))).toEqual(parsed);
});

test.each([
  [["-output", "o", "-mapper", "cat"], /-input is missing/],
  [["-input", "i", "-mapper", "cat"], /-output is missing/],
  [["-input", "i", "-output"], /-output: a value must follow/],
  [["-input", "i", "-output", "o", "-output", "p"], /-output stands twice/],
  [["-input", "i", "-output", "o", "-maper", "cat"], /no option -maper; did you mean -mapper\?/],
  [["-input", "i", "-output", "o", "-mapper", "awk", "{print}"], /\{print\} is no option.*quote a command/],
  [["-input", "i", "-output", "o", "-cmdenv", "A"], /-cmdenv A: name=value was expected/],
  [["-input", "i", "-output", "o", "-numReduceTasks", "x"], /-numReduceTasks x: a whole number/],
  [["-input", "i", "-output", "o", "-outputformat", "SequenceFileOutputFormat"], /TextOutputFormat is the one/],
  [["-input", "i", "-output", "o", "-libjars", "x.jar"], /-libjars is Hadoop's, not millrace's: there are no Java/],
])("%j is refused", (words, message) => {
  expect(() => parseStreamingArguments(words)).toThrow(message);
});

test("settings of the whole job become options of the session", () => {
  expect(sessionOptions({})).toEqual([]);
  expect(
    sessionOptions({
      "mapreduce.job.name": "x",
      "mapreduce.map.maxattempts": "2",
      "mapreduce.reduce.maxattempts": "6",
      "mapred.map.tasks.speculative.execution": "false",
      "mapreduce.reduce.speculative": "true",
    }),
  ).toEqual(["appName=x", "task.maxFailures=6", "speculation=true"]);
});

test("counters are printed as Hadoop's client prints them", () => {
  expect(formatCounters({ words: { long: 2, short: 3 }, Framework: { "Map input records": 5 } })).toBe(
    "Counters: 3\n\tFramework\n\t\tMap input records=5\n\twords\n\t\tlong=2\n\t\tshort=3\n",
  );
});
