// `millrace status --history`: the sessions of an event log directory as a list, or one of them in detail, as tables or as JSON.

import { MillraceError } from "../../core/errors.js";
import { resolveOptions } from "../../core/options.js";
import { formatBytes, formatDuration } from "../../core/sizes.js";
import { recordsReadIn, shuffleBytesReadIn, type TaskMetrics } from "../../core/task-metrics.js";
import type { FailureHistory, StageHistory, TaskHistory } from "../../events/history.js";
import { type HistoryList, listHistory, type ReadHistory, readHistory } from "../../events/history-list.js";
import type { StatusFlags } from "../flags.js";
import { formatNamedValue } from "../named-values.js";
import { parseWhole } from "../numbers.js";
import { formatCount } from "../progress-bar.js";
import { table } from "../tables.js";

/** Sessions that a list shows when nothing else is asked for. */
const DEFAULT_LIMIT = 20;
/** Tasks and failures that are shown of a session. */
const SHOWN = 10;

export async function history(flags: StatusFlags): Promise<void> {
  const directory = flags.eventLogDir ?? resolveOptions({ environment: process.env }).values["eventLog.dir"];
  if (typeof flags.history === "string") {
    const session = await readHistory(directory, flags.history);
    write(flags.json === true, session, () => formatHistory(session));
    return;
  }
  const limit = flags.limit === undefined ? DEFAULT_LIMIT : parseWhole(flags.limit, "--limit", 1, 1_000_000);
  const list = await listHistory(directory, limit);
  write(flags.json === true, list, () => formatList(list, directory));
}

function write(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : text());
}

export function formatList({ sessions, unreadable }: HistoryList, directory: string): string {
  const rows = sessions.map((one) => [
    one.session,
    one.appName,
    timeOf(one.startedMs),
    one.endedMs === null ? `no end, ${formatDuration(one.elapsedMs)} so far` : formatDuration(one.elapsedMs),
    one.failedJobs === 0 ? String(one.jobs) : `${one.jobs}, ${one.failedJobs} failed`,
    one.failedAttempts === 0
      ? formatCount(one.tasks)
      : `${formatCount(one.tasks)}, ${one.failedAttempts} attempts failed`,
    formatCount(one.metrics.inputRecords),
    formatBytes(one.metrics.inputBytes),
    formatBytes(one.metrics.outputBytes),
    formatBytes(one.metrics.shuffleWriteBytes),
  ]);
  const head = ["session", "name", "started", "took", "jobs", "tasks", "records in", "in", "out", "shuffled"];
  const problems = unreadable.map(({ path, problem }) => `not readable: ${path}: ${problem}\n`);
  return `${table(`Sessions in ${directory}`, head, rows)}${problems.join("")}`;
}

export function formatHistory(session: ReadHistory): string {
  const { startedMs, endedMs, lastMs, log, jobs, stages, failures } = session;
  const took = formatDuration((endedMs ?? lastMs) - startedMs);
  const end = endedMs === null ? `no end in its log, ${took} so far` : `took ${took}`;
  const error = session.error === null ? "" : `  ended by ${session.error.code}: ${session.error.message}\n`;
  const parts = [
    `${session.session} "${session.appName}" on ${session.master}, millrace ${session.millrace}\n` +
      `  began ${timeOf(startedMs)}, ${end}; ${jobs.length} jobs, ${jobs.filter((job) => job.error !== null).length} failed\n` +
      `${error}${formatSums(session.metrics)}${formatLog(log)}`,
    table(
      "Jobs",
      ["job", "action", "group", "took", "tasks", "failed", "in", "out", "shuffled", "spilled", "end"],
      jobs.map((job) => [
        job.job,
        `${job.action} at ${job.callSite.replace(/^\S+ at /, "")}`,
        [job.group, job.description].filter((text) => text !== null).join(": "),
        job.elapsedMs === null ? "" : formatDuration(job.elapsedMs),
        job.tasks,
        job.failedAttempts,
        formatBytes(job.metrics.inputBytes),
        formatBytes(job.metrics.outputBytes),
        formatBytes(job.metrics.shuffleWriteBytes),
        formatBytes(job.metrics.diskBytesSpilled),
        job.endedMs === null ? "none in the log" : (job.error?.code ?? "ok"),
      ]),
    ),
    table(
      "Stages",
      ["stage", "job", "name", "tasks", "failed", "median", "max", "max/median", "cpu", "gc", "records", "spilled"],
      stages.map(stageRow),
    ),
    table("Slowest tasks", slowestHead, slowestOf(stages)),
    table(
      "Workers",
      ["id", "role", "node", "tasks", "ran", "end"],
      session.workers.map((worker) => [
        worker.worker,
        worker.role,
        worker.node,
        worker.tasks,
        formatDuration(worker.runMs),
        worker.lostMs === null ? "" : `lost: ${worker.reason}`,
      ]),
    ),
  ];
  const values = jobs.flatMap((job) =>
    job.accumulators.map((value) => `  job ${job.job}: ${formatNamedValue(value)}\n`),
  );
  if (values.length > 0) parts.push(`Accumulators\n${values.join("")}`);
  if (session.skew.length > 0) {
    const lines = session.skew.map(
      ({ stage, exchange, partition, bytes, medianBytes, key }) =>
        `  stage ${stage}: partition ${partition} of ${exchange} has ${formatBytes(bytes)}, the median ${formatBytes(medianBytes)}${key === null ? "" : `; its most frequent key is ${key}`}\n`,
    );
    parts.push(`Skew\n${lines.join("")}`);
  }
  if (failures.length > 0)
    parts.push(`Failures (${session.failuresInAll})\n${failures.slice(0, SHOWN).map(failureOf).join("")}`);
  return parts.join("\n");
}

function stageRow(stage: StageHistory): (string | number)[] {
  const { runTime, metrics } = stage;
  return [
    stage.stage,
    stage.job,
    stage.name,
    `${stage.succeeded} of ${stage.tasks}`,
    stage.failed + stage.fetchFailed,
    runTime === null ? "" : formatDuration(runTime.median),
    runTime === null ? "" : formatDuration(runTime.max),
    runTime === null ? "" : runTime.skew.toFixed(1),
    formatDuration(metrics.executorCpuTime),
    formatDuration(metrics.gcTime),
    formatCount(recordsReadIn(metrics)),
    formatBytes(metrics.diskBytesSpilled),
  ];
}

const slowestHead = [
  "stage",
  "partition",
  "attempt",
  "worker",
  "locality",
  "ran",
  "cpu",
  "gc",
  "waited",
  "records",
  "in",
];

function slowestOf(stages: readonly StageHistory[]): (string | number)[][] {
  return stages
    .flatMap(({ stage, slowest }) => slowest.map((task) => ({ stage, task })))
    .sort((a, b) => b.task.metrics.executorRunTime - a.task.metrics.executorRunTime)
    .slice(0, SHOWN)
    .map(({ stage, task }) => taskRow(stage, task));
}

function taskRow(stage: number, { partition, attempt, worker, locality, metrics }: TaskHistory): (string | number)[] {
  return [
    ...[stage, partition, attempt, worker, locality ?? ""],
    formatDuration(metrics.executorRunTime),
    formatDuration(metrics.executorCpuTime),
    formatDuration(metrics.gcTime),
    formatDuration(metrics.shuffleFetchWaitTime),
    formatCount(recordsReadIn(metrics)),
    formatBytes(metrics.inputBytes + shuffleBytesReadIn(metrics)),
  ];
}

function failureOf({ job, stage, partition, attempt, worker, outcome, error }: FailureHistory): string {
  const lines = [`  job ${job}, stage ${stage}, partition ${partition}, attempt ${attempt} on ${worker} ${outcome}`];
  for (let cause: typeof error | undefined = error; cause !== undefined; cause = cause.cause)
    lines.push(`    ${nameOf(cause)}: ${cause.message.split("\n")[0]}`);
  return `${lines.join("\n")}\n`;
}

/** A user's error crosses with its name as its only field. */
function nameOf({ code, fields }: FailureHistory["error"]): string {
  return typeof fields.name === "string" && Object.keys(fields).length === 1 ? fields.name : code;
}

function formatSums(metrics: TaskMetrics): string {
  const { inputBytes, outputBytes, shuffleWriteBytes, memoryBytesSpilled, diskBytesSpilled } = metrics;
  const parts = [
    `ran ${formatDuration(metrics.executorRunTime)} (cpu ${formatDuration(metrics.executorCpuTime)}, gc ${formatDuration(metrics.gcTime)})`,
    `read ${formatCount(metrics.inputRecords)} records, ${formatBytes(inputBytes)}`,
    `wrote ${formatCount(metrics.outputRecords)} records, ${formatBytes(outputBytes)}`,
    `shuffled ${formatBytes(shuffleWriteBytes)}`,
    `spilled ${formatBytes(diskBytesSpilled)} (${formatBytes(memoryBytesSpilled)} of memory)`,
  ];
  return `  ${parts.join("; ")}\n`;
}

function formatLog({ path, parts, bytes, events, cut, damaged, missingParts }: ReadHistory["log"]): string {
  const notes = [
    ...(cut ? ["its end is cut"] : []),
    ...(damaged > 0 ? [`${damaged} lines are damaged`] : []),
    ...(missingParts.length > 0 ? [`files ${missingParts.join(", ")} are missing`] : []),
  ];
  const files = parts === 1 ? "" : ` and ${parts - 1} more files`;
  return `  log: ${path}${files}, ${formatBytes(bytes)}, ${events} events${notes.length === 0 ? "" : `; ${notes.join("; ")}`}\n`;
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19);
}

/** The master that is asked; null: sessions that have ended are. MILLRACE_MASTER counts where no history is asked for. */
export function masterOf(flags: StatusFlags): string | null {
  if (flags.history !== undefined && flags.watch !== true) return null;
  if (flags.history === undefined && flags.master !== undefined) return flags.master;
  const found = flags.history === undefined ? "neither" : "--history with --watch";
  throw new MillraceError(
    "INVALID_OPTION",
    `millrace status: expected --master <url> for a running master or --history for sessions that have ended, found ${found}`,
    { fields: { found } },
  );
}
