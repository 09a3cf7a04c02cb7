// Every option of a session: its name, how its value is read, its default, its form for messages and help. The one table
// from which types, environment variables, `millrace config` and docs are made.
//
// A table of ours rather than a zod schema: importing zod takes 40 to 70 ms of a program start that shall take 600, and an
// option here is one value read by one function.

import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { isMillraceError, MillraceError } from "./errors.js";
import type { MachineLimits } from "./machine-limits.js";
import { parseMasterUrl } from "./master-url.js";
import { nearestName } from "./nearest-name.js";
import { type PoolDefinitions, parsePools, type SchedulingMode } from "./scheduler-pools.js";
import { parseBytes, parseDuration } from "./sizes.js";

export interface OptionRow<T> {
  /** `what` names the option in errors. */
  parse(value: unknown, what: string): T;
  readonly default: (limits: MachineLimits) => T;
  /** The values it takes, for help. */
  readonly form: string;
  readonly help: string;
}

const size = "a size: 512m, 1.5g, or bytes";
const duration = "a duration: 500ms, 3s, 10min";

/** Fixes a row's type by its parser. */
const row = <T>(
  form: string,
  help: string,
  parse: (value: unknown, what: string) => T,
  fallback: T | ((limits: MachineLimits) => T),
): OptionRow<T> => ({
  parse,
  default: typeof fallback === "function" ? (fallback as (limits: MachineLimits) => T) : () => fallback,
  form,
  help,
});

const bytes = (value: unknown, what: string) => parseBytes(value, { what });

export const optionTable = {
  master: row(
    "a master URL",
    "Where the program runs: local, local[N], local[*], local-cluster[workers,slots,memory], millrace://host:port.",
    parseMaster,
    "local[*]",
  ),
  appName: row("a text", "The session's name in status, logs and events.", parseText, "millrace"),
  secretFile: row<string | null>(
    "a path",
    "File of mode 0600 with the cluster's secret. MILLRACE_SECRET holds the secret itself.",
    parseText,
    null,
  ),
  tls: row<string | null>(
    "a path",
    "Directory with ca.crt, tls.crt and tls.key (`millrace certs` makes it): connections to a running master are encrypted, both ends proven.",
    parseText,
    null,
  ),
  defaultParallelism: row<number | null>(
    "a whole number",
    "Partitions of parallelize and range. By default min(records, 8).",
    count(1),
    null,
  ),
  memory: row(
    `${size}; a plain text number is MB`,
    "Memory of a worker, or of the driver's slots. By default half of what machine and cgroup allow.",
    atLeast(64 * 2 ** 20, "64m", (value, what) => parseBytes(value, { what, plainUnit: "m" })),
    (limits) => Math.floor(limits.memoryBytes / 2),
  ),
  "memory.taskBytes": row<number | null>(
    size,
    "What the operators of one task may hold. By default a slot's share of memory.",
    atLeast(1, "1", bytes),
    null,
  ),
  "memory.watch": row(
    "true or false",
    "End a slot that outgrows its share before the process does.",
    parseBoolean,
    true,
  ),
  localDir: row("a path", "Directory for shuffle, spill and cache files.", parseText, () => tmpdir()),
  "checkpoint.dir": row<string | null>(
    "a path",
    "Directory for checkpoints, as session.setCheckpointDir names it. On several machines it has to be a shared one.",
    parseText,
    null,
  ),
  "task.maxFailures": row("a whole number", "Failed attempts of one task after which its job fails.", count(1), 4),
  "task.timeout": row<number | null>(
    duration,
    "A task that runs longer fails. By default none does.",
    atLeast(1, "1ms", parseDuration),
    null,
  ),
  speculation: row(
    "true or false",
    "Launch a second attempt of a task that is slow beside its stage's others; whichever ends well first counts. Not for tasks of foreach and foreachPartition, whose effects would happen twice.",
    parseBoolean,
    false,
  ),
  "speculation.interval": row(
    duration,
    "How often running tasks are looked at for slow ones.",
    atLeast(1, "1ms", parseDuration),
    100,
  ),
  "speculation.multiplier": row(
    "a number from 1 on",
    "A task is slow when it runs so many times as long as the median of its stage's finished tasks.",
    number(1, Number.MAX_VALUE),
    3,
  ),
  "speculation.quantile": row(
    "a number from 0 to 1",
    "The share of a stage's tasks that must have ended before any is taken for slow.",
    number(0, 1),
    0.9,
  ),
  "speculation.minTaskRuntime": row(duration, "A task that ran shorter is not slow.", parseDuration, 100),
  "speculation.processRateMultiplier": row(
    "a number from 0 to 1",
    "A slow task is left alone while it reads its records at this share of the stage's mean rate, or faster.",
    number(0, 1),
    0.75,
  ),
  "speculation.longRunTaskFactor": row(
    "a number from 1 on",
    "A task that ran so many times as long as a slow one gets its second attempt whatever its rate.",
    number(1, Number.MAX_VALUE),
    2,
  ),
  "exclude.enabled": row(
    "true or false",
    "Keep tasks away from workers on which they failed, while others are there.",
    parseBoolean,
    true,
  ),
  "exclude.timeout": row(
    duration,
    "How long a session keeps away from a worker, and remembers its failures.",
    atLeast(1, "1ms", parseDuration),
    3_600_000,
  ),
  "exclude.task.maxAttemptsPerWorker": row(
    "a whole number",
    "Failed attempts of one task on a worker after which it is not launched there again.",
    count(1),
    1,
  ),
  "exclude.task.maxAttemptsPerNode": row(
    "a whole number",
    "Failed attempts of one task on a node after which it is not launched there again.",
    count(1),
    2,
  ),
  "exclude.stage.maxFailedTasksPerWorker": row(
    "a whole number",
    "Tasks of one stage that failed on a worker after which the stage keeps away from it.",
    count(1),
    2,
  ),
  "exclude.stage.maxFailedWorkersPerNode": row(
    "a whole number",
    "Workers of one node that a stage keeps away from, after which it keeps away from the node.",
    count(1),
    2,
  ),
  "exclude.session.maxFailedTasksPerWorker": row(
    "a whole number",
    "Tasks that failed on a worker, in stages that succeeded in the end, after which the session keeps away from it.",
    count(1),
    2,
  ),
  "exclude.session.maxFailedWorkersPerNode": row(
    "a whole number",
    "Workers of one node that a session keeps away from, after which it keeps away from the node.",
    count(1),
    2,
  ),
  "fetch.retries": row(
    "a whole number",
    "Times that a worker asks again for shuffle blocks when a connection broke, after 100 ms, 1 s, 5 s.",
    count(0),
    3,
  ),
  "locality.wait": row(duration, "How long a task waits for a slot near its data.", parseDuration, 3000),
  "scheduler.mode": row<SchedulingMode>(
    "FIFO or FAIR",
    "How the jobs of a session share its slots: in the order of submission, or by pools.",
    oneOf("FIFO", "FAIR"),
    "FIFO",
  ),
  "scheduler.pools": row<PoolDefinitions>(
    "an object, or its JSON text",
    "Pools of a session whose scheduler.mode is FAIR, by name, each with weight (1), minShare (0) and mode (FIFO).",
    parsePools,
    {},
  ),
  "scheduler.groupTime": row(
    `${duration}; 0s: never`,
    "Short tasks that read shuffles are launched several at once, neighbouring partitions, when together they are expected to take so long at most. Each stays a task with a result of its own.",
    parseDuration,
    20,
  ),
  "scheduler.workerTimeout": row(duration, "How long a job waits for a first worker.", parseDuration, 60_000),
  "decommission.timeout": row(
    duration,
    "How long a worker that is told to go may take to finish its tasks and to give what it holds to others.",
    parseDuration,
    120_000,
  ),
  "worker.heartbeat": row(
    duration,
    "How often a worker says that it is there, and the master that it heard so.",
    atLeast(10, "10ms", parseDuration),
    1_000,
  ),
  "worker.heartbeatTimeout": row(
    duration,
    "A worker that is silent for so long is lost; a worker to which its master is silent for so long looks for it anew. Longer than worker.heartbeat.",
    atLeast(100, "100ms", parseDuration),
    30_000,
  ),
  "driver.heartbeatTimeout": row(
    duration,
    "A driver that is silent for so long is gone (the master's option), or a master to its driver (the session's). Heartbeats come every 2 s.",
    atLeast(4_000, "4s", parseDuration),
    60_000,
  ),
  "driver.maxResultSize": row(
    `${size}; 0 for no limit`,
    "Encoded results of one job above which it fails.",
    bytes,
    2 ** 30,
  ),
  "shuffle.flushBytes": row(
    size,
    "Encoded bytes at which a map side combine writes out what it holds.",
    atLeast(1024, "1k", bytes),
    32 * 2 ** 20,
  ),
  "shuffle.localReads": row(
    "true or false",
    "Read blocks of workers on the same machine from their files.",
    parseBoolean,
    true,
  ),
  "shuffle.compress": row<boolean | null>(
    "true, false or auto",
    "Compress shuffle blocks of 4 KiB and more. auto, the default: only where they may travel between machines.",
    (value, what) => (value === "auto" ? null : parseBoolean(value, what)),
    null,
  ),
  "shuffle.checksum": row(
    "true or false",
    "Sum up the records of each map output: one that is computed again and differs starts its readers over.",
    parseBoolean,
    true,
  ),
  "fetch.maxBytesInFlight": row(
    size,
    "Bytes of other workers that a worker process has fetched and its tasks have not taken.",
    atLeast(1024, "1k", bytes),
    48 * 2 ** 20,
  ),
  "driver.maxResultsAhead": row(
    size,
    "Results that may wait for the driver; while more do, a job starts no further tasks that make results.",
    atLeast(1, "1", bytes),
    128 * 2 ** 20,
  ),
  "disk.minFree": row(
    `${size}; 0: not checked`,
    "A worker whose local directory has less free space gets no new tasks.",
    bytes,
    256 * 2 ** 20,
  ),
  "join.skew.enabled": row(
    "true or false",
    "Divide the records of a join's far too large partitions among several tasks.",
    parseBoolean,
    true,
  ),
  "join.skew.factor": row(
    "a number from 1 on",
    "A partition larger than so many times the median, and than join.skew.threshold, is skewed.",
    number(1, Number.MAX_VALUE),
    5,
  ),
  "join.skew.threshold": row(
    size,
    "No smaller partition is skewed; about what one task reads of a divided one.",
    atLeast(1, "1", bytes),
    64 * 2 ** 20,
  ),
  "eventLog.enabled": row("true or false", "Write an event log of the session.", parseBoolean, true),
  "eventLog.dir": row(
    "a path",
    "Directory of event logs, on the machine of the master: one that was started by hand takes it by --event-log-dir.",
    parseText,
    () => join(homedir(), ".millrace", "events"),
  ),
  "eventLog.rolling": row("true or false", "Go on in another file when one is full.", parseBoolean, true),
  "eventLog.maxFileSize": row(
    size,
    "An event log's file of about this size is full.",
    atLeast(64 * 2 ** 10, "64k", bytes),
    128 * 2 ** 20,
  ),
  "eventLog.compress": row("true or false", "Compress event logs (zstd).", parseBoolean, false),
  "log.level": row(
    "error, warn, info or debug",
    "The least severe message that is logged. A master and a worker that are started by hand log info where nothing is given.",
    oneOf("error", "warn", "info", "debug"),
    "warn",
  ),
} as const satisfies Readonly<Record<string, OptionRow<unknown>>>;

/** The name of an option: "memory", "task.maxFailures", ... docs/options.md lists all. */
export type OptionName = keyof typeof optionTable;
/** Compiled values: sizes in bytes, durations in milliseconds, null = not limited, or decided elsewhere. */
export type OptionValues = { readonly [K in OptionName]: ReturnType<(typeof optionTable)[K]["default"]> };

export const optionNames = Object.keys(optionTable) as OptionName[];

/** In millrace.json such an option's value is an object as it stands, not a group of options. */
export function takesObject(name: string): boolean {
  return name === "scheduler.pools";
}

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(optionTable, name);
}

function parseMaster(value: unknown, what: string): string {
  try {
    parseMasterUrl(value);
    return (value as string).trim();
  } catch (error) {
    // Where it stands: a URL may come from a file or a variable that nobody thinks of.
    if (!isMillraceError(error)) throw error;
    throw new MillraceError(error.code, `${what}: ${error.message}`, { fields: { what, ...error.fields } });
  }
}

function parseText(value: unknown, what: string): string {
  if (typeof value === "string" && value.trim() !== "") return value;
  throw invalid(what, value, "a text that is not empty");
}

function parseBoolean(value: unknown, what: string): boolean {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw invalid(what, value, "true or false");
}

function count(least: number) {
  return (value: unknown, what: string): number => {
    const number = typeof value === "string" && /^\d+$/.test(value.trim()) ? Number(value) : value;
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= least) return number;
    throw invalid(what, value, `a whole number from ${least} on`);
  };
}

function number(least: number, most: number) {
  return (value: unknown, what: string): number => {
    const read = typeof value === "string" && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
    if (typeof read === "number" && read >= least && read <= most) return read;
    throw invalid(
      what,
      value,
      most < Number.MAX_VALUE ? `a number from ${least} to ${most}` : `a number from ${least} on`,
    );
  };
}

function atLeast(least: number, shown: string, parse: (value: unknown, what: string) => number) {
  return (value: unknown, what: string): number => {
    const number = parse(value, what);
    if (number >= least) return number;
    throw invalid(what, value, `at least ${shown}`);
  };
}

function oneOf<const T extends string>(...values: readonly T[]) {
  return (value: unknown, what: string): T => {
    const found = values.find((allowed) => allowed === value);
    if (found !== undefined) return found;
    const nearest = typeof value === "string" ? nearestName(value, values) : undefined;
    throw invalid(what, value, `one of ${values.join(", ")}`, nearest);
  };
}

function invalid(what: string, value: unknown, expected: string, nearest?: string): MillraceError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return new MillraceError("INVALID_OPTION", `${what}: ${shown} cannot be read, ${expected} was expected${hint}`, {
    fields: { what, value: shown },
  });
}
