// The sessions of an event log directory, as a list and one by one. A log that has an end is listed by its first and last lines,
// so that a long list does not read long logs; one without is read through.

import { isMillraceError, MillraceError } from "../core/errors.js";
import type { TaskMetrics } from "../core/task-metrics.js";
import { type EventLog, type EventLogSummary, listEventLogs, readEnds, readEvents } from "./event-log-reader.js";
import { fullMetrics, type SessionEvent } from "./event-types.js";
import { HistoryBuilder, type SessionHistory } from "./history.js";

/** A session in the list. */
export interface SessionRow {
  readonly session: string;
  readonly appName: string;
  readonly master: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  /** null: the log has no end; its master was killed, or the session runs. */
  readonly endedMs: number | null;
  readonly elapsedMs: number;
  readonly jobs: number;
  readonly failedJobs: number;
  readonly tasks: number;
  readonly failedAttempts: number;
  readonly metrics: TaskMetrics;
  readonly logBytes: number;
  readonly path: string;
}

/** A log that cannot be listed, and why. */
export interface UnreadableLog {
  readonly path: string;
  readonly problem: string;
}

export interface HistoryList {
  /** Newest first. */
  readonly sessions: readonly SessionRow[];
  readonly unreadable: readonly UnreadableLog[];
}

/** `limit`: of the logs written last. */
export async function listHistory(directory: string, limit = Number.POSITIVE_INFINITY): Promise<HistoryList> {
  const sessions: SessionRow[] = [];
  const unreadable: UnreadableLog[] = [];
  for (const log of (await listEventLogs(directory)).slice(0, limit)) {
    try {
      sessions.push(await rowOf(log));
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      unreadable.push({ path: log.path, problem: error.message });
    }
  }
  return { sessions: sessions.sort((a, b) => b.startedMs - a.startedMs), unreadable };
}

export interface ReadHistory extends SessionHistory {
  readonly log: EventLogSummary & { readonly path: string; readonly bytes: number; readonly parts: number };
}

/** The session of that id, or of ids that begin so if it is one alone. @throws PATH_NOT_FOUND */
export async function readHistory(directory: string, session: string): Promise<ReadHistory> {
  const logs = await listEventLogs(directory);
  const named = logs.filter(({ name }) => name === session);
  const found = named.length > 0 ? named : logs.filter(({ name }) => name.startsWith(session));
  const [log, other] = found;
  if (log !== undefined && other === undefined) return historyOf(log);
  const which = log === undefined ? "no session" : `${found.length} sessions`;
  const there = (log === undefined ? logs : found).slice(0, 10).map(({ name }) => name);
  const hint = there.length === 0 ? "there are no event logs" : `e.g. ${there.join(", ")}`;
  throw new MillraceError("PATH_NOT_FOUND", `${directory} has ${which} ${session}: ${hint}`, {
    fields: { directory, session },
  });
}

async function historyOf(log: EventLog): Promise<ReadHistory> {
  const builder = new HistoryBuilder();
  const reading = readEvents(log, { onDamage: "skip" });
  for (;;) {
    const step = await reading.next();
    if (step.done === true) {
      const about = { ...step.value, path: log.path, bytes: log.sizeBytes, parts: log.parts.length };
      return { ...builder.build(), log: about };
    }
    builder.add(step.value);
  }
}

async function rowOf(log: EventLog): Promise<SessionRow> {
  const { first, last } = await readEnds(log);
  const started = first.find((event) => event.type === "sessionStarted");
  const ended = last.findLast((event) => event.type === "sessionEnded");
  return started?.type === "sessionStarted" && ended?.type === "sessionEnded" && ended.totals !== undefined
    ? rowOfEnds(log, started, ended)
    : rowOfHistory(log, await historyOf(log));
}

function rowOfEnds(
  log: EventLog,
  { session, appName, master, time: startedMs }: Extract<SessionEvent, { type: "sessionStarted" }>,
  { time: endedMs, totals, elapsedMs }: Extract<SessionEvent, { type: "sessionEnded" }>,
): SessionRow {
  const { metrics, ...counts } = totals;
  const times = { startedMs, endedMs, elapsedMs };
  const file = { logBytes: log.sizeBytes, path: log.path };
  return { session, appName, master, ...times, ...counts, metrics: fullMetrics(metrics), ...file };
}

function rowOfHistory(log: EventLog, history: ReadHistory): SessionRow {
  const { session, appName, master, startedMs, endedMs, lastMs, jobs, stages, metrics } = history;
  if (session === "") {
    throw new MillraceError("INVALID_FILE", `the event log ${log.path} does not begin with the start of a session`, {
      fields: { path: log.path },
    });
  }
  return {
    ...{ session, appName, master, startedMs, endedMs, elapsedMs: (endedMs ?? lastMs) - startedMs },
    jobs: jobs.length,
    failedJobs: jobs.filter(({ error }) => error !== null).length,
    tasks: stages.reduce((sum, { succeeded }) => sum + succeeded, 0),
    failedAttempts: history.failuresInAll,
    metrics,
    logBytes: log.sizeBytes,
    path: log.path,
  };
}
