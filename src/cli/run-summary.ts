// `millrace run --summary`: what every job of the program did, as one JSON document in a file, written when the process ends,
// whatever ends it but a signal that cannot be caught.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { toWireError, type WireError } from "../core/errors.js";
import { formatCallSite } from "../plan/function.js";
import type { JobSummary } from "../protocol/driver.js";
import { onSessionOpened } from "../session/session-hooks.js";

export interface RunSummary {
  readonly program: string;
  readonly exitCode: number;
  readonly elapsedMs: number;
  readonly sessions: readonly SessionSummary[];
}

export interface SessionSummary {
  readonly session: string;
  readonly appName: string;
  readonly jobs: readonly {
    readonly job: number;
    /** "collect at counts.ts:7:4". */
    readonly action: string;
    /** null: it succeeded. */
    readonly error: Omit<WireError, "stack"> | null;
    /** null when the job did not end by the master's word: aborted, or the session was over. */
    readonly summary: JobSummary | null;
  }[];
}

export function writeSummaryAtExit(path: string, program: string): void {
  const file = resolve(path);
  const started = performance.now();
  const sessions: { session: string; appName: string; jobs: SessionSummary["jobs"][number][] }[] = [];
  // Now rather than after hours of work: whether the file can be written.
  writeFileSync(file, "");
  onSessionOpened((session) => {
    const jobs: SessionSummary["jobs"][number][] = [];
    sessions.push({ session: session.id, appName: session.appName, jobs });
    session.jobEnds.add(({ job, callSite, error, summary }) => {
      jobs.push({ job, action: formatCallSite(callSite), error: error === null ? null : withoutStack(error), summary });
    });
  });
  process.on("exit", (exitCode) => {
    const summary: RunSummary = { program, exitCode, elapsedMs: Math.round(performance.now() - started), sessions };
    writeFileSync(file, `${JSON.stringify(summary, null, 2)}\n`);
  });
}

function withoutStack(error: Error): Omit<WireError, "stack"> {
  const { stack: _, ...wire } = toWireError(error);
  return wire;
}
