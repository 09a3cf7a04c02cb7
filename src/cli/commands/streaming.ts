// `millrace streaming`: a map/reduce job of commands, with Hadoop streaming's arguments. What Hadoop's settings say of the
// whole job (its name, attempts, speculation) become options of the session; counters are printed at the end as Hadoop does.

import type { Counters } from "../../mapreduce/counters.js";
import { parseStreamingArguments } from "../streaming-arguments.js";
import { applyConf, applyFlags, showProgress, standInForProgram } from "./run.js";

export async function streaming(args: readonly string[]): Promise<void> {
  const { job, master, secretFile, tls, conf, verbose, progress } = parseStreamingArguments(args);
  applyConf(sessionOptions(job.settings ?? {}));
  applyFlags({ master, secretFile, tls, conf, progress });
  standInForProgram("streaming", "streaming");
  if (progress && process.stderr.isTTY) await showProgress();
  const { Session } = (await import(new URL("./index.js", import.meta.url).href)) as typeof import("../../index.js");
  const session = await Session.open();
  try {
    const { counters, elapsedMs, summary } = await session.streaming(job);
    process.stderr.write(formatCounters(counters));
    if (verbose && summary !== null)
      process.stderr.write(
        `${summary.stages} stages, ${summary.tasks} tasks, ${summary.failedAttempts} failed attempts, ${(elapsedMs / 1000).toFixed(1)} s\n`,
      );
    process.stderr.write(`Output directory: ${job.output}\n`);
  } finally {
    await session.stop();
  }
}

/** Hadoop's settings that hold for a session here, each as `name=value`. */
export function sessionOptions(settings: Readonly<Record<string, string>>): string[] {
  const either = (...names: readonly string[]) =>
    names.map((name) => settings[name]).filter((one) => one !== undefined);
  const name = either("mapreduce.job.name", "mapred.job.name").at(-1);
  const attempts = either(
    ...["mapreduce.map.maxattempts", "mapreduce.reduce.maxattempts"],
    ...["mapred.map.max.attempts", "mapred.reduce.max.attempts"],
  ).map(Number);
  const speculative = either(
    ...["mapreduce.map.speculative", "mapreduce.reduce.speculative"],
    ...["mapred.map.tasks.speculative.execution", "mapred.reduce.tasks.speculative.execution"],
  );
  return [
    ...(name === undefined ? [] : [`appName=${name}`]),
    ...(attempts.length === 0 ? [] : [`task.maxFailures=${Math.max(...attempts)}`]),
    ...(speculative.length === 0 ? [] : [`speculation=${speculative.includes("true")}`]),
  ];
}

/** As the client of Hadoop prints them. */
export function formatCounters(counters: Counters): string {
  const groups = Object.entries(counters).sort(([a], [b]) => (a < b ? -1 : 1));
  const count = groups.reduce((sum, [, names]) => sum + Object.keys(names).length, 0);
  const lines = groups.flatMap(([group, names]) => [
    `\t${group}`,
    ...Object.entries(names).map(([name, amount]) => `\t\t${name}=${amount}`),
  ]);
  return `${[`Counters: ${count}`, ...lines].join("\n")}\n`;
}
