// What ran more than once, from a session's event log. The master begins to write the log out at every job's end, so a reader
// waits for the ends of the jobs whose beginnings are there.

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

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
  // What follows the last line's end is being written.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LogEvent);
}

/** A log whose master was killed never gets whole: what is there is taken then. */
const WAIT_MS = 5_000;

async function settled(path: string, least: number): Promise<LogEvent[]> {
  for (const deadline = Date.now() + WAIT_MS; ; await sleep(20)) {
    const events = eventsOf(path);
    const count = (wanted: string) => events.filter(({ type }) => type === wanted).length;
    const ended = count("jobEnded");
    if ((ended >= least && ended === count("jobStarted")) || Date.now() > deadline) return events;
  }
}

/** Jobs of the session that have ended. */
export async function jobsSoFar(path: string): Promise<number> {
  return (await settled(path, 0)).filter(({ type }) => type === "jobEnded").length;
}

/** Of the jobs after the first `known` ones. */
export async function countSince(path: string, known: number): Promise<Counts> {
  const events = await settled(path, known + 1);
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
