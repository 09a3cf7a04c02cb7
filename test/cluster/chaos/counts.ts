// What ran more than once, from a session's event log. The master writes the log out at every job's end.

import { existsSync, readFileSync } from "node:fs";

export interface Counts {
  /** Tasks that succeeded more than once. */
  readonly recomputed: number;
  /** Fetches that failed: the task is tried again and charged with nothing. */
  readonly fetchFailed: number;
  /** Second attempts of tasks that were slow. */
  readonly copies: number;
  /** Of failed attempts and fetches that said why. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
}

type LogEvent = Readonly<Record<string, unknown>>;

function eventsOf(path: string): LogEvent[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  return lines.filter(Boolean).map((line) => JSON.parse(line) as LogEvent);
}

/** Jobs of the session that have ended. */
export function jobsSoFar(path: string): number {
  return eventsOf(path).filter(({ type }) => type === "jobEnded").length;
}

/** Of the jobs after the first `known` ones. */
export function countSince(path: string, known: number): Counts {
  const events = eventsOf(path);
  const first = events.filter(({ type }) => type === "jobStarted")[known];
  const since = first === undefined ? [] : events.slice(events.indexOf(first));
  const ended = since.filter(({ type }) => type === "taskEnded");
  const succeeded = ended.filter(({ outcome }) => outcome === "succeeded");
  const distinct = new Set(succeeded.map(({ stage, partition }) => `${stage} ${partition}`));
  const failed = ended.filter(({ outcome }) => outcome === "failed" || outcome === "fetchFailed");
  return {
    recomputed: succeeded.length - distinct.size,
    fetchFailed: failed.filter(({ outcome }) => outcome === "fetchFailed").length,
    copies: since.filter(({ type, speculative }) => type === "taskStarted" && speculative === true).length,
    errors: failed.map(({ error }) => error as { code: string; message: string }),
  };
}
