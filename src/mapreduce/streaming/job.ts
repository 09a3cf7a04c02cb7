// A streaming job: Hadoop's map/reduce with commands of the system in place of functions. What the user asks for is checked
// here and becomes RDDs: lines of the input, pairs that the mapper prints, one sorted exchange, lines that the reducer prints.

import { MillraceError } from "../../core/errors.js";
import type { JobSummary } from "../../protocol/driver.js";
import type { RDD } from "../../rdd/rdd.js";
import type { RddSession } from "../../rdd/session.js";
import { invalidArgument, requirePartitions, requireText } from "../../session/arguments.js";
import { DriverTaskHandle } from "../../session/task-handle.js";
import { type Counters, countersDefinition } from "../counters.js";
import { splitCommand } from "./command-line.js";
import { parseKeyFields, sortKeyOf } from "./key-fields.js";
import { type InputForm, mapTask } from "./map-task.js";
import type { Cut, Pair } from "./pairs.js";
import { reducerOf, type StreamingPartitioner } from "./partitioning.js";
import { reduceTask } from "./reduce-task.js";
import { Settings, wrong } from "./settings.js";
import { readShippedFiles } from "./shipped-files.js";
import type { TaskSetup } from "./task-commands.js";

/** A command as one text, cut into words as a shell does (no shell runs), or its words. */
export type StreamingCommand = string | readonly string[];

export interface StreamingJob {
  /** Files, directories or globs, as `session.textFile` takes them. */
  readonly input: string | readonly string[];
  /** A directory that is not there yet. */
  readonly output: string;
  /** Gets the lines on its stdin; each line that it prints is a key, a tab and a value. Left out: pairs of offset and line. */
  readonly mapper?: StreamingCommand | undefined;
  /** Gets `key tab value` lines in the order of their keys. "NONE": what mappers print is the output. Left out: it is sorted. */
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
  readonly signal?: AbortSignal | undefined;
}

export interface StreamingResult {
  readonly counters: Counters;
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
    reducer: job.reducer === "NONE" ? null : commandOf("reducer", job.reducer, files, "IdentityReducer"),
  };
  const asked = job.reducers ?? settings.whole("mapreduce.job.reduces", 0) ?? 1;
  const reducers = job.reducer === "NONE" || asked === 0 ? 0 : requirePartitions("streaming", "reducers", asked);
  const placing = placingOf(job, settings);
  const form = inputForm(job, settings, commands.mapper === null);
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
  try {
    await result.saveAsTextFile(output, {
      encoding: "latin1",
      compression: gzip ? "gzip" : "none",
      signal: job.signal,
    });
    return { counters: counters.value, elapsedMs: performance.now() - started, summary: session.lastJob };
  } finally {
    shipped.destroy();
  }
}

/** null where Hadoop's `identity` is meant. */
function commandOf(
  what: string,
  given: StreamingCommand | undefined,
  files: readonly string[],
  identity: string | null,
): readonly string[] | null {
  if (given === undefined) return null;
  if (identity !== null && typeof given === "string" && given.split(".").at(-1) === identity) return null;
  const words = typeof given === "string" ? splitCommand(given, what) : given;
  if (!Array.isArray(words) || words.length === 0 || words.some((word) => typeof word !== "string" || word === ""))
    throw invalidArgument("streaming", what, "a text or an array of texts, the program first", given);
  const [program, ...rest] = words as [string, ...string[]];
  if (program === "aggregate" || /^org\.apache\.hadoop\./.test(program))
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the ${what} ${program} is a class of Hadoop's; a command is due, such as awk or a script of your own (-files)`,
      { fields: { argument: what, command: program } },
    );
  // A path of a file that goes along is the file beside the command.
  const along = files.map((file) => file.split("#")).find(([path]) => path === program);
  return along === undefined ? words : [`./${along[1] ?? program.split("/").at(-1)}`, ...rest];
}

function cutOf(settings: Settings, side: "map" | "reduce"): Cut {
  return {
    separator: settings.separator(`stream.${side}.output.field.separator`),
    fields: settings.whole(`stream.num.${side}.output.key.fields`, 0) ?? 1,
  };
}

function inputForm(
  job: StreamingJob,
  settings: Settings,
  identity: boolean,
): { readonly input: InputForm; readonly read: object } {
  const format = job.inputFormat?.split(".").at(-1) ?? "TextInputFormat";
  if (!["TextInputFormat", "KeyValueTextInputFormat", "NLineInputFormat"].includes(format))
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the input format ${job.inputFormat} is not known; TextInputFormat, KeyValueTextInputFormat and NLineInputFormat are`,
      { fields: { inputFormat: String(job.inputFormat) } },
    );
  const key = format === "KeyValueTextInputFormat" ? "field" : "offset";
  const givesKey = !(settings.flag("stream.map.input.ignoreKey") ?? format === "TextInputFormat");
  const linesPerPartition =
    format === "NLineInputFormat" ? (settings.whole("mapreduce.input.lineinputformat.linespermap", 1) ?? 1) : undefined;
  const keepEnds = key === "offset" && (givesKey || identity);
  return {
    input: {
      key,
      givesKey: givesKey || key === "field",
      keyEnd: settings.separator("mapreduce.input.keyvaluelinerecordreader.key.value.separator"),
      separator: settings.separator("stream.map.input.field.separator"),
    },
    read: {
      encoding: "latin1",
      keepEnds,
      linesPerPartition,
      minPartitions: settings.whole("mapreduce.job.maps", 1),
    },
  };
}

interface Placing {
  readonly partitioner: StreamingPartitioner;
  /** What keys are ordered by; null: their bytes. */
  readonly fields: ReturnType<typeof parseKeyFields> | null;
  readonly separator: string;
}

function placingOf(job: StreamingJob, settings: Settings): Placing {
  const separator = settings.separator("mapreduce.map.output.key.field.separator");
  const named = job.partitioner?.split(".").at(-1) ?? settings.className("mapreduce.job.partitioner.class");
  if (named !== undefined && named !== "HashPartitioner" && named !== "KeyFieldBasedPartitioner")
    throw new MillraceError(
      "INVALID_ARGUMENT",
      `streaming: the partitioner ${named} is not known; HashPartitioner and KeyFieldBasedPartitioner are`,
      { fields: { partitioner: named } },
    );
  const count = settings.whole("mapreduce.partition.keypartitioner.fields", 1);
  const setting = "mapreduce.partition.keypartitioner.options";
  const options = count === undefined ? (settings.text(setting) ?? "") : `-k1,${count}`;
  const comparator = "mapreduce.job.output.key.comparator.class";
  const compares = settings.className(comparator);
  if (compares !== undefined && compares !== "KeyFieldBasedComparator")
    throw wrong(comparator, settings.text(comparator) as string, "KeyFieldBasedComparator is the one that is known");
  const order = "mapreduce.partition.keycomparator.options";
  const fields = compares === undefined ? [] : parseKeyFields(settings.text(order) ?? "", order);
  return {
    partitioner:
      named === "KeyFieldBasedPartitioner"
        ? { kind: "keyFields", fields: parseKeyFields(options, setting), separator }
        : { kind: "hash" },
    fields: fields.length === 0 ? null : fields,
    separator,
  };
}

/** Pairs by reducer, in the order of their keys; with a comparator as [[reducer, ...sort key], pair]. */
function exchanged(pairs: RDD<readonly Pair[]>, placing: Placing, partitions: number): RDD<unknown> {
  const { partitioner, fields, separator } = placing;
  if (fields === null) {
    return pairs
      .flatMap<string, string>(itself)
      .repartitionAndSortWithinPartitions({ partitions, by: (key, n) => reducerOf(key, partitioner, n) });
  }
  const placed = (batch: readonly Pair[]) =>
    batch.map((pair) => {
      const place = [reducerOf(pair[0], partitioner, partitions), ...sortKeyOf(pair[0], fields, separator)];
      return [place, pair] as const;
    });
  return pairs
    .flatMap<readonly (number | string | null)[], Pair>(placed)
    .repartitionAndSortWithinPartitions({ partitions, by: (place) => place[0] as number });
}

function itself<T>(batch: readonly T[]): readonly T[] {
  return batch;
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
