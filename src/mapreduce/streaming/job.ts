// A streaming job: Hadoop's map/reduce with commands of the system in place of functions. What the user asks for is checked
// here and becomes RDDs: lines of the input, pairs that the mapper prints, one sorted exchange, lines that the reducer prints.

import type { JobSummary } from "../../protocol/driver.js";
import { whenEnded } from "../../rdd/operations/run-action.js";
import type { RddSession } from "../../rdd/session.js";
import { invalidArgument, requirePartitions, requireText } from "../../session/arguments.js";
import { DriverTaskHandle } from "../../session/task-handle.js";
import { type Counters, countersDefinition } from "../counters.js";
import { commandOf, type StreamingCommand } from "./commands.js";
import { inputForm } from "./input-format.js";
import { mapTask } from "./map-task.js";
import { type Cut, itself, type Pair } from "./pairs.js";
import { exchanged, placingOf } from "./placing.js";
import { type ReduceTask, reduceTask } from "./reduce-task.js";
import { Settings, wrong } from "./settings.js";
import { readShippedFiles } from "./shipped-files.js";
import type { TaskSetup } from "./task-commands.js";

/** A job whose mapper and reducer are commands: `session.streaming` has an example. `input`, `output` and `mapper` are needed. */
export interface StreamingJob {
  /** Files, directories or globs, as `session.textFile` takes them. */
  readonly input: string | readonly string[];
  /** A directory that is not there yet. */
  readonly output: string;
  /** Gets the lines on its stdin; each line that it prints is a key, a tab and a value. Left out: pairs of offset and line. */
  readonly mapper?: StreamingCommand | undefined;
  /**
   * Gets `key tab value` lines in the order of their keys. "NONE": what mappers print is the output.
   * "aggregate": Hadoop's ready-made ones, which a mapper chooses by keys such as `LongValueSum:words`. Left out: it is sorted.
   */
  readonly reducer?: StreamingCommand | undefined;
  /** A reducer for parts of a mapper's output, before it is moved; any number of times. */
  readonly combiner?: StreamingCommand | undefined;
  /** Default: the setting mapreduce.job.reduces, else 1. */
  readonly reducers?: number | undefined;
  /** Put into every task's working directory by their names, executable; `path#name` for another name. */
  readonly files?: readonly string[] | undefined;
  /** Added to the commands' environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** TextInputFormat (default), KeyValueTextInputFormat or NLineInputFormat, with or without their package. */
  readonly inputFormat?: string | undefined;
  /** HashPartitioner (default) or KeyFieldBasedPartitioner, with or without their package. */
  readonly partitioner?: string | undefined;
  /** Hadoop's settings by name; docs/hadoop-users.md lists those that do something. All are in the commands' environment. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Cancels the job when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** What a streaming job gives when it has ended. */
export interface StreamingResult {
  /** By group, then by name: those of the framework, and what commands reported by `reporter:counter:` lines on stderr. */
  readonly counters: Counters;
  /** Milliseconds from the call to the end, committing the output included. */
  readonly elapsedMs: number;
  /** What ran where. */
  readonly summary: JobSummary | null;
}

const DEFAULT_TIMEOUT_MS = 600_000;
let submitted = 0;

/** Rejects as actions do (JOB_FAILED with COMMAND_FAILED inside), with INVALID_ARGUMENT, PATH_NOT_FOUND and OUTPUT_EXISTS. */
export async function runStreaming(session: RddSession, job: StreamingJob): Promise<StreamingResult> {
  const started = performance.now();
  if (typeof job !== "object" || job === null) throw invalidArgument("streaming", "job", "an object", job);
  const inputs = typeof job.input === "string" ? [job.input] : job.input;
  if (!Array.isArray(inputs) || inputs.length === 0)
    throw invalidArgument("streaming", "input", "a path or an array of paths", job.input);
  const output = requireText("streaming", "output", job.output);
  const settings = new Settings(job.settings ?? {});
  const files = job.files ?? [];
  const commands = {
    mapper: commandOf("mapper", job.mapper, files, "IdentityMapper"),
    combiner: commandOf("combiner", job.combiner, files, null),
    reducer: reducerOf(job.reducer, files),
  };
  const asked = job.reducers ?? settings.whole("mapreduce.job.reduces", 0) ?? 1;
  const reducers = job.reducer === "NONE" || asked === 0 ? 0 : requirePartitions("streaming", "reducers", asked);
  const placing = placingOf(job.partitioner, settings);
  const form = inputForm(job.inputFormat, settings, commands.mapper === null);
  const shipped = session.broadcast(readShippedFiles(files, process.cwd()));
  const counters = session.accumulator("streaming counters", countersDefinition);
  const timeout = settings.whole("mapreduce.task.timeout", 0) ?? DEFAULT_TIMEOUT_MS;
  const setup: TaskSetup = {
    identity: {
      stamp: new Date().toISOString().replace(/\D/g, "").slice(0, 12),
      number: String(++submitted).padStart(4, "0"),
      name: settings.text("mapreduce.job.name") ?? session.appName,
      reducers,
      inputs,
      output,
    },
    settings: settings.all,
    env: job.env ?? {},
    files: shipped,
    counters,
    task: new DriverTaskHandle(),
    timeoutMs: timeout === 0 ? null : timeout,
    failsByCode: settings.flag("stream.non.zero.exit.is.failure") ?? true,
    reporterPrefix: settings.text("stream.stderr.reporter.prefix") ?? "reporter:",
  };
  const mapOutput = cutOf(settings, "map");
  const reduceInput = settings.separator("stream.reduce.input.field.separator");
  const reduceOutput = cutOf(settings, "reduce");
  const written = settings.separator("mapreduce.output.textoutputformat.separator");
  const lines = session.textFile(inputs, form.read);
  const pairs = lines.mapPartitionsWithIndex<readonly Pair[]>(
    mapTask({
      setup,
      mapper: commands.mapper,
      combiner: reducers === 0 ? null : commands.combiner,
      input: form.input,
      output: mapOutput,
      combinerInput: reduceInput,
      combinerOutput: reduceOutput,
    }),
  );
  const result =
    reducers === 0
      ? pairs.flatMap<string>(printed(written))
      : exchanged(pairs, placing, reducers)
          .mapPartitionsWithIndex<readonly string[]>(
            reduceTask({
              setup,
              reducer: commands.reducer,
              input: reduceInput,
              output: reduceOutput,
              written,
              placed: placing.fields !== null,
            }),
          )
          .flatMap<string>(itself);
  const gzip = settings.flag("mapreduce.output.fileoutputformat.compress") ?? false;
  checkCodec(settings, gzip);
  let summary: JobSummary | null = null;
  try {
    await result.saveAsTextFile(output, {
      [whenEnded]: (known) => (summary = known),
      encoding: "latin1",
      compression: gzip ? "gzip" : "none",
      signal: job.signal,
    });
    return { counters: counters.value, elapsedMs: performance.now() - started, summary };
  } finally {
    shipped.destroy();
  }
}

function reducerOf(given: StreamingCommand | undefined, files: readonly string[]): ReduceTask["reducer"] {
  if (given === "NONE") return null;
  if (given === "aggregate") return "aggregate";
  return commandOf("reducer", given, files, "IdentityReducer");
}

function cutOf(settings: Settings, side: "map" | "reduce"): Cut {
  return {
    separator: settings.separator(`stream.${side}.output.field.separator`),
    fields: settings.whole(`stream.num.${side}.output.key.fields`, 0) ?? 1,
  };
}

function printed(separator: string) {
  return (batch: readonly Pair[]): string[] => batch.map(([key, value]) => key + separator + value);
}

function checkCodec(settings: Settings, gzip: boolean): void {
  const name = "mapreduce.output.fileoutputformat.compress.codec";
  const codec = settings.text(name);
  if (gzip && codec !== undefined && settings.className(name) !== "GzipCodec")
    throw wrong(name, codec, "GzipCodec is the one that is known");
}
